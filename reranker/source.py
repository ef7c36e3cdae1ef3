"""Where the parts of a checkpoint lie on this machine: base weights, adapter, settings."""

from dataclasses import dataclass
from pathlib import Path

from reranker import embedded
from reranker.adapter import base_name, is_adapter
from reranker.embedded import EMBEDDED_NAME
from reranker.errors import ModelError
from reranker.hub import cached, locate, refuse_revision
from reranker.settings import Settings


@dataclass(frozen=True, slots=True)
class Source:
    """Paths to read a checkpoint from.

    `weights` is a folder of safetensors or a .gguf file, `base` the name under which an adapter
    trained on it finds it again.
    """

    name: str
    base: str
    weights: Path
    adapter: Path | None = None

    @property
    def tokenizer(self) -> Path:
        """Where the tokenizer lies: in the adapter's folder if it brings one, or in the weights.

        A .gguf file is read with its own.
        """
        own = self.adapter
        brings = own is not None and (own / "tokenizer.json").is_file()
        return own if own is not None and brings and self.weights.is_dir() else self.weights

    def settings(self) -> Settings | None:
        """The settings that the adapter's folder carries, or else the model's."""
        folders = [self.adapter, self.weights.parent if self.weights.is_file() else self.weights]
        carried = (Settings.read(folder) for folder in folders if folder is not None)
        default = embedded.SETTINGS if self.base == EMBEDDED_NAME else None
        return next((settings for settings in carried if settings is not None), default)


def find_source(
    name: str | Path | None, *, adapter: str | Path | None = None, revision: str | None = None
) -> Source:
    """Find, and fetch where need be, what `reranker.checkpoint.load` was asked for.

    Raises:
        ModelError: for parts that are absent or do not go together.
        SettingsError: for a revision of weights that do not come from Hugging Face.
    """
    given = None if adapter is None else locate(adapter)
    if name is None or name == EMBEDDED_NAME:
        refuse_revision(EMBEDDED_NAME, revision)
    if name is None:
        return _embedded(EMBEDDED_NAME, given or embedded.shipped_adapter())
    if name == EMBEDDED_NAME:
        return _embedded(_named(name, adapter), given)
    weights = locate(name, revision=revision)
    if not is_adapter(weights):
        return Source(_named(name, adapter), _remembered(name, weights), weights, given)
    if given is not None:
        raise ModelError(
            f"{name} is itself an adapter, and adapter={str(adapter)!r} was given as well; give "
            "the base model as the name, and one adapter"
        )
    return _with_its_base(str(name), weights)


def _embedded(name: str, adapter: Path | None) -> Source:
    return Source(name, EMBEDDED_NAME, embedded.embedded_folder(), adapter)


def _with_its_base(name: str, adapter: Path) -> Source:
    base = base_name(adapter)
    if base == EMBEDDED_NAME or (
        base == embedded.HUB_NAME and cached(base) is None and embedded.is_installed()
    ):
        return _embedded(name, adapter)
    beside = adapter / base
    weights = beside if beside.is_dir() and not Path(base).exists() else locate(base)
    if is_adapter(weights):
        raise ModelError(f"{adapter}: its base {weights} is an adapter too; merge that one first")
    remembered = str(weights.resolve()) if weights == beside else _remembered(base, weights)
    return Source(name, remembered, weights, adapter)


def _named(name: str | Path, adapter: str | Path | None) -> str:
    return str(name) if adapter is None else f"{name}+{adapter}"


def _remembered(name: str | Path, weights: Path) -> str:
    """A folder's absolute path, or a Hugging Face name as it was given."""
    here = Path(name).expanduser().exists()
    return str(weights.resolve()) if here else str(name)

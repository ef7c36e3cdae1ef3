"""Collections by name, wherever they are kept.

- a folder in BEIR layout, by its path, or by its name under `RERANKER_COLLECTIONS`;
- `embedded`: the interpreter's own documentation, on every machine;
- `hf:OWNER/NAME[/CONFIG]`: a BeIR-style repository of the Hugging Face hub;
- `irds:NAME`: a data set of ir_datasets.
"""

import os
from pathlib import Path

from reranker.collection import Collection, read_beir
from reranker.errors import DataError

EMBEDDED = "embedded"
FOLDER_VARIABLE = "RERANKER_COLLECTIONS"
SHARED = Path(__file__).resolve().parents[2] / "shared" / "collections"


def load(name: str, split: str | None = None) -> Collection:
    """Load a collection with the judgments of one split.

    `split=None` takes test, else dev, else the only split there is.

    Raises:
        DataError: for a name that is not known, or a collection that cannot be read.
        MissingExtraError: for `hf:` and `irds:` where their package is not installed.
    """
    if name == EMBEDDED:
        from data.embedded import load as load_embedded

        return load_embedded(split or "test")
    if name.startswith("hf:"):
        from data.hub import load_hub

        return load_hub(name.removeprefix("hf:"), split)
    if name.startswith("irds:"):
        from data.irds import load_irds

        return load_irds(name.removeprefix("irds:"), split)
    return read_beir(folder_of(name), split)


def folders() -> dict[str, Path]:
    """The collections that lie in folders, by name.

    They are looked for under the folder in `RERANKER_COLLECTIONS`, or else under
    `shared/collections` beside the checkout.
    """
    root = _root()
    found = sorted(root.iterdir()) if root.is_dir() else []
    return {folder.name: folder for folder in found if _is_beir(folder)}


def _root() -> Path:
    return Path(os.environ.get(FOLDER_VARIABLE) or SHARED)


def folder_of(name: str) -> Path:
    """Where a collection lies that is a folder, or the name of one.

    Raises:
        DataError: for neither.
    """
    path = Path(name)
    if _is_beir(path) or (len(path.parts) > 1 and path.is_dir()):
        return path
    named = folders()
    if name in named:
        return named[name]
    raise DataError(
        f"no collection {name!r}: it is neither a folder in BEIR layout nor among those of "
        f"{FOLDER_VARIABLE}={_root()} ({', '.join(named) or 'none'}); give a folder, one of these, "
        f"{EMBEDDED!r}, 'hf:OWNER/NAME' or 'irds:NAME'"
    )


def _is_beir(folder: Path) -> bool:
    return any((folder / f"corpus.jsonl{suffix}").is_file() for suffix in ("", ".gz"))

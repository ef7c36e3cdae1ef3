"""Collections of the Hugging Face hub, in the layout of the BeIR and MTEB repositories.

Passages and queries are the configurations `corpus` and `queries`; judgments are `qrels` or
`default` of the same repository, or the repository `NAME-qrels`. A repository of several
collections (one a language) calls them `CONFIG-corpus`, `CONFIG-queries`, `CONFIG-qrels`.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from data.judged import Judgment, assemble
from reranker.collection import SPLITS_BY_PREFERENCE, Collection
from reranker.errors import DataError, MissingExtraError
from reranker.passage import Passage

Row = Mapping[str, Any]
VALIDATION = {"dev": "validation", "validation": "dev"}


def load_hub(spec: str, split: str | None = None) -> Collection:
    """Load `OWNER/NAME` or `OWNER/NAME/CONFIG`.

    Raises:
        DataError: for a repository that cannot be had or has another layout.
        MissingExtraError: where `datasets` is not installed.
    """
    parts = spec.split("/")
    if len(parts) not in (2, 3) or not all(parts):
        raise DataError(f"expected hf:OWNER/NAME or hf:OWNER/NAME/CONFIG, found 'hf:{spec}'")
    config = parts[2] if len(parts) == 3 else None
    return read_repository("/".join(parts[:2]), config, split)


def read_repository(
    repository: str, config: str | None = None, split: str | None = None
) -> Collection:
    """Read a repository of the hub, or a local folder of the same layout."""
    datasets = _datasets()
    try:
        configs = datasets.get_dataset_config_names(repository)
        prefix = f"{config}-" if config else ""
        corpus, queries = (_only(datasets, repository, prefix + kind, configs) for kind in KINDS)
        judgments = _judgments(datasets, repository, config, configs, split)
        texts = {str(row["_id"]): row["text"] for row in queries}
        return assemble(repository, map(_as_passage, corpus), texts, judgments)
    except KeyError as error:
        raise DataError(f"hf:{repository} has rows without the column {error}") from error
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(_help(repository, error)) from error


KINDS = ("corpus", "queries")


def _only(datasets: Any, repository: str, config: str, configs: list[str]) -> Iterable[Row]:
    """All rows of a configuration, whatever its splits are called."""
    if config not in configs:
        raise DataError(
            f"hf:{repository} has no configuration {config!r}, it has {configs}; expected the "
            "layout of BeIR's repositories, 'corpus' and 'queries' and judgments"
        )
    rows: Iterable[Row] = (
        row for part in datasets.load_dataset(repository, config).values() for row in part
    )
    return rows


def _judgments(
    datasets: Any, repository: str, config: str | None, configs: list[str], split: str | None
) -> Iterator[Judgment]:
    wanted = [f"{config}-qrels", config] if config else ["qrels", "default"]
    found = next((name for name in wanted if name in configs), None)
    splits = (
        datasets.load_dataset(repository, found)
        if found
        else datasets.load_dataset(f"{repository}-qrels")
    )
    for row in splits[_choose(repository, list(splits), split)]:
        yield str(row["query-id"]), str(row["corpus-id"]), int(row.get("score", 1))


def _choose(repository: str, names: list[str], split: str | None) -> str:
    """The split asked for (dev is validation too), else test, else dev, else the only one."""
    wanted = SPLITS_BY_PREFERENCE if split is None else (split,)
    for name in wanted:
        for alias in (name, VALIDATION.get(name, name)):
            if alias in names:
                return alias
    if split is None and len(names) == 1:
        return names[0]
    raise DataError(f"hf:{repository} has judgments for {names}; found no {split or 'default'!r}")


def _as_passage(row: Row) -> Passage:
    return Passage(row["text"], str(row["_id"]), row.get("title") or None)


def _help(repository: str, error: Exception) -> str:
    return (
        f"hf:{repository} could not be loaded ({type(error).__name__}: {str(error)[:200]}). "
        "Check the name and the connection; with the files in datasets' cache, set "
        "HF_HUB_OFFLINE=1; or save the collection as a folder in BEIR layout and give its path."
    )


def _datasets() -> Any:
    try:
        import datasets
    except ImportError as error:
        raise MissingExtraError("datasets", "eval", "reading a collection from the hub") from error
    return datasets

"""Tables of `datasets`: loaded only where one is asked for, so that training runs without it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reranker.errors import DataError, MissingExtraError

_READERS = {
    ".parquet": "parquet",
    ".arrow": "arrow",
    ".csv": "csv",
    ".json": "json",
    ".jsonl": "json",
}


def import_datasets() -> Any:
    """The package `datasets`.

    Raises:
        MissingExtraError: where it is not installed.
    """
    try:
        import datasets
    except ImportError as error:
        raise MissingExtraError("datasets", "train", "reading or making tables of rows") from error
    return datasets


def load_table(name_or_path: str | Path, split: str = "train") -> Any:
    """A `datasets.Dataset`: from a file, a folder, or a name on the hub, one of its splits.

    Raises:
        DataError: for what cannot be loaded.
        MissingExtraError: where `datasets` is not installed.
    """
    datasets = import_datasets()
    try:
        return _load(datasets, Path(name_or_path), split)
    except (OSError, ValueError, KeyError, datasets.exceptions.DatasetsError) as error:
        raise DataError(
            f"datasets cannot load split {split!r} of {str(name_or_path)!r} ({error}); check the "
            "name, the split and, for a name on the hub, the connection"
        ) from error


def plain(values: object) -> object:
    """A row of a table with its passages as a list of objects.

    Tables written by older versions of `datasets` hold one object of lists instead.
    """
    if not isinstance(values, Mapping) or not isinstance(values.get("passages"), Mapping):
        return values
    columns: Mapping[str, list[object]] = values["passages"]
    cells = zip(*columns.values(), strict=False)
    return {**values, "passages": [dict(zip(columns, cell, strict=True)) for cell in cells]}


def _load(datasets: Any, path: Path, split: str) -> Any:
    if path.is_file():
        reader = _READERS.get(Path(path.name.removesuffix(".gz")).suffix)
        if reader is None:
            raise DataError(f"{path} has none of the endings {sorted(_READERS)}")
        return datasets.load_dataset(reader, data_files={split: str(path)}, split=split)
    if (path / "state.json").is_file():
        return datasets.load_from_disk(str(path))
    if (path / "dataset_dict.json").is_file():
        return datasets.load_from_disk(str(path))[split]
    return datasets.load_dataset(str(path), split=split)

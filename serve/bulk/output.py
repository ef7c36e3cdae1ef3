"""The output: a folder of finished shards, out of which the reranked run is made at the end."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from reranker.errors import DataError
from reranker.files import replacing, write_atomically
from serve.bulk.manifest import Manifest
from serve.bulk.plan import Plan
from serve.bulk.record import Record

RUN = "run.trec"
FAILED = "failed.jsonl"
_PARTS = "parts"
_LOCK = ".lock"


class Output:
    """A folder that holds `run.trec`, `failed.jsonl`, `manifest.json` and, in `parts`, the shards.

    Args:
        folder: made where it is not there.

    Raises:
        DataError: for a manifest there that cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self.run, self.failed = folder / RUN, folder / FAILED
        self._folder, self._parts = folder, folder / _PARTS
        self._parts.mkdir(parents=True, exist_ok=True)
        self.manifest = Manifest(folder, bound=bool(self._finished()))

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep others out of the folder.

        Raises:
            DataError: where another process has it.
        """
        try:
            with FileLock(self._folder / _LOCK, timeout=0):
                yield
        except Timeout:
            raise DataError(
                f"another process is writing {self._folder}; wait for it, or give another --output"
            ) from None

    def pending(self, plan: Plan, *, retry: bool) -> list[int]:
        """The shards that are not finished; with `retry`, those in which queries failed as well."""
        finished = self._finished()
        return [
            number
            for number in range(plan.shards)
            if number not in finished
            or (retry and any(record.error is not None for record in self._read(number)))
        ]

    def write(self, number: int, lines: str) -> None:
        """Write the records of a shard, whole or not at all: from then on it is finished."""
        write_atomically(self._part(number), lines)

    def merge(self, plan: Plan) -> int:
        """Make the run and the list of failures, in the order of the plan; count the failures.

        Raises:
            DataError: for a part that does not hold what its shard does.
        """
        failures = 0
        with replacing(self.run) as run, replacing(self.failed) as failed:
            for number in range(plan.shards):
                for record in self._checked(number, plan.ids(number)):
                    run.write(record.run)
                    if record.error is not None:
                        failed.write(record.failure())
                        failures += 1
        return failures

    def _finished(self) -> set[int]:
        return {int(path.stem) for path in self._parts.glob("[0-9]*.jsonl")}

    def _checked(self, number: int, ids: Sequence[str]) -> list[Record]:
        records = self._read(number)
        if [record.query for record in records] != ids:
            raise self._broken(number)
        return records

    def _read(self, number: int) -> list[Record]:
        try:
            with self._part(number).open(encoding="utf-8") as stream:
                return [Record.parse(line) for line in stream]
        except (OSError, ValueError, TypeError) as error:
            raise self._broken(number) from error

    def _broken(self, number: int) -> DataError:
        return DataError(
            f"{self._part(number)} does not hold its queries as they were written; remove it, and "
            "the same command ranks them anew"
        )

    def _part(self, number: int) -> Path:
        return self._parts / f"{number:08d}.jsonl"

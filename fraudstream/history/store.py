"""The store as its one writer has it: rows are added in memory, and become part of the store by `commit`.

`commit` does this, in this order:

1. write the rows into new files, a file for each table and day, and make them durable;
2. replace the manifest, which names the new files and the positions of the topics behind their rows.

A writer that is killed before 2 has changed nothing: the next one removes the files that the manifest does not name,
and reads the same records again. Merging, retention and erasure change the store in the same way; the files that they
replace are removed after 2.
"""

from __future__ import annotations

import fcntl
import os
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
from msgspec.structs import replace

from fraudstream.history.errors import HistoryError
from fraudstream.history.files import merged, write_file
from fraudstream.history.links import links_of
from fraudstream.history.manifest import DataFile, Erasure, Manifest, TopicPosition, load, save
from fraudstream.history.merging import next_merge
from fraudstream.history.tables import DAY_MS, TABLES, TableName

LOCK: Final = "writer.lock"


class StoreInUseError(HistoryError):
    """Another process writes to the store."""


class HistoryStore:
    """The store at `root`, open for writing: one process at a time. Use it in a `with` block.

    `first_day`: rows of earlier days, in days since the epoch, are not kept; it is asked at each commit.
    """

    def __init__(self, root: Path, first_day: Callable[[], int] = lambda: 0) -> None:
        self.root, self._first_day = root, first_day
        self._added: defaultdict[TableName, list[pa.Table]] = defaultdict(list)
        self._lock: int | None = None
        self.manifest = Manifest()

    def __enter__(self) -> HistoryStore:
        """Raises `StoreInUseError`, `HistoryError`, `OSError`."""
        self.root.mkdir(parents=True, exist_ok=True)
        self._lock = os.open(self.root / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.manifest = load(self.root) or Manifest()
        except BlockingIOError:
            self._unlock()
            raise StoreInUseError(f"another process writes to the history in {self.root}.") from None
        except BaseException:
            self._unlock()
            raise
        for path in unnamed_files(self.root, self.manifest):
            path.unlink(missing_ok=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._unlock()

    @property
    def waiting_rows(self) -> int:
        """How many rows were added since the last commit."""
        return sum(len(rows) for tables in self._added.values() for rows in tables)

    @property
    def has_expired(self) -> bool:
        """Whether the next commit removes days."""
        first_day = self._first_day()
        return any(file.day < first_day for file in self.manifest.files)

    def add(self, table: TableName, rows: pa.Table) -> None:
        """Add rows of `payments`, `decisions` or `labels`. The links of payments are added by `commit`."""
        assert table != "links"
        if len(rows):
            self._added[table].append(rows)

    def commit(self, positions: Mapping[str, TopicPosition]) -> int:
        """Make the added rows part of the store, and `positions` those of the topics; returns how many rows were older
        than what is kept. Raises `OSError`; the store is then as it was, and the rows are still added."""
        generation, first_day = self.manifest.generation + 1, self._first_day()
        files, expired = [], 0
        for table, parts in self._added.items():
            for day, rows in by_day(table, pa.concat_tables(parts)):
                if day < first_day:
                    expired += len(rows)
                    continue
                files += self._written(table, day, generation, rows)
        kept = [file for file in self.manifest.files if file.day >= first_day]
        self._replace(generation, [*kept, *files], topics={**self.manifest.topics, **positions})
        self._added.clear()
        return expired

    def merge(self) -> bool:
        """Merge some small files of a day into one; False if there are none to merge. Raises `OSError`."""
        files = next_merge(self.manifest.files)
        if not files:
            return False
        generation = self.manifest.generation + 1
        table, day = files[0].table, files[0].day
        whole = write_file(self.root, table, day, _name(generation), merged(self.root, files))
        taken = set(files)
        self._replace(generation, [*(file for file in self.manifest.files if file not in taken), whole])
        return True

    def rewrite(self, replaced: Sequence[tuple[DataFile, pa.Table]], erasure: Erasure) -> None:
        """Put other rows in the place of files, and keep the record of it. Raises `OSError`."""
        generation = self.manifest.generation + 1
        taken = {file for file, _ in replaced}
        files = [file for file in self.manifest.files if file not in taken]
        for number, (file, rows) in enumerate(replaced):
            if len(rows):
                files.append(write_file(self.root, file.table, file.day, _name(generation, number), rows))
        self._replace(generation, files, erasures=(*self.manifest.erasures, erasure))

    def _written(self, table: TableName, day: int, generation: int, rows: pa.Table) -> list[DataFile]:
        files = [write_file(self.root, table, day, _name(generation), rows)]
        if table == "payments" and len(links := links_of(rows)):
            files.append(write_file(self.root, "links", day, _name(generation), links))
        return files

    def _replace(
        self,
        generation: int,
        files: Sequence[DataFile],
        topics: dict[str, TopicPosition] | None = None,
        erasures: tuple[Erasure, ...] | None = None,
    ) -> None:
        """Make `files` the store's, and remove those that no longer are."""
        before = self.manifest
        after = replace(
            before,
            generation=generation,
            files=tuple(sorted(files, key=lambda file: (file.table, file.day, file.name))),
            topics=before.topics if topics is None else topics,
            erasures=before.erasures if erasures is None else erasures,
        )
        save(self.root, after)
        self.manifest = after
        for file in set(before.files) - set(after.files):
            file.path(self.root).unlink(missing_ok=True)

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def by_day(table: TableName, rows: pa.Table) -> list[tuple[int, pa.Table]]:
    """The rows of each day, in days since the epoch: of the payment's time; of a label whose payment's time is not
    known, of the label's."""
    if table == "labels":
        at_ms = pc.coalesce(rows["payment_occurred_at_ms"], rows["labelled_at_ms"])
    else:
        at_ms = rows["occurred_at_ms"]
    days = pc.divide(at_ms, DAY_MS)
    return [(day, rows.filter(pc.equal(days, day))) for day in sorted(pc.unique(days).to_pylist())]


def unnamed_files(root: Path, manifest: Manifest) -> list[Path]:
    """The data files in the store's directory that the manifest does not name."""
    named = {file.path(root) for file in manifest.files}
    found = (path for table in TABLES for path in (root / table).glob("day=*/*.parquet"))
    return sorted(path for path in found if path not in named)


def _name(generation: int, number: int = 0) -> str:
    return f"{generation:09d}-{number}.parquet"

"""The manifest of a store: which files belong to it, and up to where each topic is in them.

It is one file that is replaced as a whole. Files that it does not name are not part of the store, so a writer that is
killed at any moment leaves a store whose rows and positions agree.
"""

from __future__ import annotations

import os
from datetime import date, timedelta
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from fraudstream.contracts.undecodable import UNDECODABLE
from fraudstream.history.errors import HistoryError
from fraudstream.history.tables import TABLES, TableName

MANIFEST: Final = "manifest.json"
LAYOUT_VERSION: Final = 1


class DataFile(msgspec.Struct, frozen=True):
    """A Parquet file. `day`: days since the epoch, UTC, of all its rows. `bytes`: its size."""

    table: TableName
    day: int
    name: str
    rows: int
    bytes: int

    def path(self, root: Path) -> Path:
        """Where it is in the store at `root`."""
        return root / self.table / f"day={day_text(self.day)}" / self.name


class TopicPosition(msgspec.Struct, frozen=True):
    """`identity`: of the topic, which changes when a topic of the same name is made again. `offsets`: by partition, the
    next offset to read."""

    identity: str
    offsets: dict[int, int]


class Erasure(msgspec.Struct, frozen=True):
    """The record of an erased account. `account_digest`: its pseudonym in the audit log, or SHA-256 of its id, in hex,
    so that the record does not keep what was erased. `rows`: how many were removed, by table."""

    request_id: str
    account_digest: str
    erased_at_ms: int
    actor: str
    rows: dict[str, int]


class TableSize(NamedTuple):
    """The size of a table."""

    files: int
    rows: int
    bytes: int


class Manifest(msgspec.Struct, frozen=True):
    """`generation`: number of changes so far; names of new files begin with it. `topics`: by name."""

    layout_version: int = LAYOUT_VERSION
    generation: int = 0
    files: tuple[DataFile, ...] = ()
    topics: dict[str, TopicPosition] = {}
    erasures: tuple[Erasure, ...] = ()

    def sizes(self) -> dict[str, TableSize]:
        """How large each table is."""
        of = {table: [file for file in self.files if file.table == table] for table in TABLES}
        return {
            table: TableSize(len(files), sum(file.rows for file in files), sum(file.bytes for file in files))
            for table, files in of.items()
        }


def day_text(day: int) -> str:
    """A number of days since the epoch as a date.

    >>> day_text(20_516)
    '2026-03-04'
    """
    return (date(1970, 1, 1) + timedelta(days=day)).isoformat()


def load(root: Path) -> Manifest | None:
    """The manifest of the store at `root`; None if there is no store. Raises `HistoryError`."""
    path = root / MANIFEST
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Manifest)
    except FileNotFoundError:
        return None
    except UNDECODABLE as error:
        raise HistoryError(f"{path} is not the manifest of a history store: {error}.") from error
    except OSError as error:
        raise HistoryError(f"{path} cannot be read: {error.strerror}.") from error
    if found.layout_version != LAYOUT_VERSION:
        raise HistoryError(
            f"{path} has the layout {found.layout_version}, this program reads {LAYOUT_VERSION}. Make the store again: "
            "move the directory away, and let the writer read the topics from their beginning."
        )
    return found


def save(root: Path, manifest: Manifest) -> None:
    """Replace the manifest at once, durably. Raises `OSError`."""
    path = root / MANIFEST
    temporary = path.with_suffix(".new")
    with temporary.open("wb") as file:
        file.write(msgspec.json.encode(manifest))
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    sync_directory(root)


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

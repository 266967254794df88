"""Parquet files of the store: written once, never changed.

Compressed with zstd; the rows in the order of the table, in row groups so small that a question about one account reads
few rows of a large file.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from fraudstream.history.links import added_up
from fraudstream.history.manifest import DataFile, sync_directory
from fraudstream.history.tables import ORDERS, SCHEMAS, TableName

ROW_GROUP_ROWS: Final = 4_096  # measured: docs/decisions/0030
_CODEC: Final = "zstd"
_LEVEL: Final = 3


def write_file(root: Path, table: TableName, day: int, name: str, rows: pa.Table) -> DataFile:
    """Write `rows` of one day durably, in the order of the table. Raises `OSError`."""
    ordered = rows.sort_by([(column, "ascending") for column in ORDERS[table]])
    file = DataFile(table, day, name, len(rows), 0)
    path = file.path(root)
    _make_directory(path.parent, root)
    pq.write_table(
        ordered, path, row_group_size=ROW_GROUP_ROWS, compression=_CODEC, compression_level=_LEVEL, version="2.6"
    )
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    sync_directory(path.parent)
    return DataFile(table, day, name, len(rows), path.stat().st_size)


def read_file(root: Path, file: DataFile) -> pa.Table:
    """All rows of a file. Raises `OSError`."""
    return pq.ParquetFile(file.path(root)).read().cast(SCHEMAS[file.table])


def merged(root: Path, files: list[DataFile]) -> pa.Table:
    """The rows of files of one table and day; of links, added up."""
    rows = pa.concat_tables([read_file(root, file) for file in files])
    return added_up(rows) if files[0].table == "links" else rows


def _make_directory(path: Path, root: Path) -> None:
    if path.is_dir():
        return
    path.mkdir(parents=True)
    sync_directory(path.parent)
    sync_directory(root)

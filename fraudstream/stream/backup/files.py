"""An export of the memory on disk: `manifest.json`, and a Parquet file of rows for each partition.

A row is a record of the changelog, key and value as they are. The manifest is written last and names each file's
digest: a directory without it, or with other files than it names, is no export.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from fraudstream.stream.checkpoints.changelog import Change, CheckpointRecord

MANIFEST = "manifest.json"
FORMAT = 1
GROUP_ROWS_MAX = 20_000
_SCHEMA = pa.schema([pa.field("key", pa.binary(), nullable=False), pa.field("value", pa.binary(), nullable=False)])


class ExportError(Exception):
    """A directory that holds no export, or not a whole one. `str()` is one sentence for the user."""


class ExportedPartition(msgspec.Struct, frozen=True):
    """One partition: its file, how many rows that holds and of how many bytes, its digest, and how far the rows
    reach."""

    partition: int
    file: str
    rows: int
    size: int
    sha256: str
    checkpoint: CheckpointRecord


class Manifest(msgspec.Struct, frozen=True):
    """Of what, and when, the export was made. `layout`: of the memory; `input_topic` and `input_id`: of the log."""

    format: int
    program: str
    exported_at: str
    changelog: str
    stage: str
    state_version: int
    input_topic: str
    input_id: str
    layout: str
    rule_sets: tuple[str, ...]
    partitions: tuple[ExportedPartition, ...]

    @property
    def rows(self) -> int:
        return sum(partition.rows for partition in self.partitions)

    @property
    def size(self) -> int:
        return sum(partition.size for partition in self.partitions)


class RowFile:
    """Rows on their way into a partition's file; takes them where `changelog.ChangelogRestorer` would fill a memory."""

    def __init__(self, path: Path) -> None:
        self.path, self.rows, self.size = path, 0, 0
        self._writer = pq.ParquetWriter(path, _SCHEMA, compression="zstd")
        self._waiting: dict[bytes, bytes] = {}

    def restore(self, records: Iterable[tuple[bytes, bytes]]) -> None:
        for key, value in records:
            self._waiting.pop(key, None)  # a key takes the place of its last record
            self._waiting[key] = value
            if len(self._waiting) >= GROUP_ROWS_MAX:
                self._flush()

    def close(self) -> str:
        """The digest of the file."""
        self._flush()
        self._writer.close()
        return digest_of(self.path)

    def _flush(self) -> None:
        if self._waiting:
            columns: list[Any] = [pa.array(column, pa.binary()) for column in zip(*self._waiting.items(), strict=True)]
            self._writer.write_table(pa.table(columns, schema=_SCHEMA))
            self.rows += len(self._waiting)
            self.size += sum(len(key) + len(value) for key, value in self._waiting.items())
            self._waiting.clear()


def rows_of(path: Path) -> Iterator[list[Change]]:
    """The rows of a partition's file, in their order and in pieces."""
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=GROUP_ROWS_MAX):
            keys, values = batch.column("key").to_pylist(), batch.column("value").to_pylist()
            yield [Change(key, value) for key, value in zip(keys, values, strict=True)]


def prepare(directory: Path) -> None:
    """Make the directory of an export. Raises `ExportError` if it can't be made, or holds something already."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        empty = not any(directory.iterdir())
    except OSError as error:
        raise ExportError(f"{directory}: can't be made a directory of an export: {error.strerror}.") from error
    if not empty:
        raise ExportError(f"{directory} is not empty. Export into a directory of its own.")


def write_manifest(directory: Path, manifest: Manifest) -> None:
    part = directory / f"{MANIFEST}.part"
    part.write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n")
    part.rename(directory / MANIFEST)


def read_manifest(directory: Path) -> Manifest:
    """The manifest of an export whose files are whole. Raises `ExportError`."""
    path = directory / MANIFEST
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
    except OSError as error:
        raise ExportError(f"{path}: {error.strerror}: the directory holds no export, or not a whole one.") from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ExportError(f"{path}: not the manifest of an export: {error}.") from error
    if manifest.format != FORMAT:
        raise ExportError(f"{path}: an export of format {manifest.format}; this release reads format {FORMAT}.")
    for partition in manifest.partitions:
        file = directory / partition.file
        if not file.is_file() or digest_of(file) != partition.sha256:
            raise ExportError(f"{file}: missing, or not as it was exported. Take another copy of the export.")
    return manifest


def digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

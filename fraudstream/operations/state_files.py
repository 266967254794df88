"""The files of a state export: `manifest.json`, and a Parquet file of rows for each partition.

A row is a record of the changelog, key and value as they are. The manifest is written last and names each file's
digest: a directory without it, or with other files than it names, is not an export.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from fraudstream.contracts.error_text import system_error_text
from fraudstream.contracts.undecodable import UNDECODABLE
from fraudstream.engine.packed_records import PackedRecords
from fraudstream.operations.errors import OperationError
from fraudstream.stream.checkpoints.changelog import Change
from fraudstream.stream.checkpoints.checkpoint_record import CHECKPOINT_VERSION, CheckpointRecord

MANIFEST: Final = "manifest.json"
FORMAT: Final = 1
GROUP_ROWS_MAX: Final = 20_000
_SCHEMA = pa.schema([pa.field("key", pa.binary(), nullable=False), pa.field("value", pa.binary(), nullable=False)])


class ExportError(OperationError):
    """A directory that is not a complete export, or that an export cannot be written to. `path`: the file or
    directory."""

    def __init__(self, path: Path, sentence: str) -> None:
        super().__init__(f"{path}{sentence}")
        self.path = path


class ExportedPartition(msgspec.Struct, frozen=True):
    """One partition: its file, the number of rows in it and their bytes, the file's SHA-256, and the checkpoint that
    the rows reach to."""

    partition: int
    file: str
    rows: int
    size: int
    sha256: str
    checkpoint: CheckpointRecord


class Manifest(msgspec.Struct, frozen=True):
    """What was exported, and when. `layout`: of the state; `input_topic` and `input_id`: the log it was built from;
    `key_fingerprint`: of the identifier secret it was built under.

    `exported_at`: RFC 3339, UTC.
    """

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
    key_fingerprint: str = ""

    @property
    def rows(self) -> int:
        """Rows of all partitions."""
        return sum(partition.rows for partition in self.partitions)

    @property
    def size(self) -> int:
        """Bytes of all keys and values."""
        return sum(partition.size for partition in self.partitions)


class RowFile:
    """The file of one partition while it is written; takes rows where a changelog restorer would fill a state.

    Every method raises `ExportError` where the file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.rows, self.size = path, 0, 0
        with _writing(path):
            self._writer = pq.ParquetWriter(path, _SCHEMA, compression="zstd")
        self._waiting: dict[bytes, bytes] = {}

    def restore_packed(self, records: PackedRecords) -> None:
        """Add rows; of rows with one key, the last one counts."""
        for key, value in records.pairs():
            self._waiting.pop(key, None)  # a key takes the place of its last record
            self._waiting[key] = value
            if len(self._waiting) >= GROUP_ROWS_MAX:
                self._flush()

    def close(self) -> str:
        """Finish the file; returns its SHA-256."""
        self._flush()
        with _writing(self.path):
            self._writer.close()
            return digest_of(self.path)

    def _flush(self) -> None:
        if self._waiting:
            columns: list[Any] = [pa.array(column, pa.binary()) for column in zip(*self._waiting.items(), strict=True)]
            with _writing(self.path):
                self._writer.write_table(pa.table(columns, schema=_SCHEMA))
            self.rows += len(self._waiting)
            self.size += sum(len(key) + len(value) for key, value in self._waiting.items())
            self._waiting.clear()


def rows_of(path: Path) -> Iterator[list[Change]]:
    """The rows of a partition's file, in their order, at most `GROUP_ROWS_MAX` at a time."""
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=GROUP_ROWS_MAX):
            keys, values = batch.column("key").to_pylist(), batch.column("value").to_pylist()
            yield [Change(key, value) for key, value in zip(keys, values, strict=True)]


def create_export_directory(directory: Path) -> None:
    """Make the directory of an export. Raises `ExportError` if it cannot be made, or is not empty."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        empty = not any(directory.iterdir())
    except OSError as error:
        raise ExportError(directory, f": cannot be used for an export: {system_error_text(error)}.") from error
    if not empty:
        raise ExportError(directory, " is not empty. Export into a directory of its own.")


def write_manifest(directory: Path, manifest: Manifest) -> None:
    """Write the manifest, in one step. Raises `ExportError`."""
    part = directory / f"{MANIFEST}.part"
    with _writing(part):
        part.write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n")
        part.rename(directory / MANIFEST)


def read_manifest(directory: Path) -> Manifest:
    """The manifest of an export whose files are complete. Raises `ExportError`."""
    path = directory / MANIFEST
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
    except OSError as error:
        raise ExportError(path, f": {system_error_text(error)}: the directory holds no complete export.") from error
    except UNDECODABLE as error:
        raise ExportError(path, f": not the manifest of an export: {error}.") from error
    if manifest.format != FORMAT:
        raise ExportError(path, f": an export of format {manifest.format}; this release reads format {FORMAT}.")
    if any(found.checkpoint.schema_version > CHECKPOINT_VERSION for found in manifest.partitions):
        raise ExportError(path, f": made by {manifest.program}, in a form that only later releases can read.")
    for partition in manifest.partitions:
        file = directory / partition.file
        if not file.is_file() or digest_of(file) != partition.sha256:
            raise ExportError(file, ": missing, or changed since the export. Take another copy of the export.")
    return manifest


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Turns an error of the file system into an `ExportError`."""
    try:
        yield
    except OSError as error:
        raise ExportError(path, f": cannot be written: {system_error_text(error)}.") from error


def digest_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal. Raises `OSError`."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

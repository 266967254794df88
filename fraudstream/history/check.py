"""Compares the files of a store with its manifest, and the rows with each other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from fraudstream.history.manifest import DataFile, Manifest, day_text, load
from fraudstream.history.store import by_day, unnamed_files
from fraudstream.history.tables import LINK_FIELDS, SCHEMAS, TableName


def faults(root: Path) -> list[str]:
    """What is wrong with the store at `root`, a sentence each; empty if nothing is. Raises `HistoryError`.

    Reads the columns that it compares of all files. A writer that runs meanwhile may merge files away: these are then
    reported, so check a store that is at rest, or again.
    """
    manifest = load(root) or Manifest()
    found = [fault for file in manifest.files for fault in _of_file(root, file)]
    if found:
        return found
    found += [
        f"{path}: the manifest does not name this file; the writer removes it when it starts."
        for path in unnamed_files(root, manifest)
    ]
    for table in ("payments", "decisions", "labels"):
        found += _repeated(root, manifest, table)
    return found + list(_unequal_links(root, manifest))


def _of_file(root: Path, file: DataFile) -> Iterator[str]:
    path = file.path(root)
    if not path.exists():
        yield f"{path}: the file is missing."
        return
    if (size := path.stat().st_size) != file.bytes:
        yield f"{path}: {size} bytes; the manifest says {file.bytes}."
        return
    whole = pq.ParquetFile(path)
    if not whole.schema_arrow.equals(SCHEMAS[file.table]):
        yield f"{path}: its columns are not those of {file.table}."
    elif whole.metadata.num_rows != file.rows:
        yield f"{path}: {whole.metadata.num_rows} rows; the manifest says {file.rows}."
    elif file.table != "links" and [day for day, _ in by_day(file.table, whole.read())] != [file.day]:
        yield f"{path}: it has rows of other days than {day_text(file.day)}."


def _repeated(root: Path, manifest: Manifest, table: TableName) -> Iterator[str]:
    """Records that have two rows."""
    parts = []
    for file in manifest.files:
        if file.table == table:
            rows = pq.ParquetFile(file.path(root)).read(columns=["source_partition", "source_offset"])
            parts.append(np.column_stack([rows[name].to_numpy() for name in rows.column_names]))
    if not parts:
        return
    sources, counts = np.unique(np.concatenate(parts), axis=0, return_counts=True)
    if (counts > 1).any():
        partition, offset = sources[np.argmax(counts > 1)].tolist()
        repeated = int(np.count_nonzero(counts > 1))
        yield f"{table}: {repeated} records have several rows, the first at partition {partition}, offset {offset}."


def _unequal_links(root: Path, manifest: Manifest) -> Iterator[str]:
    """Kinds of links that do not add up to the payments that have the field."""
    linked = dict.fromkeys(LINK_FIELDS, 0)
    paid = dict.fromkeys(LINK_FIELDS, 0)
    for file in manifest.files:
        if file.table == "links":
            rows = pq.ParquetFile(file.path(root)).read(columns=["kind", "payments"])
            for each in rows.group_by("kind").aggregate([("payments", "sum")]).to_pylist():
                linked[each["kind"]] += each["payments_sum"]
        elif file.table == "payments":
            rows = pq.ParquetFile(file.path(root)).read(columns=list(LINK_FIELDS.values()))
            for kind, field in LINK_FIELDS.items():
                paid[kind] += len(rows) - rows[field].null_count
    for kind in LINK_FIELDS:
        if linked[kind] != paid[kind]:
            yield f"links: those of kind {kind} count {linked[kind]} payments; {paid[kind]} payments have one."

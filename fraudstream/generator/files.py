"""Write generated payments to files: Parquet with the truth and what became known, or JSON lines and a labels file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet

from fraudstream.contracts import Payment
from fraudstream.generator.batch import GeneratedBatch
from fraudstream.generator.label_records import PendingLabels
from fraudstream.generator.places import NAME_MATCH
from fraudstream.generator.stable_choice import Int64Array

_NAMES = np.array([None, "genuine", "fraud"], object)  # of a label, from -1
ROW_GROUP_PAYMENTS = 16_384
_FOREVER_MS = 1 << 62
_TIME = pa.timestamp("ms", "UTC")
_TYPES = {"occurred_at": _TIME, "lat": pa.float64(), "lon": pa.float64(), "card_present": pa.bool_()}
_FIELDS = [field for field in Payment.__struct_fields__ if field not in ("schema_version", "attributes")]
SCHEMA = pa.schema(
    [
        *(pa.field(field, _TYPES.get(field, pa.string())) for field in _FIELDS),
        pa.field(NAME_MATCH, pa.bool_()),
        pa.field("label", pa.string()),  # the truth
        pa.field("typology", pa.string()),
        pa.field("reported_label", pa.string()),  # the first that became known, null: nothing did
        pa.field("reported_at", _TIME),
        pa.field("corrected_at", _TIME),  # when the other label followed, null: none did
    ]
)


def write_parquet(batches: Iterable[GeneratedBatch], path: Path) -> Iterator[int]:
    """Write every batch to `path`; yields the number of payments of each. The mapping `generated` reads the file."""
    with pa.parquet.ParquetWriter(path, SCHEMA, compression="zstd") as writer:
        pending: list[Any] = []
        for batch in batches:
            pending.append(pa.record_batch(_columns(batch), schema=SCHEMA))
            yield len(batch)
            if sum(map(len, pending)) >= ROW_GROUP_PAYMENTS:
                writer.write_table(pa.Table.from_batches(pending))
                pending = []
        if pending:
            writer.write_table(pa.Table.from_batches(pending))


def _columns(batch: GeneratedBatch) -> list[Any]:
    missing = np.full(len(batch), None, object)
    columns: list[Any] = []
    for field in _FIELDS:
        if field == "occurred_at":
            columns.append(_times(batch.occurred_at_ms))
        else:
            columns.append(pa.array(batch.columns.get(field, missing), SCHEMA.field(field).type))
    attributes = batch.columns["attributes"].tolist()
    columns.append(pa.array([found and found[NAME_MATCH] for found in attributes], pa.bool_()))
    columns.append(pa.array(_NAMES[batch.labels + 1], pa.string()))
    columns.append(pa.array(batch.typologies, pa.string()))
    columns.append(pa.array(_NAMES[batch.reports.label + 1], pa.string()))
    return [*columns, _times(batch.reports.at_ms), _times(batch.reports.corrected_at_ms)]


def _times(at_ms: Int64Array) -> Any:
    """Times, null where -1."""
    return pa.array(at_ms, pa.int64(), mask=at_ms < 0).cast(_TIME)


def labels_path(path: Path) -> Path:
    """Path of the labels file that `write_jsonl` writes next to the payments file `path`."""
    return path.with_name(f"{path.stem}.labels.jsonl")


def write_jsonl(batches: Iterable[GeneratedBatch], path: Path) -> Iterator[int]:
    """Write payments as JSON lines to `path`, and all that ever becomes known of them to `labels_path(path)`, in order
    of `labelled_at`; yields payments per batch. The JSON is that of the `payments` topic.
    """
    encode = msgspec.json.Encoder().encode_lines
    pending = PendingLabels()
    with path.open("wb") as payments, labels_path(path).open("wb") as labels:
        for batch in batches:
            payments.write(encode(batch.payments))
            pending.add(batch)
            labels.write(encode(pending.due(int(batch.occurred_at_ms[-1]))[0]))
            yield len(batch)
        labels.write(encode(pending.due(_FOREVER_MS)[0]))

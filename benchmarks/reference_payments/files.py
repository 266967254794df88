"""Write the payments to Parquet, with columns `label` and `typology`; the mapping `generated` reads them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet

from benchmarks.reference_payments.places import NAME_MATCH
from benchmarks.reference_payments.stream import GeneratedBatch
from fraudstream.contracts import Payment

_TYPES = {"lat": pa.float64(), "lon": pa.float64(), "card_present": pa.bool_()}
_FIELDS = [field for field in Payment.__struct_fields__ if field not in ("schema_version", "attributes")]
SCHEMA = pa.schema(
    [
        *(
            pa.field(field, pa.timestamp("ms", "UTC") if field == "occurred_at" else _TYPES.get(field, pa.string()))
            for field in _FIELDS
        ),
        pa.field(NAME_MATCH, pa.bool_()),
        pa.field("label", pa.string()),
        pa.field("typology", pa.string()),
    ]
)


def write_parquet(batches: Iterable[GeneratedBatch], path: Path) -> Iterator[int]:
    """Write every batch to `path`; yields the number of payments of each. The mapping `generated` reads the file."""
    with pa.parquet.ParquetWriter(path, SCHEMA, compression="zstd") as writer:
        for batch in batches:
            columns: list[Any] = []
            for field in _FIELDS:
                values = [getattr(payment, field) for payment in batch.payments]
                if field == "occurred_at":
                    columns.append(pa.array(values, pa.int64()).cast(SCHEMA.field(field).type))
                else:
                    columns.append(pa.array(values, SCHEMA.field(field).type))
            attributes = [payment.attributes or {} for payment in batch.payments]
            columns.append(pa.array([found.get(NAME_MATCH) for found in attributes], pa.bool_()))
            columns.append(pa.array(["fraud" if label else "genuine" for label in batch.labels.tolist()]))
            columns.append(pa.array(batch.typologies, pa.string()))
            writer.write_batch(pa.record_batch(columns, schema=SCHEMA), row_group_size=len(batch.payments))
            yield len(batch.payments)

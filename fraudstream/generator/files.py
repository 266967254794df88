"""Write generated payments to files: Parquet with columns `label` and `typology`, or JSON lines and a labels file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet

from fraudstream.contracts import Label, Payment
from fraudstream.generator.places import NAME_MATCH
from fraudstream.generator.stream import GeneratedBatch

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


def labels_path(path: Path) -> Path:
    """Path of the labels file that `write_jsonl` writes next to the payments file `path`."""
    return path.with_name(f"{path.stem}.labels.jsonl")


def write_jsonl(batches: Iterable[GeneratedBatch], path: Path, label_delay_ms: int) -> Iterator[int]:
    """Write payments as JSON lines to `path` and a label for each to `labels_path(path)`; yields payments per batch.

    The JSON is that of the `payments` topic. `label_delay_ms`: `labelled_at` minus the payment's event time.
    """
    encode = msgspec.json.Encoder().encode_lines
    with path.open("wb") as payments, labels_path(path).open("wb") as labels:
        for batch in batches:
            payments.write(encode(batch.payments))
            labels.write(encode(list(_labels(batch, label_delay_ms))))
            yield len(batch.payments)


def _labels(batch: GeneratedBatch, delay_ms: int) -> Iterator[Label]:
    for payment, at_ms, fraud, typology in zip(
        batch.payments, batch.occurred_at_ms.tolist(), batch.labels.tolist(), batch.typologies, strict=True
    ):
        yield Label(
            event_id=payment.event_id,
            account_id=payment.account_id,
            label="fraud" if fraud else "genuine",
            labelled_at=at_ms + delay_ms,
            payment_occurred_at=at_ms,
            merchant_id=payment.merchant_id,
            terminal_id=payment.terminal_id,
            counterparty_id=payment.counterparty_id,
            device_id=payment.device_id,
            partner_id=payment.partner_id,
            channel=payment.channel,
            source=f"generator:{typology}" if typology else "generator",
        )

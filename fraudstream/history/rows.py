"""Records of the topics to rows of the tables, with the worker's own checks: what it would refuse is not kept.

A record that is not a valid payment, label or decision is left out and counted by its reason code. So are copies of
misplaced payments (their original is kept), controls, and decisions `unjudged`, which belong to no valid payment.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any, Final, NamedTuple, Protocol

import msgspec
import numpy as np
import pyarrow as pa

from fraudstream.contracts import Decision, Label, Payment, UnjudgedDecision
from fraudstream.contracts.headers import CONTROL_HEADER, LABEL_HEADER
from fraudstream.contracts.log_record import LogRecord
from fraudstream.contracts.record_signature import NOT_REQUIRED, RecordSignatures
from fraudstream.contracts.undecodable import UNDECODABLE
from fraudstream.engine.column_reading import read_columns
from fraudstream.engine.columns import Rejection, time_ms
from fraudstream.engine.decode import decode
from fraudstream.engine.digest import PUBLIC_KEY
from fraudstream.engine.label_times import check_labels
from fraudstream.history.tables import SCHEMAS

_AS_THEY_ARE: Final = (
    "event_id", "account_id", "currency", "direction", "kind", "channel", "partner_id", "merchant_id", "mcc",
    "terminal_id", "counterparty_id", "counterparty_bank", "device_id", "ip", "country", "lat", "lon", "card_present",
    "relates_to",
)  # fmt: skip
_OF_DECISIONS: Final = (
    "event_id", "occurred_at_ms", "account_id", "outcome", "score", "rule_set", "rules", "shadow_rules", "alert_id",
    "repeat", "late", "altered", "unmatched",
)  # fmt: skip
_OF_LABELS: Final = ("event_id", "account_id", "label", "source", "confidence")

_decode_decision = msgspec.json.Decoder(Decision).decode
_decode_unjudged = msgspec.json.Decoder(UnjudgedDecision).decode


class Record(LogRecord, Protocol):
    """A record with its partition; aiokafka's `ConsumerRecord` satisfies it."""

    @property
    def partition(self) -> int:
        """Its partition."""


class LogRows(NamedTuple):
    """Rows of `payments` and `labels`. `skipped`: how many records were left out, by reason code; `control`
    are records that are not the publishers' payments."""

    payments: pa.Table
    labels: pa.Table
    skipped: Counter[str]


def log_rows(records: Sequence[Record], too_far_ahead_ms: int, signatures: RecordSignatures = NOT_REQUIRED) -> LogRows:
    """The rows of records of the payments log, in their order. `too_far_ahead_ms`, `signatures`: as of the
    workers."""
    skipped: Counter[str] = Counter()
    own = _of_publishers(records, skipped, signatures)
    is_label = [LABEL_HEADER in record.headers for record in own]
    payments: list[tuple[Record, Payment]] = []
    labels: list[tuple[Record, Label]] = []
    for record, event in zip(own, decode([record.value for record in own], is_label), strict=True):
        if isinstance(event, Rejection):
            skipped[event.reason] += 1
        elif record.key != event.account_id.encode():
            skipped["key"] += 1
        elif isinstance(event, Label):
            labels.append((record, event))
        else:
            payments.append((record, event))
    return LogRows(
        _payment_table(payments, too_far_ahead_ms, skipped), _label_table(labels, too_far_ahead_ms, skipped), skipped
    )


def decision_rows(records: Sequence[Record]) -> tuple[pa.Table, Counter[str]]:
    """The rows of records of the decisions topic, in their order, and how many were left out, by reason."""
    skipped: Counter[str] = Counter()
    kept: list[tuple[Record, Decision]] = []
    for record in records:
        try:
            kept.append((record, _decode_decision(record.value or b"")))
        except UNDECODABLE:
            skipped["unjudged" if _is_unjudged(record.value or b"") else "invalid"] += 1
    decisions = [decision for _, decision in kept]
    columns: dict[str, Any] = {name: list(map(attrgetter(name), decisions)) for name in _OF_DECISIONS}
    columns["shadow_scores"] = [_json(decision.shadow_scores) for decision in decisions]
    return _table("decisions", columns | _sources([record for record, _ in kept])), skipped


def _of_publishers(records: Sequence[Record], skipped: Counter[str], signatures: RecordSignatures) -> Sequence[Record]:
    """The records without controls, and what workers refuse for its signature.

    Copies of misplaced records stay: queries count a payment once, and what says that it is a copy need not be one.
    """
    if not any(record.headers for record in records):
        return records
    kept = []
    for record in records:
        if CONTROL_HEADER in record.headers:
            skipped["control"] += 1
        elif not signatures.accepts(record):
            skipped["signature"] += 1
        else:
            kept.append(record)
    return kept


def _payment_table(found: Sequence[tuple[Record, Payment]], too_far_ahead_ms: int, skipped: Counter[str]) -> pa.Table:
    published_at_ms = np.array([record.timestamp for record, _ in found], np.int64)
    columns, kept, rejected = read_columns(
        [payment for _, payment in found], published_at_ms, too_far_ahead_ms, {}, PUBLIC_KEY
    )
    skipped.update(rejection.reason for rejection in rejected)
    payments = columns.payments
    values: dict[str, Any] = {name: list(map(attrgetter(name), payments)) for name in _AS_THEY_ARE}
    values["occurred_at_ms"] = columns.occurred_at_ms
    values["amount_minor"] = columns.amount_minor
    for name in ("balance_before", "balance_after"):
        balance = columns.column(name)
        missing = np.isnan(balance)
        values[f"{name}_minor"] = pa.array(np.where(missing, 0.0, balance).astype(np.int64), mask=missing)
    values["attributes"] = [_json(payment.attributes) for payment in payments]
    return _table("payments", values | _sources([found[row][0] for row in kept.tolist()]))


def _label_table(found: Sequence[tuple[Record, Label]], too_far_ahead_ms: int, skipped: Counter[str]) -> pa.Table:
    published_at_ms = [record.timestamp for record, _ in found]
    kept, rejected = check_labels(
        [(row, label) for row, (_, label) in enumerate(found)], published_at_ms, too_far_ahead_ms
    )
    skipped.update(rejection.reason for rejection in rejected)
    labels = [label for _, label in kept]
    values: dict[str, Any] = {name: list(map(attrgetter(name), labels)) for name in _OF_LABELS}
    values["labelled_at_ms"] = [time_ms(label.labelled_at) for label in labels]
    values["payment_occurred_at_ms"] = [_known_time(label.payment_occurred_at) for label in labels]
    return _table("labels", values | _sources([found[row][0] for row, _ in kept]))


def _sources(records: Sequence[Record]) -> dict[str, Any]:
    return {
        "published_at_ms": [record.timestamp for record in records],
        "source_partition": [record.partition for record in records],
        "source_offset": [record.offset for record in records],
    }


def _table(name: str, columns: dict[str, Any]) -> pa.Table:
    schema = SCHEMAS[name]  # type: ignore[index]
    arrays = [_array(columns[field.name], field.type) for field in schema]
    return pa.table(arrays, schema=schema)


def _array(values: Any, type_: pa.DataType) -> pa.Array:
    return values if isinstance(values, pa.Array) else pa.array(values, type_)


def _known_time(moment: int | datetime | None) -> int | None:
    """The time, ms since the epoch; None if there is none, or no valid one."""
    at_ms = -1 if moment is None else time_ms(moment)
    return at_ms if at_ms >= 0 else None


def _json(content: dict[str, Any] | None) -> str | None:
    return msgspec.json.encode(content).decode() if content else None


def _is_unjudged(value: bytes) -> bool:
    try:
        _decode_unjudged(value)
    except UNDECODABLE:
        return False
    return True

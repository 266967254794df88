"""The scanner's slow twin: msgspec, `read_columns` and `Columns.column` on the same records, compared bit for bit."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from fraudstream.contracts.payment import Payment
from fraudstream.engine.arrays import Int64Array
from fraudstream.engine.column_reading import read_columns
from fraudstream.engine.columns import Columns
from fraudstream.engine.decode import decode
from fraudstream.engine.digest import DigestKey
from fraudstream.engine.expression import PAYMENT_FIELDS, Type
from fraudstream.engine.frame import Frame, FrameLayout, new_frame
from fraudstream.engine.records import Record, records_of
from fraudstream.engine.relation_columns import relations_of
from fraudstream.engine.scan import Scanner
from tests.property.payment_texts import PUBLISHED_AT_MS, odd_payment
from tests.property.scan_layout import DECLARED, LAYOUT

KEY = DigestKey(0x0123456789ABCDEF, 0xFEDCBA9876543210)
TOO_FAR_AHEAD_MS = 86_400_000

_ODD_TIMES_MS = (-1, 0, 10**11, 1_772_000_000_000, 7_258_118_400_000, 2**62, 2**63 - 1)


class Compared(NamedTuple):
    """Numbers of records: all, those that the twin takes as payments, and those of them that were plain."""

    records: int
    valid: int
    plain: int


def new_scanner() -> Scanner:
    return Scanner(LAYOUT, DECLARED, KEY, TOO_FAR_AHEAD_MS)


def drawn_records(
    rng: random.Random, make: Callable[[random.Random], tuple[bytes | None, bytes]], n: int
) -> list[Record]:
    """Records of payments that `make` draws; of odd ones a few have headers, or were published at an odd time."""
    records = []
    for i in range(n):
        key, value = make(rng)
        odd = make is odd_payment and rng.random() < 0.02
        published_at_ms = rng.choice(_ODD_TIMES_MS) if odd else PUBLISHED_AT_MS
        headers = (("trace", b"1"),) if make is odd_payment and rng.random() < 0.01 else ()
        records.append(Record(i, published_at_ms, key, value, headers))
    return records


def compare(scanner: Scanner, records: Sequence[Record]) -> Compared:
    """Scan the records and compare each that was not flagged with the twin's. Raises `AssertionError`."""
    n = len(records)
    frame, flagged = new_frame(LAYOUT, n), np.full(n, 7, np.uint8)
    packed = records_of(records)
    count = scanner.scan(packed, frame, flagged)
    assert set(flagged.tolist()) <= {0, 1}
    assert count == int(flagged.sum())
    at, columns = twin_columns(records)
    row_of = {position: row for row, position in enumerate(at.tolist())}
    plain = np.flatnonzero(flagged == 0)
    for i in plain.tolist():
        assert i in row_of, f"a record that the twin refuses was not flagged: {records[i]}"
    rows = np.array([row_of[i] for i in plain.tolist()], np.int64)
    for name, mine, due in differing(frame, packed.buffer.tobytes(), plain, columns, rows):
        k = int(np.flatnonzero(mine != due)[0])
        raise AssertionError(f"{name} is {mine[k]}, the twin has {due[k]}: {records[int(plain[k])]}")
    return Compared(n, len(at), len(plain))


def twin_columns(records: Sequence[Record]) -> tuple[Int64Array, Columns]:
    """Positions of the records that are valid payments of their accounts, and their columns."""
    decoded = decode([record.value for record in records])
    held: list[tuple[int, Payment]] = []
    for position, (record, event) in enumerate(zip(records, decoded, strict=True)):
        if isinstance(event, Payment) and record.key == event.account_id.encode():
            held.append((position, event))
    published = np.array([records[position].timestamp for position, _ in held], np.int64)
    payments = [payment for _, payment in held]
    columns, kept, _ = read_columns(payments, published, TOO_FAR_AHEAD_MS, DECLARED, KEY)
    return np.array([position for position, _ in held], np.int64)[kept], columns


def differing(
    frame: Frame, buffer: bytes, plain: Int64Array, columns: Columns, rows: Int64Array, layout: FrameLayout = LAYOUT
) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """The columns in which frame and twin differ: name, the scanner's bits and the twin's."""
    relations = relations_of(columns.payments, KEY)
    pairs: list[tuple[str, np.ndarray, np.ndarray]] = [
        ("occurred_at_ms", frame.occurred_at_ms[plain], columns.occurred_at_ms[rows]),
        ("amount_minor", frame.amount_minor[plain], columns.amount_minor[rows]),
        ("currency", frame.currency[plain], columns.currency_code[rows]),
        ("minor_per_major", frame.minor_per_major[plain].view(np.int64), columns.minor_per_major[rows].view(np.int64)),
        ("relation", frame.relation[plain], relations.relation[rows]),
        ("original", frame.original[plain], relations.original[rows]),
    ]
    for row, name in enumerate(layout.numbers):
        if name in PAYMENT_FIELDS or name.startswith("attributes."):
            pairs.append((name, frame.number[row, plain].view(np.int64), _number(columns, name)[rows].view(np.int64)))
    for row, name in enumerate(layout.texts):
        if name == "event_id":
            pairs.append(("digest of event_id", frame.digest[row, plain], columns.event[rows]))
        elif name in PAYMENT_FIELDS or name.startswith("attributes."):
            pairs.append((f"digest of {name}", frame.digest[row, plain], columns.column(name)[rows]))
    payments = [columns.payments[k] for k in rows.tolist()]
    for row, name in enumerate(layout.spans):
        spans = zip(frame.text_at[row, plain].tolist(), frame.text_length[row, plain].tolist(), strict=True)
        mine = [buffer[at : at + length] for at, length in spans]
        due = [text.encode() if text else b"" for text in (_text(payment, name) for payment in payments)]
        pairs.append((f"text of {name}", np.array(mine, object), np.array(due, object)))
    return [(name, mine, due) for name, mine, due in pairs if not np.array_equal(mine, due)]


def _text(payment: Payment, name: str) -> str | None:
    if not name.startswith("attributes."):
        found: str | None = getattr(payment, name)
        return found
    value = (payment.attributes or {}).get(name.removeprefix("attributes."))
    assert value is None or isinstance(value, str), f"{name} is declared as text, and {value!r} was not refused"
    return value


def _number(columns: Columns, name: str) -> np.ndarray:
    column = columns.column(name)
    type_ = PAYMENT_FIELDS[name] if name in PAYMENT_FIELDS else DECLARED[name.removeprefix("attributes.")]
    return np.where(column < 0, np.nan, column.astype(np.float64)) if type_ is Type.BOOL else column

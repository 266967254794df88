"""From the fields of one plain record to its column of a frame. Compiled; called by `record`."""

from __future__ import annotations

import numpy as np

from fraudstream.compiled.jit import jit
from fraudstream.engine.arrays import UInt8Array
from fraudstream.engine.frame import Frame
from fraudstream.engine.kernel_types import UNRELATED
from fraudstream.engine.scan.fields import AT, INDEX, LENGTH, RECORD, Fields
from fraudstream.engine.scan.table_types import TEXT_FORM, WORD, Tables
from fraudstream.engine.scan.tokens import unsigned
from fraudstream.engine.siphash import hash_between

_HOUR_MS, _DAY_MS, _THURSDAY = 3_600_000, 86_400_000, 3  # the epoch was a Thursday


@jit
def write_rows(buffer: UInt8Array, record: int, tables: Tables, fields: Fields, frame: Frame) -> None:
    """Write the column `record` of the frame. `fields.value` of amounts: minor units."""
    occurred_at_ms = np.int64(fields.value[tables.occurred_at])
    currency = fields.place[tables.currency_field, INDEX]
    frame.occurred_at_ms[record] = occurred_at_ms
    frame.amount_minor[record] = np.int64(fields.value[tables.amount])
    frame.currency[record] = tables.currency[currency]
    frame.minor_per_major[record] = tables.power_of_ten[tables.exponent[currency]]
    frame.relation[record] = UNRELATED
    frame.original[record] = np.uint64(0)
    rows, column = tables.rows, unsigned(record)
    for k in range(len(rows.number)):
        row, field = unsigned(rows.number[k, 0]), unsigned(rows.number[k, 1])
        held = fields.place[field, RECORD] == record
        frame.number[row, column] = fields.value[field] if held else np.nan
    if rows.hour >= 0:
        frame.number[rows.hour, column] = float(occurred_at_ms // _HOUR_MS % 24)
    if rows.weekday >= 0:
        frame.number[rows.weekday, column] = float((occurred_at_ms // _DAY_MS + _THURSDAY) % 7)
    for k in range(len(rows.digest)):
        row, field = unsigned(rows.digest[k, 0]), unsigned(rows.digest[k, 1])
        frame.digest[row, column] = _digest(buffer, field, record, tables, fields)
    for k in range(len(rows.span)):
        row, field = unsigned(rows.span[k, 0]), unsigned(rows.span[k, 1])
        held = fields.place[field, RECORD] == record and fields.place[field, LENGTH] > 0
        frame.text_at[row, column] = fields.place[field, AT] if held else 0
        frame.text_length[row, column] = fields.place[field, LENGTH] if held else 0


@jit
def _digest(buffer: UInt8Array, field: np.uint64, record: int, tables: Tables, fields: Fields) -> np.uint64:
    """The digest of a field's text, as `digest.digest_text`; 0 if it has none."""
    at, length = fields.place[field, AT], fields.place[field, LENGTH]
    if fields.place[field, RECORD] != record or length == 0:
        return np.uint64(0)
    if tables.rules.rule[field, TEXT_FORM] == WORD:
        word_digest: np.uint64 = tables.digest[fields.place[field, INDEX]]
        return word_digest
    value = hash_between(buffer, at, at + length, tables.low, tables.high)
    return value if value != np.uint64(0) else np.uint64(1)

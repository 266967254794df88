"""Rows of a file in memory, read by a mapping that reads text columns of the same names unless told otherwise."""

from __future__ import annotations

import json
from collections.abc import Mapping as Dictionary
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from fraudstream.backtest.file_error import PaymentFileError
from fraudstream.backtest.mapping import Mapping, parse_mapping
from fraudstream.backtest.payment_columns import PaymentBatch, PaymentColumns
from fraudstream.backtest.row_report import RowReport

PATH = "payments.csv"
_USUAL = {
    "id": "e{}",
    "at": "2026-03-04T12:00:{:02}Z",
    "account": "a1",
    "amount": "12.50",
    "currency": "EUR",
}


def mapping_of(payment: Dictionary[str, Any] | None = None, **options: Any) -> Mapping:
    """A mapping with other sources for some fields of `payment` (None: no source). Raises `MappingError`."""
    sources: dict[str, Any] = {
        "event_id": {"column": "id"},
        "occurred_at": {"column": "at"},
        "account_id": {"column": "account"},
        "amount": {"column": "amount"},
        "currency": {"column": "currency"},
        "direction": {"constant": "debit"},
        **(payment or {}),
    }
    content = {"title": "t", "payment": {name: source for name, source in sources.items() if source}, **options}
    return parse_mapping(json.dumps(content), "m.yaml")


def read(
    columns: Dictionary[str, Sequence[Any] | Any],
    payment: Dictionary[str, Any] | None = None,
    report: RowReport | None = None,
    **options: Any,
) -> PaymentBatch:
    """The payments of rows with these `columns` and the usual values in the others. Raises `PaymentFileError`."""
    mapping = mapping_of(payment, **options)
    n = max(len(values) for values in columns.values())
    usual = {name: [text.format(i) for i in range(n)] for name, text in _USUAL.items()}
    batch = pa.record_batch({name: pa.array(values) for name, values in {**usual, **columns}.items()})
    return PaymentColumns(mapping, PATH, report=report).convert(batch, np.arange(1, n + 1))


def fault_of(columns: Dictionary[str, Sequence[Any] | Any], payment: Dictionary[str, Any] | None = None) -> str:
    """Why the first bad row is refused, with its place in the file."""
    try:
        read(columns, payment)
    except PaymentFileError as error:
        return str(error)
    raise AssertionError("no row is refused")

"""Event times of a file, ms since the epoch, from timestamps, texts or counts of a unit; UTC unless zoned."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from fraudstream.backtest.file_error import ColumnFault
from fraudstream.backtest.mapping import TimeSource
from fraudstream.contracts.duration import UNITS_MS
from fraudstream.contracts.timestamps import parse_utc_ms

Int64Array = npt.NDArray[np.int64]

_UNIT_MS = {
    "milliseconds": UNITS_MS["ms"],
    "seconds": UNITS_MS["s"],
    "minutes": UNITS_MS["m"],
    "hours": UNITS_MS["h"],
    "days": UNITS_MS["d"],
}
_YEAR_2200_MS = 7_258_118_400_000
_COUNT_MAX = 1e15
_NUMBER = re.compile(r"\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*|nan|[-+]?inf", re.IGNORECASE)


def event_times(array: Any, source: TimeSource) -> Int64Array:
    """Event times of an Arrow array, ms since the epoch, UTC; int64, shape (n,).

    Raises `ColumnFault` for the first value that is not a time between 1970 and 2199.
    """
    if array.null_count:
        raise ColumnFault(first_true(array.is_null()), "is empty, but occurred_at is required.")
    times = _counts(array, source) if source.unit is not None else _stamps(array, source)
    outside = (times < 0) | (times >= _YEAR_2200_MS)
    if outside.any():
        raise ColumnFault(int(np.flatnonzero(outside)[0]), "the time lies outside 1970 to 2199.")
    return times


def first_true(mask: Any) -> int:
    """Index of the first true value of an Arrow boolean array; -1 if there is none."""
    return int(pc.index(mask, True).as_py())


def first_not_number(texts: Any) -> int:
    """Index of the first text of an Arrow array that is not a number; 0 if there is none."""
    for index, text in enumerate(texts.cast(pa.string()).to_pylist()):
        if text is not None and not _NUMBER.fullmatch(text):
            return index
    return 0


def _counts(array: Any, source: TimeSource) -> Int64Array:
    assert source.unit is not None
    try:
        numbers = array.cast(pa.float64()).to_numpy(zero_copy_only=False)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        index = first_not_number(array)
        raise ColumnFault(index, f"{str(array[index])!r} is not a number of {source.unit}.") from error
    wrong = ~(np.abs(numbers) <= _COUNT_MAX)
    if wrong.any():
        index = int(np.flatnonzero(wrong)[0])
        raise ColumnFault(index, f"{numbers[index]} is not a number of {source.unit}.")
    since_ms = 0 if source.since is None else _iso_time(source.since)
    assert since_ms is not None, f"since is checked when a mapping is read: {source.since!r}"
    times: Int64Array = np.rint(numbers * _UNIT_MS[source.unit]).astype(np.int64) + since_ms
    return times


def _stamps(array: Any, source: TimeSource) -> Int64Array:
    if pa.types.is_timestamp(array.type) or pa.types.is_date(array.type):
        stamps = array.cast(pa.timestamp("ms"), safe=False)
    elif not pa.types.is_string(array.type):
        raise ColumnFault(0, f"a column of {array.type} holds no times; if it is a count, set its `unit`.")
    elif source.format is not None:
        stamps = pc.strptime(array, format=source.format, unit="ms", error_is_null=True)
    else:
        stamps = _iso_times(array)
    if stamps.null_count:
        index = first_true(stamps.is_null())
        due = f"a time like {source.format!r}" if source.format else "a time in ISO 8601"
        raise ColumnFault(index, f"{array[index].as_py()!r} is not {due}.")
    times: Int64Array = stamps.cast(pa.int64()).to_numpy(zero_copy_only=False)
    return times


def _iso_times(texts: Any) -> Any:
    """UTC timestamps, null where a text is not a time. A column may mix texts with and without a zone."""
    zoned = pc.match_substring_regex(texts, r"\d\d:\d\d.*(Z|[+-]\d\d:?(\d\d)?)$")
    try:
        plain = pc.if_else(zoned, None, texts).cast(pa.timestamp("us"))
        aware = pc.if_else(zoned, texts, None).cast(pa.timestamp("us", "UTC")).cast(pa.timestamp("us"))
        return pc.coalesce(plain, aware).cast(pa.timestamp("ms"), safe=False)
    except pa.ArrowInvalid:  # one text is not a time: convert one by one
        return pa.array([_iso_time(text) for text in texts.to_pylist()], pa.int64()).cast(pa.timestamp("ms"))


def _iso_time(text: str) -> int | None:
    """None where the text is not a time. Rounded down, as Arrow does and the engine for what comes on a topic."""
    try:
        return parse_utc_ms(text, zone_required=False)
    except ValueError:
        return None

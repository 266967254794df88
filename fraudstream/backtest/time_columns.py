"""Event times of a file, ms since the epoch, from timestamps, texts or counts of a unit; UTC unless zoned.

Times are rounded down to the millisecond, as the engine does for records of a topic. Only counts of minutes, hours
and days are rounded to the nearest one, as their fractions cannot be written exactly.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from fraudstream.backtest.row_faults import ColumnError, ColumnFaults, as_mask
from fraudstream.backtest.shortened_numbers import shortened, shortened_sentence
from fraudstream.backtest.sources import TimeSource
from fraudstream.contracts.duration import UNITS_MS
from fraudstream.contracts.timestamps import iso_moment, parse_utc_ms, utc_text

Int64Array = npt.NDArray[np.int64]

_UNIT_MS = {
    "milliseconds": UNITS_MS["ms"],
    "seconds": UNITS_MS["s"],
    "minutes": UNITS_MS["m"],
    "hours": UNITS_MS["h"],
    "days": UNITS_MS["d"],
}
_PER_MS = {"microseconds": 1_000, "nanoseconds": 1_000_000}
_YEAR_2200_MS = 7_258_118_400_000
_EPOCH_SECONDS_MIN, _EPOCH_SECONDS_END = 10**8, 10**11  # as milliseconds: 1970 to 1973
_COUNT_MAX = 9.2e18
_ROUNDED = (
    "is {value}, and a {type} column cannot hold a time of this size exactly, so it may have been changed when the "
    "file was written. Write the column again as int64 or double."
)
_MILLISECONDS = pa.timestamp("ms")
_LONG_FRACTION = re.compile(r"([.,]\d{6})\d+")
_SHORT_FORMS = {"%F": "%Y-%m-%d", "%T": "%H:%M:%S", "%R": "%H:%M", "%D": "%m/%d/%y", "%e": "%d", "%h": "%b"}
_NOT_IN_ARROW = {"%f", "%z", "%j", "%G", "%V", "%u", "%U", "%W"}  # Arrow cannot read them, or ignores them
_SPILLS_OVER = pa.array([3, 5, 7, 10, 12], pa.int64())  # months after those that lack a 29th, 30th or 31st


def event_times(array: Any, source: TimeSource, faults: ColumnFaults) -> Int64Array:
    """Event times of an Arrow array, ms since the epoch, UTC; int64, shape (n,); 0 where missing or faulty.

    Faults: what is not a time between 1970 and 2199. Raises `ColumnError` for a column of a type that holds no times.
    """
    missing = array.is_null()
    faults.add(missing, lambda index: "is empty, but occurred_at is required.")
    stamps = _counts(array, source, faults) if source.unit is not None else _stamps(array, source, faults)
    times: Int64Array = stamps.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False).copy()
    outside = (times < 0) | (times >= _YEAR_2200_MS)
    faults.add(outside, lambda index: "the time lies outside 1970 to 2199.")
    seconds = (times >= _EPOCH_SECONDS_MIN) & (times < _EPOCH_SECONDS_END)
    faults.add(seconds, lambda index: _looks_like_seconds(int(times[index]), source))
    times[outside | seconds] = 0
    return times


def _looks_like_seconds(at_ms: int, source: TimeSource) -> str:
    """The stream refuses such a number too: most are seconds that were taken for milliseconds."""
    if source.unit == "milliseconds":
        return f"as milliseconds it is {utc_text(at_ms)}; it looks like seconds. Set `unit: seconds`."
    return f"the time is {utc_text(at_ms)}; times from 2 January 1970 to March 1973 are refused. Check `unit`, `since`."


def _counts(array: Any, source: TimeSource, faults: ColumnFaults) -> Any:
    """Timestamps from counts of a unit, null where missing or faulty."""
    parts = [array]
    if pa.types.is_string(array.type) or pa.types.is_null(array.type):
        parts = _numbers_of_texts(array.cast(pa.string()), source, faults)
    elif not (pa.types.is_integer(array.type) or pa.types.is_floating(array.type) or pa.types.is_decimal(array.type)):
        raise ColumnError(faults.column, f"a column of {array.type} holds no number of {source.unit}.")
    if pa.types.is_floating(array.type):
        faults.add(_rounded_counts(array, source), lambda i: _ROUNDED.format(value=array[i], type=array.type))
    stamps = pc.coalesce(*(_counted(part, source, faults) for part in parts))
    if source.since is None:
        return stamps.cast(_MILLISECONDS)
    since = iso_moment(source.since)
    moved = pc.add(stamps, parse_utc_ms(source.since, zone_required=False)).cast(_MILLISECONDS)
    return moved if since.tzinfo else _in_zone(moved, source, faults, lambda index: str(array[index]))


def _rounded_counts(array: Any, source: TimeSource) -> npt.NDArray[np.bool_]:
    """Which floats are so large that the next one is more than a count and a millisecond away; bool, shape (n,)."""
    with np.errstate(all="ignore"):  # infinity has no next float
        gaps = np.spacing(np.abs(pc.fill_null(array, 0).to_numpy(zero_copy_only=False))).astype(np.float64)
    gap_ms = gaps * _UNIT_MS.get(source.unit or "", 1) / _PER_MS.get(source.unit or "", 1)
    return (gaps > 1) & (gap_ms > 1)  # type: ignore[no-any-return]


def _numbers_of_texts(texts: Any, source: TimeSource, faults: ColumnFaults) -> list[Any]:
    """Whole numbers as integers, which are exact to any length, and the others as floats; each null elsewhere."""
    trimmed = pc.utf8_trim_whitespace(texts)
    number = pc.match_substring_regex(trimmed, r"^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d{1,3})?$")
    faults.add(pc.invert(number), lambda index: f"{texts[index].as_py()!r} is not a number of {source.unit}.")
    lost = shortened(trimmed)
    faults.add(lost, lambda index: shortened_sentence(texts[index].as_py()))
    numbers = pc.utf8_ltrim(pc.if_else(pc.and_not(number, lost), trimmed, None), characters="+")
    whole = pc.match_substring_regex(numbers, r"^-?(\d{1,18}|[1-8]\d{18})$")
    integers = pc.if_else(whole, numbers, None).cast(pa.int64())
    return [integers, pc.if_else(whole, None, numbers).cast(pa.float64())]


def _counted(numbers: Any, source: TimeSource, faults: ColumnFaults) -> Any:
    """Milliseconds from counts of a unit: Arrow int64, null where missing or too large."""
    assert source.unit is not None
    missing = ~as_mask(numbers.is_valid())
    numbers = numbers.cast(pa.int64(), safe=False) if pa.types.is_integer(numbers.type) else numbers.cast(pa.float64())
    counts = numbers.fill_null(0).to_numpy(zero_copy_only=False)
    wrong = ~(np.abs(counts.astype(np.float64)) <= _most(source))
    faults.add(wrong, lambda index: f"{numbers[index]} is not a number of {source.unit} between 1970 and 2199.")
    return pa.array(_milliseconds(np.where(wrong, 0, counts), source.unit), mask=missing | wrong)


def _most(source: TimeSource) -> float:
    """The largest count that cannot overflow: about a thousand years."""
    unit_ms = _UNIT_MS.get(source.unit or "", 1)
    return min(_COUNT_MAX, _PER_MS.get(source.unit or "", 1) * 3.2e13 / unit_ms)


def _milliseconds(counts: Any, unit: str) -> Int64Array:
    if unit in _PER_MS:
        milliseconds = counts // _PER_MS[unit]
    elif counts.dtype == np.int64:
        milliseconds = counts * _UNIT_MS[unit]
    elif unit in ("seconds", "milliseconds"):  # a float is meant to the microsecond, as it prints
        milliseconds = np.rint(counts * (_UNIT_MS[unit] * 1_000)) // 1_000
    else:
        milliseconds = np.rint(counts * _UNIT_MS[unit])
    result: Int64Array = milliseconds.astype(np.int64)
    return result


def _stamps(array: Any, source: TimeSource, faults: ColumnFaults) -> Any:
    """Timestamps from timestamps or texts, null where missing or faulty."""
    kind = array.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        stamps = array.cast(pa.timestamp("us")) if pa.types.is_date(kind) else array
        aware = pa.types.is_timestamp(kind) and kind.tz is not None
        stamps = pc.floor_temporal(stamps, unit="millisecond").cast(pa.timestamp("ms", "UTC" if aware else None))
        return stamps.cast(_MILLISECONDS) if aware else _in_zone(stamps, source, faults, lambda i: str(array[i]))
    if not (pa.types.is_string(kind) or pa.types.is_null(kind)):
        raise ColumnError(faults.column, f"a column of {kind} holds no times; if it is a count, set its `unit`.")
    texts = pc.utf8_trim_whitespace(array.cast(pa.string()))
    local, aware = _formatted_times(texts, source.format) if source.format is not None else _iso_times(texts)
    due = f"a time like {source.format!r}" if source.format else "a time in ISO 8601"
    wrong = pc.and_(pc.and_(local.is_null(), aware.is_null()), array.is_valid())
    faults.add(wrong, lambda index: _not_a_time(array[index].as_py(), due))
    return pc.coalesce(aware, _in_zone(local, source, faults, lambda index: repr(array[index].as_py())))


def _not_a_time(text: str, due: str) -> str:
    count = " If it is a count, set its `unit`." if re.fullmatch(r"\s*\d+(\.\d*)?\s*", text) else ""
    return f"{text!r} is not {due}.{count}"


def _in_zone(local: Any, source: TimeSource, faults: ColumnFaults, text: Callable[[int], str]) -> Any:
    """Local times as UTC, null where a time is missing, does not exist, or occurs twice and `fold` does not decide."""
    if source.zone is None:
        return local
    first, second = (
        pc.assume_timezone(local, source.zone, ambiguous=which, nonexistent=which) for which in ("earliest", "latest")
    )
    unclear = pc.not_equal(first, second)
    absent = pc.and_(unclear, pc.not_equal(pc.local_timestamp(first), local))
    faults.add(absent, lambda i: f"{text(i)} does not exist in {source.zone}: the clocks were put forward past it.")
    twice = pc.and_(unclear, pc.invert(absent))
    if source.fold is None:
        faults.add(twice, lambda i: f"{text(i)} occurs twice in {source.zone}. {_FOLD}")
    chosen = (second if source.fold == "1" else first).cast(pa.timestamp("ms", "UTC")).cast(_MILLISECONDS)
    return pc.if_else((absent if source.fold is not None else unclear).fill_null(False), None, chosen)


_FOLD = "Set `fold: 0` for the first of the two moments, `fold: 1` for the second, or give times with their offset."


def long_format(format_: str) -> str:
    """The format with every abbreviation written out.

    >>> long_format("%F %R")
    '%Y-%m-%d %H:%M'
    """
    for short, long in (*_SHORT_FORMS.items(), ("%n", " "), ("%t", " ")):
        format_ = format_.replace(short, long)
    return format_


def _formatted_times(texts: Any, format_: str) -> tuple[Any, Any]:
    """Local times and times with an offset, as timestamps; null where a text is not of the form."""
    format_ = long_format(format_)
    if _NOT_IN_ARROW & {*re.findall(r"%.", format_)}:
        return _split([_one_by_one(text, format_) for text in texts.to_pylist()])
    stamps = pc.strptime(texts, format=format_, unit="ms", error_is_null=True)
    # Arrow takes 30 February for 2 March, and 12:00:61 for 12:01:01. Such times, or those that may be, are read again.
    late = pc.and_(pc.is_in(pc.month(stamps), value_set=_SPILLS_OVER), pc.less_equal(pc.day(stamps), 3))
    if "%S" in format_:
        late = pc.or_(late, pc.match_substring_regex(texts, "6[01]"))
    wrong = as_mask(late)
    again = np.flatnonzero(wrong)
    wrong[again] = [_one_by_one(text, format_) is None for text in texts.take(pa.array(again)).to_pylist()]
    stamps = pc.if_else(pa.array(wrong), None, stamps)
    return stamps, pa.nulls(len(texts), _MILLISECONDS)


def _one_by_one(text: str | None, format_: str) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.strptime(_LONG_FRACTION.sub(r"\1", text), format_)
    except ValueError:
        return None
    # Python takes day 366 of a common year for the first of the next.
    year = moment.strftime("%Y" if "%Y" in format_ else "%y")
    return None if "%j" in format_ and year not in text else moment


def _iso_times(texts: Any) -> tuple[Any, Any]:
    """As `_formatted_times`, for ISO 8601. A column may mix texts with and without a zone; UTC may be written out."""
    texts = pc.replace_substring_regex(texts, r"(?i)(\d) ?(?:UTC|Z)$", r"\1Z")
    zoned = pc.match_substring_regex(texts, r"\d\d:\d\d.*(Z|[+-]\d\d:?(\d\d)?)$")
    try:
        local = pc.if_else(zoned, None, texts).cast(pa.timestamp("us"))
        aware = pc.if_else(zoned, texts, None).cast(pa.timestamp("us", "UTC")).cast(pa.timestamp("us"))
    except pa.ArrowInvalid:  # one text is not a time, or Arrow cannot read it: convert one by one
        return _split([_iso_time(text) for text in texts.to_pylist()])
    floored = (pc.floor_temporal(stamps, unit="millisecond").cast(_MILLISECONDS) for stamps in (local, aware))
    return next(floored), next(floored)


def _iso_time(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return iso_moment(text)
    except ValueError:
        return None


def _split(moments: list[datetime | None]) -> tuple[Any, Any]:
    """The moments without an offset, and those with one in UTC, as timestamps; null elsewhere."""
    local = [_ms(m) if m is not None and m.tzinfo is None else None for m in moments]
    aware = [_ms(m) if m is not None and m.tzinfo is not None else None for m in moments]
    return pa.array(local, pa.int64()).cast(_MILLISECONDS), pa.array(aware, pa.int64()).cast(_MILLISECONDS)


def _ms(moment: datetime) -> int:
    return parse_utc_ms((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).isoformat())

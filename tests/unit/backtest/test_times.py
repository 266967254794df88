"""Event times of every form, to the millisecond in UTC, and the times that are refused."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraudstream.backtest.mapping import MappingError
from tests.property.profile import EXAMPLES
from tests.unit.backtest.mapped_rows import fault_of, mapping_of, read

NOON = 1_772_625_600_000  # 2026-03-04T12:00:00Z


def times_of(values: Any, **options: Any) -> list[int]:
    source = {"occurred_at": {"column": "at", **options}}
    return [payment.occurred_at for payment in read({"at": values}, source).payments]  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "format_"),
    [
        ("04/03/2026 12:00:00.250", "%d/%m/%Y %H:%M:%S.%f"),
        ("04/03/2026 12:00:00,250999", "%d/%m/%Y %H:%M:%S,%f"),
        ("04/03/2026 12:00:00.250999999", "%d/%m/%Y %H:%M:%S.%f"),
        ("04/03/2026 14:00:00.25 +0200", "%d/%m/%Y %H:%M:%S.%f %z"),
        ("04/03/2026 14:00:00.25+02:00", "%d/%m/%Y %H:%M:%S.%f%z"),
        ("04/03/2026 12:00:00.25Z", "%d/%m/%Y %H:%M:%S.%f%z"),
        ("2026-03-04T12:00:00.250Z", None),
        ("2026-03-04T12:00:00,250Z", None),
        ("2026-03-04 12:00:00.250999999", None),
        ("2026-03-04T13:00:00.250999+01:00", None),
        ("20260304T120000.250Z", None),
    ],
)
def test_fractions_of_a_second_are_kept_to_the_millisecond(text: str, format_: str | None) -> None:
    options = {"format": format_} if format_ else {}
    for values in ([text], pa.array([text], pa.large_string()), pa.array([text]).dictionary_encode()):
        assert times_of(values, **options) == [NOON + 250]


@pytest.mark.parametrize(
    ("text", "format_"),
    [
        ("3/4/2026 12:00 PM", "%m/%d/%Y %I:%M %p"),
        ("  04.03.2026 12:00 ", "%d.%m.%Y %H:%M"),
        ("20260304120000", "%Y%m%d%H%M%S"),
        ("04 Mar 2026 12:00", "%d %b %Y %H:%M"),
        ("2026-03-04 12:00:00", "%F %T"),
        ("03/04/26 12:00", "%D %R"),
        ("04Mar2026:12:00:00", "%d%b%Y:%H:%M:%S"),
    ],
)
def test_a_form_of_its_own_is_read(text: str, format_: str) -> None:
    assert times_of([text], format=format_) == [NOON]


@pytest.mark.parametrize(
    "text", ["2026-02-30 12:00", "2026-02-29 12:00", "2026-04-31 12:00", "2026-03-04 24:01", "2026030412000", "x"]
)
@pytest.mark.parametrize("format_", ["%Y-%m-%d %H:%M", None])
def test_a_day_that_the_calendar_lacks_is_refused(text: str, format_: str | None) -> None:
    source = {"column": "at", "format": format_} if format_ else {"column": "at"}
    assert f"{text!r} is not a time" in fault_of({"at": [text]}, {"occurred_at": source})


@EXAMPLES
@given(st.datetimes(datetime(1980, 1, 1), datetime(2190, 1, 1)))
def test_a_written_time_is_read_as_it_was(moment: datetime) -> None:
    expected = (moment.replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    assert times_of([moment.isoformat()]) == [expected]
    assert times_of([f"{moment:%d/%m/%Y %H:%M:%S.%f}"], format="%d/%m/%Y %H:%M:%S.%f") == [expected]
    assert times_of([f"{moment:%d/%m/%Y %H:%M:%S}"], format="%d/%m/%Y %H:%M:%S") == [expected // 1000 * 1000]


@pytest.mark.parametrize(
    ("values", "unit"),
    [
        (["1772625600.25"], "seconds"),
        ([1772625600.25], "seconds"),
        (["1772625600250.9"], "milliseconds"),
        ([1772625600250], "milliseconds"),
        (["1772625600250999"], "microseconds"),
        ([1772625600250999], "microseconds"),
        (["1772625600250999999"], "nanoseconds"),
        ([1772625600250999999], "nanoseconds"),
        ([" +1772625600250 "], "milliseconds"),
    ],
)
def test_counts_from_the_epoch_are_rounded_down_to_the_millisecond(values: Any, unit: str) -> None:
    assert times_of(values, unit=unit) == [NOON + 250]


@EXAMPLES
@given(st.integers(10**11, 7_258_118_399_999))
def test_every_millisecond_survives_any_unit(at_ms: int) -> None:
    assert times_of([f"{at_ms // 1000}.{at_ms % 1000:03}"], unit="seconds") == [at_ms]
    assert times_of([at_ms / 1000], unit="seconds") == [at_ms]
    assert times_of([str(at_ms * 1000 + 999)], unit="microseconds") == [at_ms]
    assert times_of([at_ms * 10**6 + 999_999], unit="nanoseconds") == [at_ms]


def test_a_serial_date_of_a_spreadsheet_is_a_count_of_days() -> None:
    spreadsheet = {"unit": "days", "since": "1899-12-30"}
    assert times_of(["46085.5", "46085.5208333333"], **spreadsheet) == [NOON, NOON + 30 * 60_000]
    assert times_of(["46085.5"], **spreadsheet, zone="Europe/Berlin") == [NOON - 3_600_000]


@pytest.mark.parametrize(
    ("value", "unit", "sentence"),
    [
        ("1772625600", "milliseconds", "as milliseconds it is 1970-01-21T12:23:45Z; it looks like seconds."),
        ("1772625600000", "microseconds", "the time is 1970-01-21T12:23:45Z;"),
        ("1772625600000", "seconds", "is not a number of seconds between 1970 and 2199."),
        ("1772625600000000000", "milliseconds", "is not a number of milliseconds between 1970 and 2199."),
        ("-5", "seconds", "the time lies outside 1970 to 2199."),
        ("soon", "seconds", "'soon' is not a number of seconds."),
        ("1e400", "seconds", "is not a number of seconds between 1970 and 2199."),
        (float("nan"), "seconds", "is"),
        (None, "seconds", "is empty, but occurred_at is required."),
    ],
)
def test_a_count_of_another_unit_is_refused(value: Any, unit: str, sentence: str) -> None:
    said = fault_of({"at": [value]}, {"occurred_at": {"column": "at", "unit": unit}})
    assert said.startswith("payments.csv, row 1, column 'at': ")
    assert sentence in said


BERLIN = {"occurred_at": {"column": "at", "zone": "Europe/Berlin"}}


def test_local_times_are_converted_by_the_rules_of_their_zone() -> None:
    summer, winter = "2026-07-01 14:00", "2026-01-01T13:00:00"
    expected = [1_782_907_200_000, 1_767_268_800_000]
    assert times_of([summer, winter], zone="Europe/Berlin") == expected
    stamps = pa.array([datetime(2026, 7, 1, 14), datetime(2026, 1, 1, 13)])
    assert times_of(stamps, zone="Europe/Berlin") == expected
    assert times_of(["01.07.2026 14:00", "01.01.2026 13:00"], format="%d.%m.%Y %H:%M", zone="Europe/Berlin") == expected


def test_times_that_carry_an_offset_keep_it_beside_local_ones() -> None:
    texts = ["2026-07-01T12:00:00Z", "2026-07-01T14:00:00", "2026-07-01T07:00:00-05:00"]
    assert times_of(texts, zone="Europe/Berlin") == [1_782_907_200_000] * 3
    assert times_of(pa.array([NOON], pa.timestamp("ms", "America/New_York")), zone="Europe/Berlin") == [NOON]


def test_a_local_time_that_occurs_twice_is_refused_until_fold_says_which() -> None:
    text = "2026-10-25 02:30:00"
    said = fault_of({"at": [text]}, BERLIN)
    assert f"{text!r} occurs twice in Europe/Berlin. Set `fold: 0` for the first of the two moments" in said
    first, second = 1_792_888_200_000, 1_792_891_800_000
    for fold, expected in ((0, first), (1, second)):
        assert times_of([text], zone="Europe/Berlin", fold=fold) == [expected]
        assert times_of(pa.array([datetime(2026, 10, 25, 2, 30)]), zone="Europe/Berlin", fold=fold) == [expected]
    assert times_of(["2026-10-25T02:30:00+01:00"], zone="Europe/Berlin") == [second]


@pytest.mark.parametrize("fold", [{}, {"fold": 0}, {"fold": 1}])
def test_a_local_time_that_does_not_exist_is_refused(fold: dict[str, int]) -> None:
    source = {"occurred_at": {"column": "at", "zone": "Europe/Berlin", **fold}}
    said = fault_of({"at": ["2026-03-29 02:30:00"]}, source)
    assert "'2026-03-29 02:30:00' does not exist in Europe/Berlin: the clocks were put forward past it." in said


@EXAMPLES
@given(
    st.datetimes(datetime(1980, 1, 1), datetime(2037, 1, 1)).map(lambda moment: moment.replace(microsecond=0)),
    st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "UTC"]),
)
def test_any_zone_agrees_with_the_standard_library(moment: datetime, zone: str) -> None:
    at = [int(moment.replace(tzinfo=ZoneInfo(zone), fold=fold).timestamp()) * 1000 for fold in (0, 1)]
    source = {"occurred_at": {"column": "at", "zone": zone}}
    if at[0] == at[1]:
        assert times_of([moment.isoformat()], zone=zone) == at[:1]
    elif at[0] < at[1]:
        assert "occurs twice" in fault_of({"at": [moment.isoformat()]}, source)
        assert [times_of([moment.isoformat()], zone=zone, fold=fold)[0] for fold in (0, 1)] == at
    else:
        assert "does not exist" in fault_of({"at": [moment.isoformat()]}, source)


@pytest.mark.parametrize(
    "columns",
    [
        {"day": ["2026-03-04"], "hour": ["12:00:00.250"]},
        {"day": [date(2026, 3, 4)], "hour": [time(12, 0, 0, 250_000)]},
        {"day": pa.array([datetime(2026, 3, 4)], pa.timestamp("ms")).cast(pa.date64()), "hour": ["12:00:00.250Z"]},
    ],
)
def test_a_date_column_and_a_time_column_make_a_time(columns: dict[str, Any]) -> None:
    batch = read(columns, {"occurred_at": {"template": "{day} {hour}"}})
    assert batch.occurred_at_ms.tolist() == [NOON + 250]


@pytest.mark.parametrize("values", [[True], [[1]], [b"x"], [time(1)]])
def test_a_column_that_holds_no_times_is_a_sentence(values: Any) -> None:
    assert "holds no times; if it is a count, set its `unit`." in fault_of({"at": values})


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ({"zone": "Mars/Olympus"}, "zone 'Mars/Olympus' is not known here."),
        ({"zone": "Europe/Berlin", "unit": "seconds"}, "zone has no effect"),
        ({"zone": "Europe/Berlin", "unit": "days", "since": "1899-12-30T00:00Z"}, "zone has no effect"),
        ({"fold": 1}, "fold needs a zone"),
        ({"zone": "Europe/Berlin", "fold": 2}, "payment.occurred_at.fold can't be '2'"),
        ({"unit": "second"}, "payment.occurred_at.unit can't be 'second'"),
        ({"unit": "seconds", "format": "%Y"}, "has both unit and format"),
        ({"format": "%Y-%m-%d %H:%M %Z"}, "format has %Z, but names of zones are ambiguous"),
        ({"format": "%-d.%m.%Y"}, "format has %-d, which is not known"),
        ({"format": "%s"}, "format has %s, which is not known"),
        ({"format": "%d.%m.%Y %I:%M"}, "without %p, which says morning or afternoon"),
        ({"format": "%m/%d/%Y %H:%M %p"}, "Use %I in place of %H"),
        ({"format": "%y%m%d%m%d"}, "format has %d twice"),
        ({"format": "%D %d"}, "format has %d twice"),
        ({"format": "%H:%M"}, "format has no year"),
        ({"format": "%d.%m. %H:%M"}, "format has no year"),
        ({"format": "%Y %d"}, "format has no month"),
        ({"format": "%m/%Y"}, "format has no day"),
        ({"format": "%Y-W%V"}, "format has no month"),
    ],
)
def test_options_that_contradict_each_other_are_refused_before_the_file_is_read(
    source: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(MappingError) as caught:
        mapping_of({"occurred_at": {"column": "at", **source}})
    assert sentence in str(caught.value)


@pytest.mark.parametrize("text", ["2026-03-04 12:00:00 UTC", "2026-03-04 12:00:00.000UTC", "2026-03-04t12:00:00z"])
def test_utc_may_be_written_out(text: str) -> None:
    assert times_of([text], zone="Europe/Berlin") == [NOON]


@pytest.mark.parametrize("second", ["60", "61"])
@pytest.mark.parametrize("format_", ["%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M:%S%z"])
def test_a_second_that_no_minute_has_is_refused(second: str, format_: str) -> None:
    text = f"04.03.2026 12:00:{second}" + ("Z" if "%z" in format_ else "")
    assert "is not a time like" in fault_of({"at": [text]}, {"occurred_at": {"column": "at", "format": format_}})


@pytest.mark.parametrize(
    ("text", "format_"), [("2026-063", "%Y-%j"), ("2026-W10-3", "%G-W%V-%u"), ("2026-W09-3", "%Y-W%W-%w")]
)
def test_days_of_the_year_and_of_a_week_are_read(text: str, format_: str) -> None:
    assert times_of([f"{text} 12:00"], format=f"{format_} %H:%M") == [NOON]


def test_the_366th_day_of_a_common_year_is_refused() -> None:
    assert "is not a time like" in fault_of({"at": ["2025-366"]}, {"occurred_at": {"column": "at", "format": "%Y-%j"}})


@pytest.mark.parametrize(
    "text", ["2026-03-04+01:00", "2026-03-04-12:00", "2026-03-04_12:00", "2026-03-04Z", "1772625600"]
)
def test_the_offset_of_a_date_is_not_taken_for_a_time(text: str) -> None:
    assert "is not a time in ISO 8601" in fault_of({"at": [text]})
    with pytest.raises(MappingError, match="which is not a time in ISO 8601"):
        mapping_of({"occurred_at": {"column": "at", "unit": "days", "since": text}})


@pytest.mark.parametrize(
    ("kind", "unit", "count"),
    [
        (pa.float32(), "seconds", NOON / 1000),
        (pa.float32(), "milliseconds", NOON),
        (pa.float16(), "days", 20_500),
    ],
)
def test_a_count_that_its_column_has_rounded_is_refused(kind: pa.DataType, unit: str, count: float) -> None:
    values = pa.array(np.array([count], kind.to_pandas_dtype()))
    said = fault_of({"at": values}, {"occurred_at": {"column": "at", "unit": unit}})
    assert f"a {kind} column cannot hold a time of this size exactly" in said


@pytest.mark.parametrize(("unit", "per_ms"), [("nanoseconds", 10**6), ("microseconds", 1000), ("milliseconds", 1)])
def test_double_counts_are_exact_to_the_millisecond(unit: str, per_ms: int) -> None:
    assert times_of(pa.array([float((NOON + 123) * per_ms), None])[:1], unit=unit) == [NOON + 123]

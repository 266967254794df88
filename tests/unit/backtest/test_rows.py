"""Rows of a file: which are read, which are bad, how bad rows are reported, and the labels."""

from __future__ import annotations

import json
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from fraudstream.backtest.file_error import PaymentFileError
from fraudstream.backtest.mapping import MappingError, load_mapping
from fraudstream.backtest.payment_file import PaymentFile
from fraudstream.backtest.row_report import BadRowError, RowReport
from fraudstream.engine.decode import decode
from tests.unit.backtest.mapped_rows import fault_of, mapping_of, read

TYPES = ["card", "fee", None, "card-refund"]


@pytest.mark.parametrize(
    ("condition", "rows"),
    [
        ({"equals": "card"}, [1]),
        ({"not_equals": "card"}, [2, 3, 4]),
        ({"in": ["card", "fee"]}, [1, 2]),
        ({"in": ["card", ""]}, [1, 3]),
        ({"not_in": ["fee"]}, [1, 3, 4]),
        ({"not_in": ["fee", ""]}, [1, 4]),
        ({"starting_with": "card"}, [1, 4]),
        ({"matches": "^card$|^fee$"}, [1, 2]),
        ({"equals": ""}, [3]),
    ],
)
def test_a_row_is_read_if_it_meets_the_condition(condition: dict[str, Any], rows: list[int]) -> None:
    for type_ in (pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())):
        report = RowReport()
        batch = read({"type": pa.array(TYPES, type_)}, report=report, where={"column": "type", **condition})
        assert batch.rows.tolist() == rows
        assert report.excluded == 4 - len(rows)


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ([True, False], "True"),
        ([True, False], "1"),
        ([1, 2], "1.0"),
        ([1.0, None], "1.0"),
        ([Decimal("1.50"), Decimal("2.50")], "1.5"),
        ([date(2026, 3, 4), date(2026, 3, 5)], "2026-03-04"),
        ([datetime(2026, 3, 4), datetime(2026, 3, 5)], "2026-03-04"),
    ],
)
def test_a_condition_is_on_the_value_however_its_column_writes_it(values: list[Any], word: str) -> None:
    assert read({"x": values}, where={"column": "x", "equals": word}).rows.tolist() == [1]
    assert read({"x": values}, where={"column": "x", "not_in": [word]}).rows.tolist() == [2]


def test_a_condition_on_what_a_column_never_holds_is_refused() -> None:
    with pytest.raises(PaymentFileError, match="a column of bool never holds 'Yes', which `where` looks for"):
        read({"x": [True, False]}, where={"column": "x", "not_equals": "Yes"})


@pytest.mark.parametrize("words", [("1", "0"), ("true", "false"), ("True", "False")])
def test_a_boolean_is_translated_by_any_of_its_words(words: tuple[str, str]) -> None:
    label = {"column": "x", "fraud": [words[0]], "genuine": [words[1]]}
    assert read({"x": [True, False]}, label=label).labels.tolist() == [1, 0]
    kind = {"column": "x", "values": {words[0]: "refund"}, "otherwise": "purchase"}
    assert [payment.kind for payment in read({"x": [True, False]}, {"kind": kind}).payments] == ["refund", "purchase"]


def test_all_conditions_must_be_met() -> None:
    where = [{"column": "type", "starting_with": "card"}, {"column": "count", "equals": "7"}]
    assert read({"type": TYPES, "count": [7, 7, 7, 8]}, where=where).rows.tolist() == [1]


def test_a_row_that_is_left_out_is_not_checked() -> None:
    columns = {"currency": ["EUR", "Bitcoin"], "amount": ["1", "x"]}
    batch = read(columns, where={"column": "currency", "not_in": ["Bitcoin"]})
    assert [payment.event_id for payment in batch.payments] == ["e0"]


def test_a_file_of_which_no_row_is_read_has_no_payments() -> None:
    assert read({"type": TYPES}, where={"column": "type", "equals": "wire"}).payments == []


@pytest.mark.parametrize(
    ("where", "sentence"),
    [
        ({"column": "type"}, "needs one of equals, not_equals, in, not_in, starting_with and matches, has none."),
        ({"column": "type", "equals": "a", "in": ["b"]}, "has equals and in."),
        ({"column": "type", "matches": "("}, "'(' is not a regular expression"),
        ({"column": "type", "equal": "a"}, "where has no option 'equal'. Nearest: 'equals'."),
    ],
)
def test_a_faulty_condition_is_refused_before_the_file_is_read(where: dict[str, Any], sentence: str) -> None:
    with pytest.raises(MappingError) as caught:
        mapping_of(where=where)
    assert sentence in str(caught.value)


BAD = {
    "account": ["a1", None, "a\t3", "a4", "a5", "a6"],
    "amount": ["1", "2", "3", "four", "5", "6"],
    "at": [f"2026-03-04T12:00:0{i}Z" if i != 4 else "noon" for i in range(6)],
}


def test_the_first_bad_row_stops_the_file_and_names_its_place() -> None:
    with pytest.raises(BadRowError, match=r"^payments\.csv, row 2, column 'account': is empty, but account_id"):
        read(BAD)


def test_bad_rows_are_skipped_listed_and_counted(tmp_path: Path) -> None:
    with RowReport(tmp_path / "out" / "bad_rows.jsonl") as report:
        batch = read(
            BAD, report=report, on_bad_row="skip", label={"column": "account", "fraud": ["a6"], "otherwise": "genuine"}
        )
    assert batch.rows.tolist() == [1, 6]
    assert [payment.event_id for payment in batch.payments] == ["e0", "e5"]
    assert batch.labels.tolist() == [0, 1]
    assert batch.occurred_at_ms.tolist() == [1_772_625_600_000, 1_772_625_605_000]
    assert report.bad == {"invalid": 2, "amount": 1, "occurred_at": 1}
    listed = [json.loads(line) for line in (tmp_path / "out" / "bad_rows.jsonl").read_text().splitlines()]
    assert [(row["row"], row["column"], row["reason"]) for row in listed] == [
        (2, "account", "invalid"),
        (3, "account", "invalid"),
        (4, "amount", "amount"),
        (5, "at", "occurred_at"),
    ]
    assert listed[2]["sentence"] == "'four' is not a decimal amount."
    assert listed[2]["cells"]["amount"] == "four"
    assert listed[0]["cells"]["account"] is None


def test_a_run_without_bad_rows_leaves_no_list_of_an_earlier_one(tmp_path: Path) -> None:
    path = tmp_path / "bad_rows.jsonl"
    path.write_text("{}\n")
    with RowReport(path) as report:
        read({"amount": ["1"]}, report=report)
    assert not path.exists()


def test_an_interrupted_run_leaves_no_list(tmp_path: Path) -> None:
    def interrupted() -> None:
        with RowReport(tmp_path / "bad_rows.jsonl") as report:
            read(BAD, report=report, on_bad_row="skip")
            raise KeyError

    with pytest.raises(KeyError):
        interrupted()
    assert list(tmp_path.iterdir()) == []


def csv_of(tmp_path: Path, *rows: str) -> Path:
    path = tmp_path / "payments.csv"
    path.write_text("id,at,account,amount,currency\n" + "".join(row + "\n" for row in rows))
    return path


def test_rows_are_skipped_when_sorting_too(tmp_path: Path) -> None:
    path = csv_of(
        tmp_path,
        "1,2026-03-04T12:00:09Z,a,1,EUR",
        "2,never,a,1,EUR",
        "3,2026-03-04T12:00:01Z,a,1,EURO",
        "4,2026-03-04T12:00:02Z,a,1,EUR",
        "5,2026-03-04T12:00:00Z,a,1,EUR,surplus",
    )
    report = RowReport()
    file = PaymentFile(path, mapping_of(on_bad_row="skip"), report)
    assert [payment.event_id for batch in file.batches(sort=True) for payment in batch.payments] == ["4", "1"]
    assert report.bad == {"occurred_at": 1, "currency": 1, "invalid": 1}


def test_the_order_of_time_is_that_of_the_rows_that_are_left(tmp_path: Path) -> None:
    bad = csv_of(
        tmp_path, "1,2026-03-04T12:00:01Z,a,1,EUR", "2,2026-03-04T11:00:00Z,a,x,EUR", "3,2026-03-04T12:00:02Z,a,1,EUR"
    )
    file = PaymentFile(bad, mapping_of(on_bad_row="skip"))
    assert [payment.event_id for batch in file.batches() for payment in batch.payments] == ["1", "3"]
    early = csv_of(tmp_path, "1,2026-03-04T12:00:01Z,a,1,EUR", "2,x,a,1,EUR", "3,2026-03-04T12:00:00Z,a,1,EUR")
    with pytest.raises(PaymentFileError, match=r"row 3, column 'at': is earlier than the row before it"):
        list(PaymentFile(early, mapping_of(on_bad_row="skip")).batches())


@pytest.mark.parametrize(
    ("label", "values", "expected"),
    [
        ({"fraud": ["1"], "genuine": ["0"]}, ["1", "0", None], [1, 0, -1]),
        ({"fraud": ["1"], "genuine": ["0"]}, [1, 0, None], [1, 0, -1]),
        ({"fraud": ["1"], "genuine": ["0"]}, [1.0, 0.0, None], [1, 0, -1]),
        ({"fraud": ["1"], "genuine": ["0"]}, [True, False, None], [1, 0, -1]),
        ({"fraud": ["Y"], "genuine": [""]}, ["Y", None, "Y"], [1, 0, 1]),
        ({"fraud": ["Y"], "otherwise": "genuine"}, ["Y", "x", None], [1, 0, -1]),
        ({"fraud": ["Y"], "otherwise": "unlabelled"}, ["Y", "x", None], [1, -1, -1]),
    ],
)
def test_labels_are_the_words_of_the_mapping(label: dict[str, Any], values: Any, expected: list[int]) -> None:
    assert read({"label": values}, label={"column": "label", **label}).labels.tolist() == expected


def test_an_unknown_label_is_refused_with_its_row() -> None:
    report = RowReport()
    label = {"column": "label", "fraud": ["1"], "genuine": ["0"]}
    with pytest.raises(
        BadRowError, match=r"row 2, column 'label': 'maybe' is not a label of the mapping; expected 1, 0"
    ):
        read({"label": ["1", "maybe"]}, label=label)
    assert read({"label": ["1", "maybe"]}, report=report, on_bad_row="skip", label=label).rows.tolist() == [1]


def test_a_label_with_two_meanings_is_refused() -> None:
    with pytest.raises(MappingError, match="label: '1' is listed as fraud and as genuine"):
        mapping_of(label={"column": "label", "fraud": ["1"], "genuine": ["0", "1"]})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("account_id", "a\t1"),
        ("account_id", "a\u0085"),
        ("account_id", "x" * 129),
        ("country", "de"),
        ("country", "ZZ"),
        ("mcc", "54"),
        ("mcc", "54A1"),
        ("counterparty_bank", "x" * 36),
        ("lat", 91.0),
    ],
)
def test_a_file_is_refused_what_a_topic_is(field: str, value: Any) -> None:
    payment = {"event_id": "e0", "occurred_at": "2026-03-04T12:00:00Z", "account_id": "a1", "amount": "12.50"}
    published = json.dumps({**payment, "currency": "EUR", "direction": "debit", field: value}).encode()
    said = fault_of({"value": [value]}, {field: {"column": "value"}})
    assert said.startswith("payments.csv, row 1, column 'value': ")
    (decoded,) = decode([published])
    sentence = getattr(decoded, "sentence", None)
    assert sentence is None or sentence in said


@pytest.mark.parametrize(
    ("field", "source"),
    [
        ("account_id", {"constant": "x" * 129}),
        ("mcc", {"constant": "54"}),
        ("mcc", {"column": "id", "values": {"e0": "5411", "x": "541"}}),
        ("mcc", {"column": "id", "values": {"e0": "5411"}, "otherwise": "0"}),
        ("country", {"constant": "de"}),
        ("country", {"column": "amount", "sign": {"positive": "DE", "negative": "ZZ"}}),
        ("merchant_id", {"constant": "a\tb"}),
        ("lat", {"constant": "ninety"}),
        ("lat", {"constant": "91"}),
        ("lat", {"column": "amount", "sign": {"positive": "1", "negative": "2"}}),
        ("occurred_at", {"constant": "noon"}),
        ("occurred_at", {"constant": "1960-01-01"}),
        ("card_present", {"constant": "yes"}),
        ("direction", {"constant": "DEBIT"}),
        ("device_id", {"constant": "x", "pad": 4}),
        ("device_id", {"constant": "x", "values": {"x": "y"}}),
    ],
)
def test_a_value_of_the_mapping_that_no_payment_can_have_is_refused(field: str, source: dict[str, Any]) -> None:
    with pytest.raises(MappingError, match=rf"^m\.yaml: payment\.{field}: "):
        mapping_of({field: source})


def test_text_is_trimmed_and_put_into_upper_case_where_the_mapping_says_so() -> None:
    columns = {"currency": [" eur", "JPY "], "country": ["de ", "  "], "amount": ["1.00", "1"]}
    source = {"trim": True, "upper": True}
    batch = read(columns, {"currency": {"column": "currency", **source}, "country": {"column": "country", **source}})
    assert [(payment.currency, payment.country) for payment in batch.payments] == [("EUR", "DE"), ("JPY", None)]
    said = fault_of({"currency": [" eur"]})
    assert said.endswith("Set `trim: true` and `upper: true` to read it as EUR.")
    said = fault_of({"country": ["de"]}, {"country": {"column": "country"}})
    assert said.endswith("Set `upper: true` to read it as DE.")


@pytest.mark.parametrize("text", ["a1 ", " a1", "a1\u00a0"])
def test_blanks_around_an_id_are_noticed(text: str) -> None:
    report = RowReport()
    read({"account": ["a1", text]}, report=report)
    assert [notice[:40] for notice in report.notices] == ["Ids in 'account' have blanks around them"]
    report = RowReport()
    read({"account": ["a1", text]}, {"account_id": {"column": "account", "trim": True}}, report=report)
    assert report.notices == []


def test_what_a_number_looks_like_depends_on_no_other_row() -> None:
    values = np.array([4_111_111_111_111_111.0, np.nan, 7.0])
    batch = read({"device": values}, {"device_id": {"column": "device"}})
    assert [payment.device_id for payment in batch.payments] == ["4111111111111111", None, "7"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("title: a\ntitle: b\n", "line 2: the file has the key 'title' twice: here and on line 1. Remove one."),
        ("payment:\n  amount: {column: a, column: b}\n", "line 2: amount has the key 'column' twice"),
        ("payment: {event_id: {column: a, values: {A: b,\n 'A': c}}}", "line 2: values has the key 'A' twice"),
        ("", "line 1: the file is empty."),
        ("- a\n", "must be a mapping of keys to values"),
        ("title: [", "line 1: not valid YAML"),
        ("title: &a t", "line 1: anchors, aliases and tags are not supported"),
    ],
)
def test_a_mapping_that_can_be_read_in_two_ways_is_refused_with_its_lines(
    tmp_path: Path, text: str, sentence: str
) -> None:
    path = tmp_path / "m.yaml"
    path.write_text(text)
    with pytest.raises(MappingError) as caught:
        load_mapping(str(path))
    assert str(caught.value).startswith(f"{path}: {sentence}")


@pytest.mark.parametrize(
    ("field", "column", "text"),
    [
        ("amount", "amount", "1.23457E+06"),
        ("occurred_at", "at", "1.77263E+12"),
    ],
)
def test_numbers_that_a_spreadsheet_has_shortened_are_refused(field: str, column: str, text: str) -> None:
    source = {"column": column, "unit": "milliseconds"} if field == "occurred_at" else {"column": column}
    said = fault_of({column: [text]}, {field: source})
    assert f"{text!r} is a number that a spreadsheet has shortened: its digits are lost." in said


def test_a_coordinate_is_translated_as_any_text() -> None:
    columns = {"lat": ["0", " 50.5 ", None], "lon": [0.0, 4.25, None]}
    source = {"values": {"0": ""}, "trim": True}
    with pytest.raises(BadRowError, match=r"row 2, column 'lat': '50\.5' is not among the mapping's values"):
        read(columns, {"lat": {"column": "lat", **source}})
    batch = read(columns, {"lat": {"column": "lat", "trim": True}, "lon": {"column": "lon"}})
    assert [(payment.lat, payment.lon) for payment in batch.payments] == [(0.0, 0.0), (50.5, 4.25), (None, None)]


def test_a_category_that_has_lost_its_zero_is_told_the_option_that_restores_it() -> None:
    assert fault_of({"mcc": [742]}, {"mcc": {"column": "mcc"}}).endswith("Set `pad: 4` to read it as 0742.")
    assert read({"mcc": [742]}, {"mcc": {"column": "mcc", "pad": 4}}).payments[0].mcc == "0742"


@pytest.mark.parametrize("kind", [{"constant": "reversal"}, {"column": "type", "values": {"VOID": "reversal"}}])
def test_reversals_of_a_file_are_mapped(kind: dict[str, Any]) -> None:
    [payment] = read({"type": ["VOID"], "of": ["e-9"]}, {"kind": kind, "relates_to": {"column": "of"}}).payments
    assert (payment.kind, payment.relates_to) == ("reversal", "e-9")
    assert "A reversal needs relates_to" in fault_of({"type": ["VOID"]}, {"kind": kind})


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"on_bad_row": "ignore"}, "on_bad_row can't be 'ignore'. Choose from: stop, skip."),
        ({"where": {"column": "id", "in": "x"}}, "where.in must be a list: [a, b]."),
        ({"file": {"header_row": -1}}, "file.header_row must be a whole number, 0 or more."),
        ({"file": {"null_values": "NaN"}}, "file.null_values must be a list: [a, b], or lists by column"),
        ({"file": {"null_values": {"acount": ["NaN"]}}}, "the mapping reads no column 'acount'. Nearest: 'account'."),
        ({"file": {"encoding": "idna"}}, "encoding is 'idna', which is not known"),
        ({"file": {"encoding": "unicode_escape"}}, "encoding is 'unicode_escape', which is not known"),
    ],
)
def test_a_fault_of_a_mapping_says_what_may_stand_there(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(MappingError) as caught:
        mapping_of(**options)
    assert sentence in str(caught.value)


def test_a_source_that_is_a_word_is_told_how_to_name_a_column() -> None:
    with pytest.raises(MappingError, match=r"payment\.device_id must be a source: \{column: name\}"):
        mapping_of({"device_id": "device"})
    with pytest.raises(MappingError, match=r"payment\.amount\.scale can't be '5'\. Choose from: major, minor, 0, 1"):
        mapping_of({"amount": {"column": "amount", "scale": 5}})


def test_a_word_that_is_no_choice_is_told_how_to_translate_it() -> None:
    said = fault_of({"x": ["D"]}, {"direction": {"column": "x"}})
    assert said.endswith(
        "'D' is not a valid direction; expected debit, credit. Set `values: {'D': …}` to translate it."
    )

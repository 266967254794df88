"""What an amount counts: major or minor units, a fixed number of decimals; and where it comes from."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from fraudstream.backtest.amount_review import AmountReview
from fraudstream.backtest.file_error import PaymentFileError
from fraudstream.backtest.mapping import MappingError
from fraudstream.backtest.payment_columns import PaymentColumns
from fraudstream.backtest.payment_file import PaymentFile, PaymentFiles
from fraudstream.backtest.readers.table import ROWS_PER_BATCH
from fraudstream.backtest.row_report import RowReport
from tests.unit.backtest.mapped_rows import fault_of, mapping_of, read

CURRENCIES = ["EUR", "JPY", "KWD"]


def amounts_of(values: Any, currencies: list[str], **options: Any) -> list[str]:
    source = {"amount": {"column": "amount", **options}}
    return [payment.amount for payment in read({"amount": values, "currency": currencies}, source).payments]


@pytest.mark.parametrize(
    "values",
    [
        ["1250", "1250", "1250"],
        ["000000001250", "1250", "1250.000"],
        [1250, 1250, 1250],
        [1250.0, 1250.0, 1250.0],
        pa.array([1250, 1250, 1250], pa.uint64()),
        pa.array([Decimal("1250.00")] * 3, pa.decimal128(12, 2)),
        pa.array(["1250"] * 3, pa.large_string()),
        pa.array(["1250"] * 3).dictionary_encode(),
    ],
)
def test_minor_units_are_those_of_each_currency(values: Any) -> None:
    assert amounts_of(values, CURRENCIES, scale="minor") == ["12.50", "1250", "1.250"]


def test_a_scale_is_a_number_of_decimals_whatever_the_currency() -> None:
    assert amounts_of(["1250", "1200", "1250"], CURRENCIES, scale="2") == ["12.50", "12", "12.500"]
    said = fault_of({"amount": ["1250"], "currency": ["JPY"]}, {"amount": {"column": "amount", "scale": 2}})
    assert said.endswith("12.5 has more decimals than the 0 of JPY. Set `round: true` to round it.")


@pytest.mark.parametrize("values", [["12.50"], [12.5], [Decimal("12.5")]])
def test_a_count_of_minor_units_is_whole(values: Any) -> None:
    said = fault_of({"amount": values}, {"amount": {"column": "amount", "scale": "minor"}})
    assert said.endswith("12.5 is not a whole number, as `scale: minor` says that amounts are.")


def test_zero_padded_digits_are_refused_until_the_mapping_says_what_they_count() -> None:
    said = fault_of({"amount": ["000000012050"]})
    assert "'000000012050' is padded with zeros and has no decimal separator" in said
    assert "`scale: minor`" in said
    assert amounts_of(["000000012050"], ["EUR"], scale="major") == ["12050.00"]
    assert amounts_of(["0012.50", "0", "-0.00"], ["EUR"] * 3, absolute=True) == ["12.50", "0.00", "0.00"]


@pytest.mark.parametrize(
    ("values", "currency", "options", "noticed"),
    [
        (["1250", "7"], "EUR", {}, True),
        ([1250, 7], "EUR", {}, True),
        ([1250.0, None], "EUR", {}, True),
        (["1250", "7"], "JPY", {}, False),
        (["1250", "7.00"], "EUR", {}, False),
        ([1250.0, 7.5], "EUR", {}, False),
        (["1250", "7"], "EUR", {"scale": "major"}, False),
        (["1250", "7"], "EUR", {"scale": "minor"}, False),
        ([Decimal("1250.00"), Decimal("7.00")], "EUR", {}, False),
    ],
)
def test_whole_amounts_are_read_as_major_units_with_a_notice(
    values: Any, currency: str, options: dict[str, Any], noticed: bool
) -> None:
    report = RowReport()
    source = {"amount": {"column": "amount", **options}}
    read({"amount": values, "currency": [currency, currency]}, source, report, on_bad_row="skip")
    assert bool(report.notices) == noticed
    if noticed:
        assert "set `scale: minor`" in report.notices[0]


@pytest.mark.parametrize("column", ["amount_cents", "amountInCents", "AMOUNT_MINOR", "Betrag Cent"])
def test_a_column_named_after_minor_units_needs_a_scale(column: str) -> None:
    with pytest.raises(MappingError, match=r"seems to count .* Set `scale: minor`"):
        mapping_of({"amount": {"column": column}})
    for scale in ("minor", "major", "2"):
        mapping_of({"amount": {"column": column, "scale": scale}})


def test_a_template_makes_an_amount_of_two_columns() -> None:
    columns = {"units": ["120", "7"], "cents": ["5", "50"], "amount": ["", ""]}
    batch = read(columns, {"amount": {"template": "{units}.{cents:02}"}})
    assert [payment.amount for payment in batch.payments] == ["120.05", "7.50"]


def test_a_template_must_give_all_decimals_since_5_cents_are_not_50() -> None:
    said = fault_of({"units": ["120"], "cents": ["5"]}, {"amount": {"template": "{units}.{cents}"}})
    assert "'120.5' does not have the 2 decimals of EUR; pad the column in the template, as {cents:02} does." in said


def test_an_amount_may_be_a_constant() -> None:
    batch = read({"amount": ["", ""], "currency": ["EUR", "KWD"]}, {"amount": {"constant": "12.5"}})
    assert [payment.amount for payment in batch.payments] == ["12.50", "12.500"]


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ({"constant": "12,50"}, "'12,50' is not a decimal amount"),
        ({"constant": "-5"}, "-5 is negative"),
        ({"constant": "1.005"}, "has more decimals than the 2 of EUR"),
        ({"constant": ""}, "amount can't be empty"),
        ({"template": "{Debit}{Credit}"}, "For a debit and a credit column use debit_column and credit_column."),
        ({"template": "{units!r}"}, "only :02 and such pad"),
        ({"template": "{}"}, "has braces without the name of a column"),
        ({"debit_column": "Debit"}, "debit_column and credit_column must both be given"),
        ({"debit_column": "D", "credit_column": "C", "column": "x"}, "exclude column, constant"),
        ({"debit_column": "D", "credit_column": "C"}, "payment.direction: the debit and credit columns"),
        ({"debit_column": "debit_cents", "credit_column": "C"}, "column 'debit_cents' seems to count cents"),
    ],
)
def test_a_faulty_source_of_an_amount_is_refused_before_the_file_is_read(source: dict[str, Any], sentence: str) -> None:
    with pytest.raises(MappingError) as caught:
        mapping_of({"amount": source, "currency": {"constant": "EUR"}})
    assert sentence in str(caught.value)


DEBIT_CREDIT = {"amount": {"debit_column": "Debit", "credit_column": "Credit"}, "direction": None}


def test_a_debit_and_a_credit_column_give_amount_and_direction() -> None:
    columns = {"Debit": ["120.00", None, "0.00", "7", "0.00"], "Credit": [None, "50.00", "9.00", "0.00", None]}
    batch = read(columns, DEBIT_CREDIT)
    assert [(payment.direction, payment.amount) for payment in batch.payments] == [
        ("debit", "120.00"),
        ("credit", "50.00"),
        ("credit", "9.00"),
        ("debit", "7.00"),
        ("debit", "0.00"),
    ]


@pytest.mark.parametrize(
    ("debit", "credit", "sentence"),
    [
        ("120.00", "50.00", "'Debit' and 'Credit' both have an amount; one payment has one."),
        ("0.00", "0.00", "'Debit' and 'Credit' both have an amount; one payment has one."),
        (None, None, "'Debit' and 'Credit' are both empty, but amount is required."),
        ("-5.00", None, "column 'Debit': -5 is negative."),
        (None, "x", "column 'Credit': 'x' is not a decimal amount."),
    ],
)
def test_a_row_fills_one_of_debit_and_credit(debit: str | None, credit: str | None, sentence: str) -> None:
    assert sentence in fault_of({"Debit": [debit], "Credit": [credit]}, DEBIT_CREDIT)


def test_without_debit_and_credit_columns_a_direction_is_required() -> None:
    with pytest.raises(MappingError, match=r"payment\.direction: is missing"):
        mapping_of({"direction": None})


@pytest.mark.parametrize("type_", [pa.decimal128(38, 18), pa.decimal256(50, 4), pa.decimal128(5, 1)])
def test_decimals_of_any_type_are_exact(type_: Any) -> None:
    assert amounts_of(pa.array([Decimal("12.5")], type_), ["EUR"]) == ["12.50"]


def test_a_decimal_beyond_the_currency_is_refused_whatever_its_type() -> None:
    value = pa.array([Decimal("12.505000000000000001")], pa.decimal128(38, 18))
    assert "more than 9 decimals" in fault_of({"amount": value})


@pytest.mark.parametrize("values", [[True], pa.array([None], pa.null())])
def test_a_column_without_amounts_is_a_sentence(values: Any) -> None:
    said = fault_of({"amount": values})
    assert said in (
        "payments.csv, column 'amount': a bool column does not contain amounts.",
        "payments.csv, row 1, column 'amount': is empty, but amount is required.",
    )


def test_integers_at_the_edge_of_their_type_are_exact_or_refused() -> None:
    most = 10**15
    assert amounts_of(pa.array([most], pa.int64()), ["EUR"], scale="minor") == ["10000000000000.00"]
    assert "exceeds the maximum amount" in fault_of({"amount": pa.array([2**64 - 1], pa.uint64())})


@pytest.mark.parametrize("values", [["-12.50", "3", None], [-12.5, 3.0, None], [Decimal("-12.50"), Decimal(3), None]])
def test_a_balance_keeps_its_sign_unless_it_is_to_be_dropped(values: Any) -> None:
    columns = {"balance": values, "amount": ["1"] * 3}
    kept = read(columns, {"balance_before": {"column": "balance"}})
    assert [payment.balance_before for payment in kept.payments] == ["-12.50", "3.00", None]
    dropped = read(columns, {"balance_before": {"column": "balance", "absolute": True}})
    assert [payment.balance_before for payment in dropped.payments] == ["12.50", "3.00", None]


@pytest.mark.parametrize(
    ("values", "direction", "noticed"),
    [
        (["-1.00", "2.00"], {"constant": "debit"}, True),
        (["-1.00", "-2.00"], {"constant": "debit"}, False),
        (["-1.00", "2.00"], {"column": "amount", "sign": {"positive": "debit", "negative": "credit"}}, False),
    ],
)
def test_amounts_that_lose_two_signs_are_noticed(values: list[str], direction: dict[str, Any], noticed: bool) -> None:
    report = RowReport()
    read({"amount": values}, {"amount": {"column": "amount", "absolute": True}, "direction": direction}, report)
    assert [notice.startswith("The amounts in 'amount' have both signs") for notice in report.notices] == [
        True
    ] * noticed


def test_whole_amounts_of_currencies_with_other_decimals_are_refused_without_a_scale() -> None:
    with pytest.raises(PaymentFileError) as caught:
        read({"amount": ["1250"] * 3, "currency": CURRENCIES}, report=RowReport(), on_bad_row="skip")
    assert str(caught.value) == (
        "payments.csv, column 'amount': the amounts are whole numbers, of currencies with different numbers of decimals"
        " (EUR has 2, JPY has 0, KWD has 3). If they count minor units, such as cents, set `scale: minor` in the "
        "mapping; if not, `scale: major`."
    )
    assert amounts_of(["1250"] * 3, CURRENCIES, scale="major") == ["1250.00", "1250", "1250.000"]
    assert amounts_of(["1250.5", "1250", "1250"], CURRENCIES) == ["1250.50", "1250", "1250.000"]


@pytest.mark.parametrize("before", [ROWS_PER_BATCH - 1, ROWS_PER_BATCH, ROWS_PER_BATCH + 1])
@pytest.mark.parametrize("sort", [False, True])
def test_whole_amounts_are_refused_wherever_another_currency_begins(tmp_path: Path, before: int, sort: bool) -> None:
    row = "{},2026-03-04T12:00:00Z,a1,1250,{}\n"
    rows = [row.format(number, "EUR" if number < before else "JPY") for number in range(before + 1)]
    (tmp_path / "p.csv").write_text("id,at,account,amount,currency\n" + "".join(rows))
    with pytest.raises(PaymentFileError, match=r"EUR has 2, JPY has 0"):
        list(PaymentFile(tmp_path / "p.csv", mapping_of()).batches(sort))


def test_whole_amounts_of_two_files_are_refused_as_those_of_one(tmp_path: Path) -> None:
    files = []
    for currency in ("EUR", "JPY"):
        path = tmp_path / f"{currency}.csv"
        path.write_text(f"id,at,account,amount,currency\n{currency},2026-03-04T12:00:00Z,a1,1250,{currency}\n")
        files.append(PaymentFile(path, mapping_of()))
    with pytest.raises(PaymentFileError, match=r"JPY\.csv, .*EUR has 2, JPY has 0"):
        list(PaymentFiles(files).batches())


def test_signs_in_batches_of_their_own_are_noticed() -> None:
    report, review = RowReport(), AmountReview()
    mapping = mapping_of({"amount": {"column": "amount", "absolute": True}})
    for amount in ("1.00", "-1.00"):
        cells = {"id": "e1", "at": "2026-03-04T12:00:00Z", "account": "a1", "amount": amount, "currency": "EUR"}
        batch = pa.record_batch({name: pa.array([text]) for name, text in cells.items()})
        PaymentColumns(mapping, "p.csv", report=report, review=review).convert(batch, np.array([1]))
    assert [notice[:40] for notice in report.notices] == ["The amounts in 'amount' have both signs,"]


def test_single_floats_are_read_while_they_tell_one_cent_from_the_next() -> None:
    assert amounts_of(pa.array([1.1, 167_772.0], pa.float32()), ["EUR"] * 2) == ["1.10", "167772.00"]
    said = fault_of({"amount": pa.array([1234567.89], pa.float32())})
    assert "1234567.875 in a float column is exact to fewer decimals than its currency has" in said
    assert amounts_of(pa.array([1234567.89], pa.float32()), ["EUR"], round=True) == ["1234567.88"]


@pytest.mark.parametrize("kind", [pa.decimal32(7, 2), pa.decimal64(12, 2), pa.decimal128(9, 2), pa.decimal256(50, 9)])
def test_decimals_of_any_width_are_amounts(kind: pa.DataType) -> None:
    assert amounts_of(pa.array([Decimal("1.50"), Decimal("-2.25")], kind), ["EUR"] * 2, absolute=True) == [
        "1.50",
        "2.25",
    ]


def test_half_floats_are_no_amounts() -> None:
    said = fault_of({"amount": pa.array(np.array([1.5], np.float16))})
    assert "a halffloat column keeps three digits of an amount" in said


@pytest.mark.parametrize(
    ("debits", "credits_", "noticed"),
    [
        (["-5.00", "-6.00", None], [None, None, "7.00"], []),
        (
            ["-5.00", "6.00", None],
            [None, None, "7.00"],
            ["The amounts in 'd' have both signs, and all are read as debit."],
        ),
        (
            [None, None, "5.00"],
            ["-5.00", "6.00", "0"],
            ["The amounts in 'c' have both signs, and all are read as credit."],
        ),
    ],
)
def test_debits_that_lose_two_signs_are_noticed(
    debits: list[str | None], credits_: list[str | None], noticed: list[str]
) -> None:
    report = RowReport()
    amount = {"debit_column": "d", "credit_column": "c", "absolute": True}
    read({"d": debits, "c": credits_}, {"amount": amount, "direction": None}, report)
    assert [notice.partition(" If")[0] for notice in report.notices] == noticed

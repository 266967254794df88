"""Supported payment files, and the errors for invalid ones."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest

from fraudstream.backtest.file_error import PaymentFileError
from fraudstream.backtest.mapping import Mapping, MappingError, load_mapping, parse_mapping
from fraudstream.backtest.payment_file import PaymentFile, PaymentFiles
from fraudstream.backtest.row_report import RowReport
from fraudstream.contracts import Payment

MAPPING = """
title: test
payment:
  event_id: {template: "e{row}"}
  occurred_at: {column: at}
  account_id: {column: account}
  amount: {column: amount}
  currency: {column: currency}
  direction: {column: way, values: {out: debit, in: credit}}
label: {column: fraud, fraud: ["1"], genuine: ["0"]}
"""
HEADER = "at,account,amount,currency,way,fraud\n"


def payments_of(path: Path, mapping: Mapping | None = None, sort: bool = False) -> list[Payment]:
    file = PaymentFile(path, mapping or parse_mapping(MAPPING, "test.yaml"))
    return [payment for batch in file.batches(sort) for payment in batch.payments]


def csv_file(tmp_path: Path, *rows: str) -> Path:
    path = tmp_path / "payments.csv"
    path.write_text(HEADER + "".join(row + "\n" for row in rows))
    return path


def parquet_file(tmp_path: Path, amounts: Sequence[object], currency: str = "EUR") -> Path:
    n = len(amounts)
    path = tmp_path / "payments.parquet"
    columns = {
        "at": [datetime(2025, 1, 1, 0, 0, i) for i in range(n)],
        "account": ["a"] * n,
        "amount": pa.array(amounts),
        "currency": [currency] * n,
        "way": ["out"] * n,
        "fraud": [0] * n,
    }
    pa.parquet.write_table(pa.table(columns), path)
    return path


def test_every_currency_gets_its_own_decimals(tmp_path: Path) -> None:
    path = csv_file(
        tmp_path,
        "2025-01-01T00:00:00Z,a,12.5,EUR,out,0",
        "2025-01-01T00:00:01Z,a,1250,JPY,out,0",
        "2025-01-01T00:00:02Z,a,0.005,KWD,in,1",
        "2025-01-01T00:00:03Z,a,7,EUR,in,",
    )
    assert [payment.amount for payment in payments_of(path)] == ["12.50", "1250", "0.005", "7.00"]


def test_a_float_column_is_read_as_its_shortest_decimals(tmp_path: Path) -> None:
    amounts = [0.1 + 0.2, 1.1, 4.35, 1234567890.12, 0.0, 8.41]
    assert [payment.amount for payment in payments_of(parquet_file(tmp_path, amounts))] == [
        "0.30",
        "1.10",
        "4.35",
        "1234567890.12",
        "0.00",
        "8.41",
    ]


def test_integer_amounts_are_major_units(tmp_path: Path) -> None:
    assert [payment.amount for payment in payments_of(parquet_file(tmp_path, [5, 120]))] == ["5.00", "120.00"]


def test_more_decimals_than_the_currency_has_are_rejected_by_row(tmp_path: Path) -> None:
    with pytest.raises(PaymentFileError) as caught:
        payments_of(parquet_file(tmp_path, [1.25, 3.999], "EUR"))
    assert (caught.value.row, caught.value.column) == (2, "amount")
    assert "3.999 has more decimals than the 2 of EUR" in str(caught.value)
    with pytest.raises(PaymentFileError, match=r"row 1, column 'amount': 1\.5 has more decimals than the 0 of JPY"):
        payments_of(csv_file(tmp_path, "2025-01-01,a,1.5,JPY,out,0"))


def test_the_same_moment_in_any_zone_and_form_is_the_same_time(tmp_path: Path) -> None:
    path = csv_file(
        tmp_path,
        "2025-01-01T01:00:00+01:00,a,1,EUR,out,0",
        "2025-01-01 00:00:00,a,1,EUR,out,0",
        "2025-01-01T00:00:00.000Z,a,1,EUR,out,0",
        "2025-01-01T00:00:00.000000+00:00,a,1,EUR,out,0",
    )
    assert {payment.occurred_at for payment in payments_of(path)} == {1735689600000}


def test_an_unsorted_file_is_rejected_with_its_row(tmp_path: Path) -> None:
    path = csv_file(tmp_path, *(f"2025-01-0{day},a,1,EUR,out,0" for day in (1, 3, 2)))
    with pytest.raises(PaymentFileError, match=r"row 3, column 'at': .*--sort"):
        payments_of(path)


def test_a_time_is_the_same_whatever_the_other_times_of_its_batch_look_like(tmp_path: Path) -> None:
    precise = "2025-01-01T00:00:00.000900,a,1,EUR,out,0"
    compact = "20250101T000001,a,1,EUR,out,0"  # Arrow can't read it
    alone = payments_of(csv_file(tmp_path, precise))[0].occurred_at
    beside_another = payments_of(csv_file(tmp_path, precise, compact))[0].occurred_at
    assert alone == beside_another == 1_735_689_600_000


def test_sorting_keeps_the_order_of_equal_times(tmp_path: Path) -> None:
    path = csv_file(tmp_path, *(f"2025-01-0{day},{name},1,EUR,out,0" for day, name in ((3, "a"), (1, "b"), (3, "c"))))
    assert [payment.account_id for payment in payments_of(path, sort=True)] == ["b", "a", "c"]
    assert [payment.event_id for payment in payments_of(path, sort=True)] == ["e2", "e1", "e3"]


@pytest.mark.parametrize("rows", [32_767, 32_768, 32_769])
def test_an_unsorted_file_is_rejected_across_batches(tmp_path: Path, rows: int) -> None:
    path = csv_file(tmp_path, *["2025-01-03,a,1,EUR,out,0"] * rows, "2025-01-02,a,1,EUR,out,0")
    with pytest.raises(PaymentFileError, match=f"row {rows + 1}, "):
        payments_of(path)
    assert [payment.event_id for payment in payments_of(path, sort=True)][:2] == [f"e{rows + 1}", "e1"]


def test_a_compressed_file_is_read_as_the_plain_one(tmp_path: Path) -> None:
    plain = csv_file(tmp_path, "2025-01-01,a,1,EUR,out,0")
    packed = tmp_path / "payments.csv.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert payments_of(packed) == payments_of(plain)


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ("yesterday,a,1,EUR,out,0", "column 'at': 'yesterday' is not a time in ISO 8601."),
        (",a,1,EUR,out,0", "column 'at': is empty, but occurred_at is required."),
        ("1969-12-31,a,1,EUR,out,0", "column 'at': the time lies outside 1970 to 2199."),
        ("2025-01-02,,1,EUR,out,0", "column 'account': is empty, but account_id is required."),
        ("2025-01-02,a,,EUR,out,0", "column 'amount': is empty, but amount is required."),
        ("2025-01-02,a,one,EUR,out,0", "column 'amount': 'one' is not a decimal amount."),
        (
            "2025-01-02,a,NaN,EUR,out,0",
            "column 'amount': 'NaN' is not a decimal amount. If it means that there is none, set "
            "`file: {null_values: ['NaN']}`.",
        ),
        (
            "2025-01-02,a,-1,EUR,out,0",
            "column 'amount': -1 is negative. Set `absolute: true` and take the direction from the sign.",
        ),
        (
            "2025-01-02,a,1,EURO,out,0",
            "column 'currency': 'EURO' is not a valid currency; expected BIF, CLP, DJF, …. Set `values: {'EURO': …}` "
            "to translate it.",
        ),
        ("2025-01-02,a,1,EUR,outt,0", "column 'way': 'outt' is not among the mapping's values. Nearest: 'out'."),
        ("2025-01-02,a,1,EUR,out,7", "column 'fraud': '7' is not a label of the mapping; expected 1, 0."),
        ("2025-01-02,a,1,EUR", "has 4 columns, expected 6: '2025-01-02,a,1,EUR'"),
    ],
)
def test_a_fault_names_file_row_and_column(tmp_path: Path, row: str, sentence: str) -> None:
    path = csv_file(tmp_path, "2025-01-01,a,1,EUR,out,0", row)
    with pytest.raises(PaymentFileError) as caught:
        payments_of(path)
    separator = ": " if sentence.startswith("has") else ", "
    assert str(caught.value) == f"{path}, row 2{separator}{sentence}"


def test_a_file_without_a_mapped_column_is_rejected_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "payments.csv"
    path.write_text("at,account\n2025-01-01,a\n")
    with pytest.raises(PaymentFileError, match="has no column 'amount', 'currency', 'way', 'fraud'"):
        payments_of(path)


def test_a_missing_file_is_reported_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(PaymentFileError, match="can't be read"):
        payments_of(tmp_path / "absent.parquet")


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("{column: account}", "{colum: account}", "payment.account_id has no option 'colum'. Nearest: 'column'."),
        ("{column: account}", "{}", "payment.account_id: needs one of column, constant and template, has none."),
        ("out: debit", "out: debits", "payment.direction: 'debits' is not a valid value. Nearest: 'debit'."),
        ("{column: currency}", "{constant: EURO}", "payment.currency: 'EURO' is not a valid value. Nearest: 'EUR'."),
        ("{column: at}", "{column: at, unit: hours, since: soon}", "which is not a time in ISO 8601"),
        ('"e{row}"', '"e"', "has no column in braces"),
    ],
)
def test_a_faulty_mapping_is_rejected_with_the_path_of_the_fault(old: str, new: str, sentence: str) -> None:
    with pytest.raises(MappingError) as caught:
        parse_mapping(MAPPING.replace(old, new), "test.yaml")
    assert str(caught.value).startswith("test.yaml: ")
    assert sentence in str(caught.value)


def test_an_unknown_mapping_error_suggests_the_nearest_name() -> None:
    with pytest.raises(MappingError, match="Nearest: 'handbook'"):
        load_mapping("hand_book")


def test_a_mapping_can_be_a_path(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(MAPPING)
    assert load_mapping(str(path)).name == "mine"


def test_a_condition_that_no_row_meets_is_noticed(tmp_path: Path) -> None:
    report = RowReport()
    mapping = parse_mapping(MAPPING + "where: {column: way, equals: OUT}\n", "test.yaml")
    path = csv_file(tmp_path, "2026-03-04T12:00:00Z,a,1.50,EUR,out,0")
    assert list(PaymentFile(path, mapping, report).batches()) == []
    assert report.excluded == 1
    assert report.notices == ["No row meets `where` of the mapping, so there are no payments. Check its words."]


@pytest.mark.parametrize("sort", [False, True])
def test_kinds_of_fraud_are_kept_by_event_id(tmp_path: Path, sort: bool) -> None:
    mapping = parse_mapping(MAPPING.replace('genuine: ["0"]', 'genuine: ["0"], typology: kind'), "test.yaml")
    path = tmp_path / "kinds.csv"
    lines = [HEADER.strip() + ",kind", "2025-01-01,a,1,EUR,out,1,3", "2025-01-01,a,1,EUR,out,0,0"]
    lines += ["2025-01-01,a,1,EUR,out,1,", "2025-01-02,b,1,EUR,out,1,mule"]
    path.write_text("\n".join(lines) + "\n")
    plain = csv_file(tmp_path, "2025-01-03,a,1,EUR,out,1")  # has no such column
    files = PaymentFiles([PaymentFile(each, mapping) for each in (path, plain)])
    assert sum(len(batch.payments) for batch in files.batches(sort)) == 5
    assert dict(files.typologies) == {"e1": "3", "e4": "mule"}

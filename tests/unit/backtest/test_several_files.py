"""Several files are read as one that joins them; JSON lines and Parquet give the payments of CSV."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest

from fraudstream.backtest.file_error import PaymentFileError
from fraudstream.backtest.mapping import Mapping, parse_mapping
from fraudstream.backtest.payment_file import PaymentFile, PaymentFiles
from fraudstream.contracts import Payment

TEXT = """
title: test
payment:
  event_id: {template: "e{row}"}
  occurred_at: {column: at}
  account_id: {column: account}
  amount: {column: amount}
  currency: {constant: EUR}
  direction: {constant: debit}
  device_id: {column: device}
"""
MAPPING = parse_mapping(TEXT, "test.yaml")
START = datetime(2026, 3, 4, 12, tzinfo=UTC)
CARD = 4111111111111111


def payments_of(*paths: Path, mapping: Mapping = MAPPING, sort: bool = False) -> list[Payment]:
    files = PaymentFiles([PaymentFile(path, mapping) for path in paths])
    return [payment for batch in files.batches(sort) for payment in batch.payments]


def csv_file(path: Path, seconds: Sequence[int], account: object = CARD, device: object = "") -> Path:
    rows = [f"{(START + timedelta(seconds=second)).isoformat()},{account},1.50,{device}\n" for second in seconds]
    path.write_text("at,account,amount,device\n" + "".join(rows))
    return path


def parquet_file(path: Path, seconds: Sequence[int], account: Any, device: Any = None, rows: int = 1 << 20) -> Path:
    n = len(seconds)
    columns = {
        "at": pa.array([START + timedelta(seconds=second) for second in seconds], pa.timestamp("ms", "UTC")),
        "account": account if isinstance(account, pa.Array) else pa.array([account] * n),
        "amount": pa.array([1.5] * n),
        "device": device if isinstance(device, pa.Array) else pa.array([device] * n, pa.string()),
    }
    pa.parquet.write_table(pa.table(columns), path, row_group_size=rows)
    return path


def test_files_are_read_as_one_that_joins_them(tmp_path: Path) -> None:
    whole = csv_file(tmp_path / "whole.csv", range(5))
    parts = [
        csv_file(tmp_path / "b.csv", [0, 1]),
        csv_file(tmp_path / "none.csv", []),
        csv_file(tmp_path / "a.csv", [2, 3, 4]),
    ]
    assert payments_of(*parts) == payments_of(whole)
    assert payments_of(*reversed(parts), sort=True) != payments_of(whole)  # {row} counts in the order given
    assert [p.event_id for p in payments_of(*reversed(parts), sort=True)] == ["e4", "e5", "e1", "e2", "e3"]


def test_files_that_are_not_in_order_are_refused_with_the_row_of_the_later_file(tmp_path: Path) -> None:
    first, second = csv_file(tmp_path / "1.csv", [0, 9]), csv_file(tmp_path / "2.csv", [9, 8])
    with pytest.raises(
        PaymentFileError, match=r"2\.csv, row 2, column 'at': is earlier than the row before it.*--sort"
    ):
        payments_of(first, second)
    assert [p.event_id for p in payments_of(first, second, sort=True)] == ["e1", "e4", "e2", "e3"]
    third = csv_file(tmp_path / "3.csv", [8])
    with pytest.raises(
        PaymentFileError, match=r"3\.csv, row 1, column 'at': is earlier than the last row of .*1\.csv:"
    ):
        payments_of(first, third)


def test_a_fault_has_the_row_of_its_own_file(tmp_path: Path) -> None:
    first, second = csv_file(tmp_path / "1.csv", [0, 1]), csv_file(tmp_path / "2.csv", [2, 3], account="")
    for sort in (False, True):
        with pytest.raises(PaymentFileError, match=r"2\.csv, row 1, column 'account': is empty"):
            payments_of(first, second, sort=sort)


def test_an_id_is_the_same_in_files_of_other_formats_and_column_types(tmp_path: Path) -> None:
    accounts = [
        pa.array([CARD, CARD]),
        pa.array([float(CARD), float(CARD)]),
        pa.array([str(CARD)] * 2),
        pa.array([str(CARD)] * 2, pa.large_string()),
        pa.array([str(CARD)] * 2).dictionary_encode(),
        pa.array([str(CARD).encode()] * 2),
        pa.array([Decimal(CARD)] * 2, pa.decimal128(18, 0)),
    ]
    files = [
        parquet_file(tmp_path / f"{n}.parquet", [2 * n, 2 * n + 1], account, pa.array([7.0, None]))
        for n, account in enumerate(accounts)
    ]
    files.append(csv_file(tmp_path / "last.csv", [98, 99], device=7))
    for sort in (False, True):
        payments = payments_of(*files, sort=sort)
        assert {payment.account_id for payment in payments} == {str(CARD)}
        assert {payment.device_id for payment in payments} == {"7", None}
        assert len(payments) == 2 * len(files)


@pytest.mark.parametrize("at", [0, 32_766, 32_767, 32_768, 32_769, 65_536])
@pytest.mark.parametrize("row_group", [1_000, 32_768, 1 << 20])
def test_a_missing_id_changes_no_other_whatever_batch_it_is_in(tmp_path: Path, at: int, row_group: int) -> None:
    n = 65_537
    devices = pa.array([float("nan") if index == at else float(CARD) for index in range(n)])
    path = parquet_file(tmp_path / "p.parquet", range(n), CARD, devices, row_group)
    found = [payment.device_id for payment in payments_of(path)]
    assert found[at] is None
    assert set(found[:at] + found[at + 1 :]) == {str(CARD)}


@pytest.mark.parametrize(
    ("account", "sentence"),
    [
        (pa.array([1.0, float("nan")]), "row 2, column 'account': is empty, but account_id is required."),
        (pa.array([1.0, None]), "row 2, column 'account': is empty, but account_id is required."),
        (pa.array([1.0, 1.5]), "row 2, column 'account': is 1.5, a number with decimals, but account_id is an id."),
        (
            pa.array([1.0, 2.0**53]),
            "row 2, column 'account': is 9007199254740992.0, and a double column cannot hold",
        ),
        (pa.array(["a", "NaN"]), "row 2, column 'account': 'NaN' may be a name or mean that the value is missing."),
        (pa.array([[1], [2]]), "column 'account': a column of list<element: int64> has no text."),
    ],
    ids=str,
)
def test_a_column_that_is_no_id_is_refused(tmp_path: Path, account: pa.Array, sentence: str) -> None:
    with pytest.raises(PaymentFileError) as caught:
        payments_of(parquet_file(tmp_path / "p.parquet", [0, 1], account))
    assert sentence in str(caught.value)


@pytest.mark.parametrize("word", ["NaN", "nan", "NULL", "null", "None", "NA", "N/A", "#N/A", "<NA>", "\\N", "-"])
def test_a_word_that_may_mean_missing_is_refused_until_the_mapping_says(tmp_path: Path, word: str) -> None:
    path = csv_file(tmp_path / "p.csv", [0], device=word)
    with pytest.raises(PaymentFileError) as caught:
        payments_of(path)
    assert f"row 1, column 'device': {word!r} may be a name or mean that the value is missing." in str(caught.value)
    quoted = json.dumps(word)
    for null_values, device in (
        (f"[{quoted}]", None),
        (f"{{device: [{quoted}]}}", None),
        ("[]", word),
        ("{device: []}", word),
    ):
        mapping = parse_mapping(TEXT + f"file: {{null_values: {null_values}}}\n", "test.yaml")
        assert [payment.device_id for payment in payments_of(path, mapping=mapping)] == [device]


def test_json_lines_with_a_mapping_give_the_payments_of_csv(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    lines = [
        f'{{"at":"2026-03-04T12:00:00Z","account":{CARD},"amount":1.50,"device":7.0}}',
        f'{{"amount":"1.5","account":"{CARD}","at":"2026-03-04T12:00:01+00:00","device":null,"more":[1]}}',
        "",
        f'{{"at":"2026-03-04T12:00:02Z","account":{float(CARD)!r},"amount":15e-1,"device":NaN}}',
    ]
    path.write_text("\n".join(lines))
    payments = payments_of(path)
    assert [payment.account_id for payment in payments] == [str(CARD)] * 3
    assert [payment.amount for payment in payments] == ["1.50"] * 3
    assert [payment.device_id for payment in payments] == ["7", None, None]
    assert [payment.event_id for payment in payments] == ["e1", "e2", "e4"]


def test_a_dotted_name_is_a_path_into_nested_objects(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text('{"at":"2026-03-04T12:00:00Z","account":"a","amount":"1","phone":{"id":"d"},"phone.os":"x"}\n')
    mapping = parse_mapping(TEXT.replace("column: device", "column: phone.id"), "test.yaml")
    assert payments_of(path, mapping=mapping)[0].device_id == "d"
    mapping = parse_mapping(TEXT.replace("column: device", "column: phone.os"), "test.yaml")
    assert payments_of(path, mapping=mapping)[0].device_id == "x"


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("{", ", line 2: is not valid JSON: "),
        ("[1]", ", line 2: is not a JSON object."),
        ('{"account":1,"account":2}', ", line 2: has the key 'account' twice."),
        ('{"account":{"id":1}}', ", line 2: 'account' is an object; give the path of a value in it."),
        ('{"account":[1]}', ", line 2: 'account' is an array."),
    ],
)
def test_a_line_that_is_no_row_is_refused(tmp_path: Path, line: str, sentence: str) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text(f'{{"at":"2026-03-04T12:00:00Z","account":"a","amount":"1","device":"d"}}\n{line}\n')
    with pytest.raises(PaymentFileError) as caught:
        payments_of(path)
    assert str(caught.value).startswith(f"{path}{sentence}")


def test_a_key_that_no_line_has_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text('{"at":"2026-03-04T12:00:00Z","account":"a","amount":"1"}\n')
    with pytest.raises(PaymentFileError, match="has no key 'device' in any line"):
        payments_of(path)


@pytest.mark.parametrize("suffix", ["csv", "parquet", "jsonl"])
def test_files_without_a_row_are_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"p.{suffix}"
    if suffix == "parquet":
        parquet_file(path, [], pa.array([], pa.string()))
    else:
        path.write_text("at,account,amount,device\n" if suffix == "csv" else "\n")
    for sort in (False, True):
        with pytest.raises(PaymentFileError, match="holds no payments"):
            payments_of(path, sort=sort)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("at;account;amount;device\n", "Line 1 names them, separated by semicolon: set `file: {separator: semicolon}`"),
        ("Bank\n\nat,account,amount,device\n", "Line 3 names them, separated by comma: set `file: {header_row: 3}`"),
        ("sep=;\nat;account;amount;device\n", "`file: {separator: semicolon, header_row: 2}` in the mapping, or --sep"),
        ("at\taccount\tamount\tdevice\n", "set `file: {separator: tab}` in the mapping, or --separator tab."),
        (
            '"at";"account";"amount";"device"\n',
            "Line 1 names them, separated by semicolon: set `file: {separator: semi",
        ),
        ('at;account;amount;device\n"1";"2";"3";"4"\n', "Line 1 names them, separated by semicolon: set `file: {sep"),
        ("x,y\n", "It has x, y."),
    ],
)
def test_a_file_without_the_columns_is_refused_with_the_layout_that_has_them(
    tmp_path: Path, text: str, hint: str
) -> None:
    path = tmp_path / "p.csv"
    path.write_text(text)
    with pytest.raises(PaymentFileError) as caught:
        payments_of(path)
    assert hint in str(caught.value)

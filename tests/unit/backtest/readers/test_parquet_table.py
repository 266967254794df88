"""Parquet columns are found by their place, whatever their names, and read with the type of the schema."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet
import pytest

from fraudstream.backtest.file_error import PaymentFileError
from fraudstream.backtest.readers.parquet_table import ParquetTable


def written(tmp_path: Path, columns: list[Any], names: list[str]) -> Path:
    path = tmp_path / "p.parquet"
    pa.parquet.write_table(pa.table(columns, names=names), path)
    return path


def read(path: Path, *positions: int) -> list[list[Any]]:
    table = ParquetTable(path)
    (batch,) = table.batches({f"c{position}": position for position in positions})
    return [column.to_pylist() for column in batch.columns.columns]


def test_columns_of_one_name_are_told_apart_by_their_place(tmp_path: Path) -> None:
    path = written(tmp_path, [[1], [2], [3], [4]], ["Account", "Bank", "Account", "a.b"])
    assert ParquetTable(path).names == ("Account", "Bank", "Account", "a.b")
    assert read(path, 3, 2, 0) == [[4], [3], [1]]
    assert read(path, 2) == [[3]]


def test_the_fields_of_a_struct_are_columns(tmp_path: Path) -> None:
    card = pa.array([{"id": "x", "bank": {"bic": "B"}}, None, {"id": None, "bank": None}])
    path = written(tmp_path, [[1, 2, 3], card], ["n", "card"])
    assert ParquetTable(path).names == ("n", "card.id", "card.bank.bic")
    assert read(path, 2, 0, 1) == [["B", None, None], [1, 2, 3], ["x", None, None]]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.large_binary()])
def test_text_in_every_form_is_text(tmp_path: Path, kind: pa.DataType) -> None:
    values = pa.array(["é", None]).cast(kind)
    assert read(written(tmp_path, [values], ["a"]), 0) == [["é", None]]
    assert read(written(tmp_path, [pa.array(["é", None]).dictionary_encode()], ["a"]), 0) == [["é", None]]


def test_a_file_that_is_damaged_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, [[str(n) for n in range(100_000)]], ["a"])
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    with pytest.raises(PaymentFileError, match="can't be read as Parquet; is it complete"):
        ParquetTable(path)
    path.write_bytes(whole[:1_000] + b"\xff" * 5_000 + whole[6_000:])
    with pytest.raises(PaymentFileError, match="can't be read"):
        list(ParquetTable(path).batches({"a": 0}))


@pytest.mark.parametrize("store_schema", [True, False])
def test_a_uuid_is_its_text(tmp_path: Path, store_schema: bool) -> None:
    uuid = UUID("0b6f6c1e-6a55-4c3b-9a0e-5d1f0f1d7a42")
    table = pa.table({"a": pa.array([uuid.bytes, None], pa.uuid())})
    pa.parquet.write_table(table, tmp_path / "p.parquet", store_schema=store_schema)
    assert read(tmp_path / "p.parquet", 0) == [[str(uuid), None]]


@pytest.mark.parametrize("kind", [pa.binary(), pa.binary(2)])
def test_the_column_of_bytes_that_are_no_text_is_named(tmp_path: Path, kind: pa.DataType) -> None:
    path = written(tmp_path, [pa.array([b"a1", b"\xff\xfe"], kind)], ["Account"])
    with pytest.raises(PaymentFileError, match=r"column 'Account': a column of .* holds bytes that are not text"):
        read(path, 0)


@pytest.mark.parametrize("kind", [pa.decimal32(7, 2), pa.decimal64(12, 2)])
def test_narrow_decimals_are_as_any_other(tmp_path: Path, kind: pa.DataType) -> None:
    path = written(tmp_path, [pa.array([Decimal("1.50"), None], kind)], ["a"])
    [batch] = ParquetTable(path).batches({"a": 0})
    assert batch.columns.column("a").type == pa.decimal128(kind.precision, 2)
    assert batch.columns.column("a").to_pylist() == [Decimal("1.50"), None]

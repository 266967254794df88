"""CSV files of every layout give the same rows; what cannot be read is refused with its row."""

from __future__ import annotations

import bz2
import gzip
import re
from pathlib import Path

import pyarrow as pa
import pytest

from fraudstream.backtest.file_error import PaymentFileError
from fraudstream.backtest.file_layout import FileLayout
from fraudstream.backtest.readers.csv_table import BLOCK_BYTES
from fraudstream.backtest.readers.formats import open_table
from fraudstream.backtest.readers.table import ROWS_PER_BATCH

Rows = list[tuple[int, tuple[str | None, ...]]]
TWO_ROWS: Rows = [(1, ("1", "é")), (2, ("2", None))]


def rows_of(path: Path, layout: FileLayout | None = None) -> Rows:
    """Row number and cells of every row, all columns."""
    table = open_table(path, layout or FileLayout())
    assert table.names is not None
    found: Rows = []
    for batch, rows in table.batches({str(position): position for position in range(len(table.names))}):
        assert 0 < batch.num_rows <= ROWS_PER_BATCH
        cells = zip(*(column.to_pylist() for column in batch.columns), strict=True)
        found += zip(rows.tolist(), cells, strict=True)
    return found


def written(tmp_path: Path, content: bytes | str, name: str = "payments.csv", encoding: str = "utf-8") -> Path:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
    return path


@pytest.mark.parametrize(
    ("text", "layout"),
    [
        ("a,b\n1,é\n2,\n", {}),
        ("a,b\r\n1,é\r\n2,\r\n", {}),
        ("a,b\r1,é\r2,", {}),
        ("\n\na,b\n\n1,é\n\n2,\n\n\n", {}),
        ("\ufeffa,b\n1,é\n2,\n", {}),
        ('\ufeff"a","b"\n"1","é"\n2,""\n', {}),
        ("a;b\n1;é\n2;\n", {"separator": ";"}),
        ("a|b\n1|é\n2|\n", {"separator": "pipe"}),
        ("a\tb\n1\té\n2\t\n", {"separator": "tab"}),
        ("a,b,\n1,é,\n2,,\n", {}),
        ("a,b,\n1,é\n2,\n", {}),
        ("a,b\n1,é,\n2,,\n", {}),
        ("a,b,, ,\n1,é\n2,\n", {}),
        ("a,b\n1,é,,,\n2,,,,\n", {}),
        ("a,b\n1,é\n2,\n,\n , \n,\n", {}),
        ("'a','b'\n'1','é'\n2,''\n", {"quote": "'"}),
        ('Statement of "X\n\n€;€\na,b\n1,é\n2,\n', {"header_row": 4}),
        ("a,b\n1,é\n2,\n\nTotal,,,9\nPrinted today\n", {"trailer_rows": 2}),
        ("1,é\n2,\n", {"columns": ["a", "b"]}),
        ("1,é\n2,\n", {"header_row": 0}),
        ("a,b\n1,é\n2,NaN\n3,x\n", {"trailer_rows": 1, "null_values": ["NaN"]}),
    ],
)
def test_every_layout_gives_the_same_rows(tmp_path: Path, text: str, layout: dict[str, object]) -> None:
    rows = rows_of(written(tmp_path, text), FileLayout(**layout))  # type: ignore[arg-type]
    assert [(row, (a, b if b != "NaN" else None)) for row, (a, b, *_) in rows] == TWO_ROWS


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252", "cp437"])
def test_every_encoding_gives_the_same_rows(tmp_path: Path, encoding: str) -> None:
    path = written(tmp_path, "a,b\n1,é\n2,\n", encoding=encoding)
    assert rows_of(path, FileLayout(encoding=encoding)) == TWO_ROWS
    if encoding in ("utf-8-sig", "utf-16", "utf-32"):
        assert rows_of(path) == TWO_ROWS  # they begin with a byte order mark


def test_a_tsv_file_is_separated_by_tabs(tmp_path: Path) -> None:
    assert rows_of(written(tmp_path, "a\tb\n1\té\n2\t\n", "payments.tsv")) == TWO_ROWS


@pytest.mark.parametrize("packer", [gzip.compress, bz2.compress, lambda data: bytes(pa.compress(data, "zstd"))])
def test_compression_is_recognised_by_content(tmp_path: Path, packer: object) -> None:
    packed = packer("a,b\n1,é\n2,\n".encode())  # type: ignore[operator]
    assert rows_of(written(tmp_path, packed)) == TWO_ROWS


@pytest.mark.parametrize("beyond", [-2, -1, 0, 1, 2])
@pytest.mark.parametrize("cell", ['"x\ny"', '"x""y"', "é€𐍈", "xy\r"])
def test_no_cell_changes_where_a_block_of_the_file_ends(tmp_path: Path, beyond: int, cell: str) -> None:
    head = "a,b\n"
    at = BLOCK_BYTES - len(head) - 2 - 2 + beyond  # the cell's middle is at the end of the first block
    filler = "9,z\n" * ((at - 8) // 4)
    filler += "9," + "z" * (at - len(filler) - 3) + "\n"
    text = f"{head}{filler}1,{cell}\n2,last\n"
    rows = rows_of(written(tmp_path, text))
    expected = {'"x\ny"': "x\ny", '"x""y"': 'x"y'}.get(cell, cell.strip("\r"))
    n = filler.count("\n")
    assert rows[-2:] == [(n + 1, ("1", expected)), (n + 2, ("2", "last"))]


@pytest.mark.parametrize("length", [BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, 3 * BLOCK_BYTES])
def test_a_quoted_cell_may_be_longer_than_a_block(tmp_path: Path, length: int) -> None:
    long = "line\n" * (length // 5)
    rows = rows_of(written(tmp_path, f'a,b\n1,"{long}"\n2,x\n'))
    assert [row for row, _ in rows] == [1, 2]
    assert rows[0][1][1] == long


@pytest.mark.parametrize("count", [ROWS_PER_BATCH - 1, ROWS_PER_BATCH, ROWS_PER_BATCH + 1])
def test_ids_are_the_text_of_the_file_in_every_batch(tmp_path: Path, count: int) -> None:
    path = written(tmp_path, "a,b\n" + "0012,1e5\n" * count + "NaN,007\n")
    rows = rows_of(path)
    assert {cells for _, cells in rows[:-1]} == {("0012", "1e5")}
    assert rows[-1] == (count + 1, ("NaN", "007"))


@pytest.mark.parametrize(
    ("content", "layout", "sentence"),
    [
        (b"", {}, ": is empty."),
        (b"\n\n", {}, ": has no column names in line 1."),
        (b"a,b\n", {"header_row": 3}, ": has no column names in line 3."),
        (b"a,b\n1,2\n3\n", {}, ", row 2: has 1 columns, expected 2: '3'"),
        (b"a,b\n1,2\n3,4,5\n", {}, ", row 2: has 3 columns, expected 2: '3,4,5'"),
        (b"a,b\n1,2,\n3,4,5\n", {}, ", row 2: has 3 cells, but the header names 2 columns."),
        (b'a,b\n1,2\n3,"4\n5,6\n', {}, ", row 2: has a quoted cell that does not end."),
        (
            b"a,b\n1,2\n3,\xe9\n",
            {},
            ", row 2: byte 11 of the text is 0xE9, which is not utf-8. Set the file's encoding",
        ),
        (b"a,\xe9\n1,2\n", {}, ": byte 3 of the text is 0xE9, which is not utf-8."),
        (b"a,b\n1,\x81\n", {"encoding": "cp1252"}, ", row 1: byte 7 of the text is 0x81, which is not cp1252."),
        (b"\xff\xfea\0", {"encoding": "cp1252"}, ": begins with the byte order mark of utf-16-le, but encoding is cp1"),
        ("a,b\n1,é\n".encode("utf-16-le"), {}, ": is not text: it holds bytes of value 0."),
        (b"\x7fELF\0\0", {}, ": is not text: it holds bytes of value 0."),
        (b"\x7fELF\0" + b"\xff" * 99, {}, ": is not text: it holds bytes of value 0."),
        (b"PK\x03\x04rest", {}, ": is a zip archive or an Excel workbook;"),
        (
            b'\xef\xbb\xbf<?xml version="1.0"?><Document/>',
            {},
            ": is an XML document. Messages of ISO 20022 need a mapping",
        ),
        (b"\r\n:20:START\r\n:25:10010010/1111\r\n", {}, ": is a SWIFT message, such as MT940;"),
        (b"\n<html><table>", {}, ": is an HTML page,"),
        (b"ORC\x0a\x00\x00", {}, ": is an ORC file;"),
        (gzip.compress(b"a,b\n" + b"1,2\n" * 99)[:-9], {}, ": can't be read: Truncated compressed stream"),
        (gzip.compress(b""), {}, ": is empty."),
        (b"\x1f\x8b", {}, ": can't be read: Truncated compressed stream"),
        (b"PAR1" + b"\1" * 99, {}, ": can't be read as Parquet; is it complete?"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_in_a_sentence(
    tmp_path: Path, content: bytes, layout: dict[str, object], sentence: str
) -> None:
    path = written(tmp_path, content)
    with pytest.raises(PaymentFileError) as caught:
        rows_of(path, FileLayout(**layout))  # type: ignore[arg-type]
    assert str(caught.value).startswith(f"{path}{sentence}")


def test_a_zero_byte_in_a_cell_does_not_make_a_file_binary(tmp_path: Path) -> None:
    assert rows_of(written(tmp_path, "a,b\n1,x\0y\n2,z\n")) == [(1, ("1", "x\0y")), (2, ("2", "z"))]


def test_a_long_file_that_breaks_off_is_refused_with_the_rows_read(tmp_path: Path) -> None:
    packed = gzip.compress(b"a,b\n" + b"1,2\n" * 3_000_000)
    with pytest.raises(PaymentFileError, match=r"can't be read after row \d+: Truncated compressed stream"):
        rows_of(written(tmp_path, packed[:-20]))


def test_a_byte_that_is_no_text_is_refused_with_its_row_in_a_later_block(tmp_path: Path) -> None:
    count = BLOCK_BYTES // 4 + 100
    path = written(tmp_path, b"a,b\n" + b"1,2\n" * count + b"1,\xff\n" + b"1,2\n" * count)
    with pytest.raises(PaymentFileError) as caught:
        rows_of(path)
    assert caught.value.row == count + 1
    assert f"byte {4 * count + 7:,} of the text" in str(caught.value)


def test_rows_of_another_width_are_reported_one_by_one_where_the_caller_takes_them(tmp_path: Path) -> None:
    refused: list[PaymentFileError] = []
    table = open_table(written(tmp_path, "a,b\n1\n2,x\n3,y,z\n4,w\n5\n"), FileLayout(), refused.append)
    rows = [row for batch in table.batches({"a": 0}) for row in batch.rows.tolist()]
    assert rows == [2, 4]
    assert [error.row for error in refused] == [1, 3, 5]


@pytest.mark.parametrize(
    ("layout", "sentence"),
    [
        ({"separator": ";;"}, "separator is ';;', expected one ASCII character"),
        ({"separator": "x"}, "separator is 'x', expected one ASCII character"),
        ({"quote": "\n"}, "quote is '\\n', expected one ASCII character"),
        ({"quote": ";", "separator": ";"}, "separator and quote are both ';'"),
        ({"encoding": "utf-9"}, "encoding is 'utf-9', which is not known"),
        ({"encoding": "base64"}, "encoding is 'base64', which is not known"),
        ({"columns": ("a", "a")}, "columns has a name twice"),
        ({"columns": ("a",), "header_row": 1}, "but header_row says it has one"),
    ],
)
def test_a_layout_that_contradicts_itself_is_refused(layout: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)):
        FileLayout(**layout)  # type: ignore[arg-type]


@pytest.mark.parametrize("cell", ['="0042"', '"=""0042"""'])
def test_a_formula_that_keeps_leading_zeros_is_its_text(tmp_path: Path, cell: str) -> None:
    text = f'a,b\n{cell},x\n="",="\n'
    assert rows_of(written(tmp_path, text.encode())) == [(1, ("0042", "x")), (2, (None, '="'))]

"""CSV text is cut between records only, wherever its pieces end."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraudstream.backtest.readers.csv_records import Dialect, QuoteError, record_blocks, record_ends

COMMA = Dialect(b",", b'"')
CELLS = st.text(st.sampled_from('ab,"\n\r ;'), max_size=6)
RECORDS = st.lists(st.lists(CELLS, min_size=2, max_size=3), min_size=1, max_size=6)


def pieces(text: bytes, size: int) -> Iterator[bytes]:
    return (text[start : start + size] for start in range(0, len(text), size))


def records(text: bytes, size: int, dialect: Dialect = COMMA, trailer_rows: int = 0) -> list[bytes]:
    """The non-blank records of all blocks, without their line ends."""
    found = []
    for block in record_blocks(pieces(text, size), dialect, trailer_rows):
        ends = record_ends(block, dialect).ends.tolist()
        assert ends[-1] == len(block)
        found += [block[start:end].strip(b"\r\n") for start, end in zip([0, *ends], ends, strict=False)]
    return found


@given(RECORDS, st.sampled_from(["\n", "\r\n", "\r"]), st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]))
def test_records_are_those_of_the_csv_module_wherever_pieces_end(
    rows: list[list[str]], line_end: str, quoting: int
) -> None:
    out = io.StringIO()
    csv.writer(out, lineterminator=line_end, quoting=quoting).writerows(rows)  # type: ignore[arg-type]
    text = out.getvalue().encode()
    expected = records(text, len(text))
    assert all(records(text, size) == expected for size in (1, 2, 3, 7))
    if quoting == csv.QUOTE_ALL:  # else a row may be empty, and a single line end is not quoted
        assert len(expected) == len(rows)


@given(st.text(st.sampled_from('a,"\n'), max_size=24))
def test_a_quote_within_a_cell_is_a_character_like_others(text: str) -> None:
    def ends_by_hand() -> list[int]:
        found: list[int] = []
        quoted, begins, at = False, True, 0
        while at < len(text):
            character = text[at]
            if quoted:
                if character == '"' and text[at + 1 : at + 2] == '"':
                    at += 1
                elif character == '"':
                    quoted = False
                    if text[at + 1 : at + 2] not in ("", ",", "\n"):
                        return found  # text after the closing quote: the record is refused
                begins = False
            elif character == '"' and begins:
                quoted, begins = True, False
            else:
                if character == "\n":
                    found.append(at + 1)
                begins = character in ",\n"
            at += 1
        return found

    blank = [end for end in ends_by_hand() if end == 1 or text[end - 2 : end] == "\n\n"]
    expected = [end for end in ends_by_hand() if end not in blank or end - 1 not in (0, *ends_by_hand())]
    assert record_ends(text.encode(), COMMA).ends.tolist() == expected


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b'1,2\n3,"4"5\n6,7\n', "has a quoted cell with text after its closing quote."),
        (b'1,2\n3,"4\\"5"\n6,7\n', "has a quoted cell with text after its closing quote."),
        (b'1,2\n3, "4"\n6,7\n', "has blanks between a separator and an opening quote."),
    ],
)
def test_a_quote_that_makes_a_record_unclear_is_refused_after_the_records_before_it(text: bytes, sentence: str) -> None:
    blocks = record_blocks(pieces(text, 5), COMMA, trailer_rows=1)
    assert next(blocks) == b"1,2\n"
    with pytest.raises(QuoteError, match=sentence):
        next(blocks)


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_an_escaped_character_belongs_to_its_cell(size: int) -> None:
    dialect = Dialect(b",", b'"', b"\\")
    text = b'1,"a\\"\nb"\n2,c\\\nd\n3,"e\\\\"\n4,\\N\n'
    assert records(text, size, dialect) == [b'1,"a\\"\nb"', b"2,c\\\nd", b'3,"e\\\\"', b"4,\\N"]


def test_without_a_quote_character_every_line_is_a_record() -> None:
    assert records(b'1\t"a\n2\tb"\n', 3, Dialect(b"\t", b"")) == [b'1\t"a', b'2\tb"']


@pytest.mark.parametrize("size", [1, 5, 1_000])
def test_trailer_rows_and_empty_rows_at_the_end_are_left_out_wherever_pieces_end(size: int) -> None:
    text = b"1,2\n,\n3,4\nTotal,6\n\n,,\n , \r\n"
    assert records(text, size) == [b"1,2", b",", b"3,4", b"Total,6"]
    assert records(text, size, trailer_rows=1) == [b"1,2", b",", b"3,4"]
    assert records(text, size, trailer_rows=9) == []


@pytest.mark.parametrize("size", [1, 5, 1_000])
def test_a_quote_that_is_never_closed_is_refused_after_the_records_before_it(size: int) -> None:
    blocks = record_blocks(pieces(b'1,2\n3,"4\n5,6\n', size), COMMA, trailer_rows=1)
    assert next(blocks) == b"1,2\n"
    with pytest.raises(QuoteError, match="does not end"):
        next(blocks)

"""Columns of any type as text. The text of a value depends on the column's type and the value alone.

So an id has the same text in every block of a file, and in every file whatever type its column has there: 4111 as an
integer, a float beside missing values or a decimal is `4111`.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

_EXACT_BITS = {pa.float16(): 11, pa.float32(): 24, pa.float64(): 53}  # whole numbers up to 2 to this power are exact


def texts_of(array: Any) -> Any:
    """An Arrow array as strings; null where it is null, NaN or text of blanks only.

    Whole numbers have no decimal point. Raises `ValueError`, with a sentence, for a type without a text.
    """
    kind = array.type
    if pa.types.is_floating(kind):
        numbers = array.cast(pa.float64())
        numbers = pc.if_else(pc.is_nan(numbers), None, numbers)
        whole = pc.and_(pc.equal(pc.floor(numbers), numbers), pc.less(pc.abs(numbers), 2.0**53))
        texts = _joined(whole, pc.if_else(whole, numbers, None).cast(pa.int64()), numbers)
    elif pa.types.is_decimal(kind):
        floor = pc.floor(array)
        whole = pc.equal(floor.cast(kind), array)
        texts = _joined(whole, pc.if_else(whole, floor, None).cast(pa.decimal256(76, 0)), array)
    else:
        try:
            texts = array.cast(pa.string())
        except (pa.ArrowNotImplementedError, pa.ArrowInvalid) as error:
            raise ValueError(f"a column of {kind} has no text.") from error
        if pa.types.is_timestamp(kind) or pa.types.is_time(kind):
            texts = _without_zeros(texts)
    return pc.if_else(pc.equal(pc.utf8_trim_whitespace(texts), ""), None, texts)


def typed_text(word: str, kind: Any) -> str | None:
    """The text that `texts_of` has for a word of a mapping, in a column of type `kind`; None if no value of that type
    is written so. The empty word stays empty.

    >>> typed_text("True", pa.bool_()), typed_text("1.0", pa.int64()), typed_text("Yes", pa.bool_())
    ('true', '1', None)
    """
    if pa.types.is_string(kind) or pa.types.is_null(kind) or not word:
        return word
    words = pa.array([word])
    try:
        values = words.cast(pa.decimal128(38, 9)).cast(kind) if pa.types.is_integer(kind) else words.cast(kind)
        return texts_of(values)[0].as_py()  # type: ignore[no-any-return]
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError):
        return None


def inexact(array: Any) -> Any:
    """Which values of an Arrow array are whole numbers too large for its type to tell from their neighbours, so that
    an id may have been changed when the file was written; Arrow booleans."""
    bits = _EXACT_BITS.get(array.type)
    if bits is None:
        return pa.array([False] * len(array))
    return pc.greater_equal(pc.abs(array.cast(pa.float64())), 2.0**bits).fill_null(False)


def fractional(array: Any) -> Any:
    """Which values of an Arrow array are numbers with decimals, which no id is; Arrow booleans."""
    kind = array.type
    if pa.types.is_floating(kind):
        numbers = array.cast(pa.float64())
        return pc.and_(pc.not_equal(pc.floor(numbers), numbers), pc.is_finite(numbers)).fill_null(False)
    if pa.types.is_decimal(kind):
        return pc.not_equal(pc.floor(array).cast(kind), array).fill_null(False)
    return pa.array([False] * len(array))


def reformatted(texts: Any) -> Any:
    """Which Arrow strings look like an id that a spreadsheet or a data frame has written as a number: `4.11E+15`,
    which has lost digits, or `4111.0`; Arrow booleans."""
    return pc.match_substring_regex(texts, r"^[-+]?\d+(\.\d+)?[eE]\+\d+$|^[-+]?\d+\.0+$").fill_null(False)


INEXACT = (
    "is {value}, and a {type} column cannot hold a number of this size exactly, so the id may have been changed when "
    "the file was written. Write the column again as text or int64."
)
REFORMATTED = (
    "{value!r} looks like an id that a program has written as a number, perhaps without its last digits. Write the "
    'column again as text; or, if this is the id, map it by `template: "{{{column}}}"`.'
)
FRACTIONAL = "is {value}, a number with decimals, but {field} is an id. Map another column, or write this one as text."


def _without_zeros(texts: Any) -> Any:
    """Times without zeros at the end of their fraction, which depends on the unit of the column."""
    texts = pc.replace_substring_regex(texts, r"(\.\d*[1-9])0+(\D|$)", r"\1\2")
    return pc.replace_substring_regex(texts, r"\.0+(\D|$)", r"\1")


def _joined(whole: Any, integers: Any, others: Any) -> Any:
    return pc.if_else(whole, integers.cast(pa.string()), others.cast(pa.string()))

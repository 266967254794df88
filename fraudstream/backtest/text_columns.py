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
    """An Arrow array as strings; null where it is null, NaN or empty text.

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
    return pc.if_else(pc.equal(texts, ""), None, texts)


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


INEXACT = (
    "is {value}, and a {type} column cannot hold a number of this size exactly, so the id may have been changed when "
    "the file was written. Write the column again as text or int64."
)
FRACTIONAL = "is {value}, a number with decimals, but {field} is an id. Map another column, or write this one as text."


def _joined(whole: Any, integers: Any, others: Any) -> Any:
    return pc.if_else(whole, integers.cast(pa.string()), others.cast(pa.string()))

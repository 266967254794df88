"""Amounts of a file as exact decimal text with the currency's number of decimals, and their signs.

Amounts are not rounded unless the mapping says `round: true`. A float is read as the decimal that it prints as
(9839.64 is `9839.64`). A float that differs from a whole number of minor units by more than floating-point error has
too many decimals for its currency and is a fault.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from fraudstream.backtest.file_error import ColumnFault
from fraudstream.backtest.mapping import AmountSource
from fraudstream.contracts.currency import AMOUNT_MINOR_MAX

_SCALE = 9  # decimals kept while reading; no currency has more
_WIDE = pa.decimal128(38, _SCALE)
_FLOAT_NOISE = 1e-6  # in minor units


def amount_texts(array: Any, source: AmountSource, exponent: int, currency: str) -> Any:
    """Amounts as Arrow strings such as '12.50', null where the column is null.

    `array`: an Arrow array of floats, integers, decimals or strings, major units. `exponent`: decimals of `currency`.
    Raises `ColumnFault` for the first value that is not a valid amount.
    """
    minor = _minor_units(array, source, exponent, currency)
    values = minor.to_numpy(zero_copy_only=False) if minor.null_count == 0 else minor.fill_null(0).to_numpy()
    if not source.absolute and (values < 0).any():
        index = int(np.flatnonzero(values < 0)[0])
        raise ColumnFault(
            index, f"{array[index]} is negative. Set `absolute: true` and take the direction from the sign."
        )
    values = np.abs(values)
    if (values > AMOUNT_MINOR_MAX).any():
        index = int(np.flatnonzero(values > AMOUNT_MINOR_MAX)[0])
        raise ColumnFault(index, f"{array[index]} exceeds the maximum amount of {AMOUNT_MINOR_MAX} minor units.")
    return pc.if_else(minor.is_valid(), _decimal_texts(values, exponent), None)


def negative(array: Any, strip: str = "$,") -> npt.NDArray[np.bool_]:
    """Which amounts of a column are negative: bool, shape (n,); False for null. `strip`: characters to ignore."""
    if pa.types.is_string(array.type) or pa.types.is_large_string(array.type):
        below = pc.starts_with(_stripped(array, strip), "-")
    else:
        below = pc.less(array, pa.scalar(0).cast(array.type))
    result: npt.NDArray[np.bool_] = below.fill_null(False).to_numpy(zero_copy_only=False)
    return result


def _minor_units(array: Any, source: AmountSource, exponent: int, currency: str) -> Any:
    kind = array.type
    if pa.types.is_floating(kind):
        return _from_floats(array, source, exponent, currency)
    if pa.types.is_integer(kind):
        wide = array.cast(pa.decimal128(38, 0)).cast(_WIDE)
    elif pa.types.is_decimal(kind):
        try:
            wide = array.cast(_WIDE)
        except pa.ArrowInvalid as error:
            raise ColumnFault(0, f"a {kind} column has more decimals than {_SCALE}.") from error
    elif pa.types.is_string(kind) or pa.types.is_large_string(kind):
        wide = _from_texts(array, source)
    else:
        raise ColumnFault(0, f"a {kind} column does not contain amounts.")
    return _wide_to_minor(wide, array, source, exponent, currency)


def _stripped(array: Any, strip: str) -> Any:
    for character in strip:
        array = pc.replace_substring(array, character, "")
    return pc.utf8_trim_whitespace(array)


def _from_texts(array: Any, source: AmountSource) -> Any:
    texts = _stripped(array, source.strip)
    texts = pc.if_else(pc.equal(texts, ""), None, texts)
    plain = pc.match_substring_regex(texts, r"^-?\d{1,19}(\.\d{0,9})?$").fill_null(True)
    if not pc.all(plain).as_py():  # 1.0E7, .5, trailing zeros: rare, so parsed one by one
        indices = np.flatnonzero(~plain.to_numpy(zero_copy_only=False))
        repaired = texts.to_numpy(zero_copy_only=False).copy()
        for index in indices:
            repaired[index] = _plain_text(str(repaired[index]), int(index), array, source.round)
        texts = pa.array(repaired, pa.string())
    return pc.utf8_rtrim(texts, characters=".").cast(_WIDE)


def _plain_text(text: str, index: int, array: Any, rounded: bool) -> str:
    fault = ColumnFault(index, f"{array[index].as_py()!r} is not a decimal amount.")
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise fault from None
    if not value.is_finite() or abs(value) >= 10**19 or "_" in text:
        raise fault
    shortened = value.quantize(Decimal(1).scaleb(-_SCALE))
    if shortened != value and not rounded:
        raise ColumnFault(index, f"{text} has more than {_SCALE} decimals. Set `round: true` to round it.")
    return f"{shortened:f}"


def _wide_to_minor(wide: Any, array: Any, source: AmountSource, exponent: int, currency: str) -> Any:
    target = pa.decimal128(38, exponent)
    if source.round:
        exact = pc.round(wide, exponent, round_mode="half_to_even").cast(target)
    else:
        exact = wide.cast(target, safe=False)
        same = pc.equal(exact.cast(_WIDE), wide).fill_null(True)
        if not pc.all(same).as_py():
            index = int(np.flatnonzero(~same.to_numpy(zero_copy_only=False))[0])
            raise ColumnFault(index, _too_precise(array[index].as_py(), exponent, currency))
    return _unscaled(exact)


def _unscaled(decimals: Any) -> Any:
    """The unscaled int64 values of a decimal128 column: 12.50 becomes 1250.

    Values beyond int64 become its maximum, which the caller rejects as exceeding the maximum amount.
    """
    buffer = decimals.buffers()[1]
    words = np.frombuffer(buffer, np.int64)[2 * decimals.offset : 2 * (decimals.offset + len(decimals))]
    low, high = words[0::2], words[1::2]
    fits = high == (low >> 63)
    values = np.where(fits, low, np.iinfo(np.int64).max)
    return pa.array(values, mask=~decimals.is_valid().to_numpy(zero_copy_only=False))


def _from_floats(array: Any, source: AmountSource, exponent: int, currency: str) -> Any:
    missing = pc.or_(array.is_null(), pc.is_nan(array).fill_null(True)).to_numpy(zero_copy_only=False)
    numbers = array.cast(pa.float64()).fill_null(0.0).to_numpy(zero_copy_only=False)
    numbers = np.where(missing, 0.0, numbers)
    if np.isinf(numbers).any():
        raise ColumnFault(int(np.flatnonzero(np.isinf(numbers))[0]), "is infinite.")
    scaled = np.clip(numbers * 10.0**exponent, -(2.0**62), 2.0**62)
    whole = np.rint(scaled)
    noise = _FLOAT_NOISE + np.abs(scaled) * (2.0**-22 if pa.types.is_float32(array.type) else 2.0**-50)
    wrong = np.abs(scaled - whole) > noise
    if not source.round and wrong.any():
        index = int(np.flatnonzero(wrong)[0])
        raise ColumnFault(index, _too_precise(array[index].as_py(), exponent, currency))
    return pa.array(whole.astype(np.int64), mask=missing)


def _too_precise(value: object, exponent: int, currency: str) -> str:
    return f"{value} has more decimals than the {exponent} of {currency}. Set `round: true` to round it."


def _decimal_texts(minor: npt.NDArray[np.int64], exponent: int) -> Any:
    words = np.zeros((len(minor), 2), np.int64)  # little-endian 128 bits; never negative, so the upper half is 0
    words[:, 0] = minor
    decimals = pa.Array.from_buffers(pa.decimal128(20, exponent), len(minor), [None, pa.py_buffer(words)])
    return decimals.cast(pa.string())

"""Amounts of a file as exact decimal text with the currency's number of decimals, and their signs.

Two steps: `amounts_of_column` reads a column as numbers with a sign, in the units that the file counts; `minor_units`
converts those of one currency to its minor units. Amounts are not rounded unless the mapping says `round: true`. A
float is read as the decimal that it prints as (9839.64 is `9839.64`). A float that differs from a whole number of minor
units by more than floating-point error has too many decimals for its currency and is a fault.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from fraudstream.backtest.amount_notation import SCALE, WIDE, decimals_of_texts
from fraudstream.backtest.row_faults import BoolArray, ColumnError, ColumnFaults, as_mask
from fraudstream.backtest.sources import AmountSource
from fraudstream.contracts.currency import AMOUNT_MINOR_MAX

_FLOAT_NOISE = 1e-6  # in minor units
_INEXACT = (
    "{value} in a {type} column is exact to fewer decimals than its currency has, so the amount may have been changed "
    "when the file was written. Write the column again as decimal, or set `round: true` to take it as it is."
)
_NEGATIVE = "Set `absolute: true` and take the direction from the sign."


def amounts_of_column(array: Any, source: AmountSource, faults: ColumnFaults) -> Any:
    """Amounts with their sign, in the units that the file counts; null where missing or faulty.

    `array`: an Arrow array of floats, integers, decimals or strings. Returns floats where it has floats, else
    decimal128(38, 9). Raises `ColumnError` for a column of another type.
    """
    kind = array.type
    if kind == pa.float16():
        raise ColumnError(faults.column, f"a {kind} column keeps three digits of an amount. Write it again as decimal.")
    if pa.types.is_floating(kind):
        infinite = pc.is_inf(array)
        faults.add(infinite, lambda index: "is infinite.")
        return pc.if_else(pc.or_(infinite, pc.is_nan(array)), None, array)
    if pa.types.is_integer(kind):
        return array.cast(pa.decimal128(38, 0)).cast(WIDE)
    if pa.types.is_decimal(kind):
        return _narrowed(array, source, faults)
    if pa.types.is_null(kind) or pa.types.is_string(kind):
        return decimals_of_texts(array.cast(pa.string()), source, faults)
    raise ColumnError(faults.column, f"a {kind} column does not contain amounts.")


def negative(amounts: Any) -> Any:
    """Which amounts are below zero: Arrow booleans, null where the amount is null."""
    return pc.less(amounts, pa.scalar(0).cast(amounts.type))


def minor_units(
    amounts: Any, source: AmountSource, exponent: int, currency: str, faults: ColumnFaults, signed: bool = False
) -> Any:
    """The amounts of one currency in its minor units: Arrow int64; null where missing or faulty.

    `amounts`: as of `amounts_of_column`. `exponent`: decimals of `currency`. `signed`: whether negative ones, as of
    balances, are valid and keep their sign.
    """
    decimals, shown = _decimals_of(source, exponent), amounts
    if source.scale not in (None, "major"):
        broken = pc.not_equal(pc.floor(amounts), amounts)
        faults.add(broken, lambda index: _not_whole(shown[index].as_py(), source))
        amounts = pc.if_else(broken.fill_null(False), None, amounts)
    if pa.types.is_floating(amounts.type):
        minor = _from_floats(amounts, source, exponent, decimals, currency, faults)
    else:
        minor = _from_decimals(amounts, source, exponent, decimals, currency, faults)
    values = minor.fill_null(0).to_numpy(zero_copy_only=False)
    below = (values < 0) & (not source.absolute and not signed)
    faults.add(below, lambda index: f"{_text(shown[index].as_py())} is negative. {_NEGATIVE}")
    values = np.abs(values) if source.absolute else values
    above = np.abs(values) > AMOUNT_MINOR_MAX
    faults.add(
        above, lambda i: f"{_text(shown[i].as_py())} exceeds the maximum amount of {AMOUNT_MINOR_MAX} minor units."
    )
    return pa.array(values, mask=below | above | ~as_mask(minor.is_valid()))


def decimal_texts(minor: Any, exponent: int) -> Any:
    """Minor units as Arrow strings such as '12.50', null where null. `minor`: Arrow int64."""
    values = minor.fill_null(0).to_numpy(zero_copy_only=False)
    words = np.empty((len(values), 2), np.int64)  # little-endian 128 bits
    words[:, 0], words[:, 1] = values, values >> 63
    decimals = pa.Array.from_buffers(pa.decimal128(20, exponent), len(values), [None, pa.py_buffer(words)])
    return pc.if_else(minor.is_valid(), decimals.cast(pa.string()), None)


def _narrowed(array: Any, source: AmountSource, faults: ColumnFaults) -> Any:
    """Decimals of any scale with the nine decimals that are kept."""
    if array.type.bit_width < 128:
        array = array.cast(pa.decimal128(38, array.type.scale))
    try:
        narrow = array.cast(WIDE, safe=False)
        lost = as_mask(pc.not_equal(narrow.cast(array.type), array))
    except pa.ArrowInvalid as error:
        raise ColumnError(faults.column, f"a {array.type} column holds amounts that are too large.") from error
    if source.round:
        return narrow
    faults.add(lost, lambda index: f"{array[index]} has more than {SCALE} decimals. Set `round: true` to round it.")
    return pc.if_else(pa.array(lost), None, narrow)


def _from_decimals(
    amounts: Any, source: AmountSource, exponent: int, decimals: int, currency: str, faults: ColumnFaults
) -> Any:
    """Minor units as signed int64, null where null or faulty. `decimals`: how many the unit of the file has."""
    wide = _shifted(amounts, decimals) if decimals else amounts
    target = pa.decimal128(38, exponent)
    if source.round:
        return _unscaled(pc.round(wide, exponent, round_mode="half_to_even").cast(target))
    exact = wide.cast(target, safe=False)
    broken = as_mask(pc.not_equal(exact.cast(WIDE), wide))
    faults.add(broken, lambda index: _too_precise(wide[index].as_py(), exponent, currency))
    return pc.if_else(pa.array(broken), None, _unscaled(exact))


def _decimals_of(source: AmountSource, exponent: int) -> int:
    """How many decimals the unit has that a file counts: 2 for cents."""
    if source.scale in (None, "major"):
        return 0
    return exponent if source.scale == "minor" else int(source.scale)


def _shifted(whole_numbers: Any, decimals: int) -> Any:
    """Whole numbers divided by 10 to the `decimals`, exactly: the same integers, read at another scale."""
    integers = whole_numbers.cast(pa.decimal128(38, 0))
    kind = pa.decimal128(38, decimals)
    return pa.Array.from_buffers(kind, len(integers), integers.buffers(), offset=integers.offset).cast(WIDE)


def _unscaled(decimals: Any) -> Any:
    """The unscaled int64 values of a decimal128 column: 12.50 becomes 1250.

    Values beyond int64 become its maximum, which the caller rejects as exceeding the maximum amount.
    """
    buffer = decimals.buffers()[1]
    words = np.frombuffer(buffer, np.int64)[2 * decimals.offset : 2 * (decimals.offset + len(decimals))]
    low, high = words[0::2], words[1::2]
    fits = high == (low >> 63)
    values = np.where(fits, low, np.iinfo(np.int64).max)
    return pa.array(values, mask=~as_mask(decimals.is_valid()))


def _from_floats(
    amounts: Any, source: AmountSource, exponent: int, decimals: int, currency: str, faults: ColumnFaults
) -> Any:
    """As `_from_decimals`, for floats."""
    missing = ~as_mask(amounts.is_valid())
    numbers = amounts.cast(pa.float64()).fill_null(0.0).to_numpy(zero_copy_only=False)
    scaled = np.clip(numbers * 10.0 ** (exponent - decimals), -(2.0**62), 2.0**62)
    rounded = np.rint(scaled)
    single = pa.types.is_float32(amounts.type)
    noise = _FLOAT_NOISE + np.abs(scaled) * (2.0**-22 if single else 2.0**-50)
    broken: BoolArray = (np.abs(scaled - rounded) > noise) & ~missing & (not source.round)
    faults.add(broken, lambda index: _too_precise(amounts[index].as_py(), exponent, currency))
    inexact: BoolArray = (np.abs(rounded) >= 2.0 ** (24 if single else 53)) & ~missing & (not source.round)
    faults.add(inexact, lambda index: _INEXACT.format(value=_text(amounts[index].as_py()), type=amounts.type))
    integers: npt.NDArray[np.int64] = rounded.astype(np.int64)
    return pa.array(integers, mask=missing | broken | inexact)


def _not_whole(value: object, source: AmountSource) -> str:
    return f"{_text(value)} is not a whole number, as `scale: {source.scale}` says that amounts are."


def _too_precise(value: object, exponent: int, currency: str) -> str:
    return f"{_text(value)} has more decimals than the {exponent} of {currency}. Set `round: true` to round it."


def _text(value: object) -> str:
    """A number without the zeros that only its Arrow type adds."""
    text = f"{value}"
    return text.rstrip("0").rstrip(".") if isinstance(value, Decimal) and "." in text and "E" not in text else text

"""What a person should check about the amounts of files: valid, but perhaps meant otherwise.

What was seen is carried from batch to batch and from file to file, so that it does not matter where a block of a file
ends.
"""

from __future__ import annotations

from fraudstream.backtest.amount_fields import AmountFields
from fraudstream.backtest.file_error import PaymentFileError
from fraudstream.backtest.row_report import RowReport
from fraudstream.backtest.sources import AmountSource, PaymentSources

_MINOR_UNITS = "the amounts are whole numbers, of currencies with different numbers of decimals"
_SIGNS = "The amounts in {column!r} have both signs, and all are read as {read_as}."
_SET_SIGN = " To take the direction from the sign, set `sign: {positive: …, negative: …}` in direction."
_CHECK_SIGNS = " If those below zero go the other way, leave their rows out by `where`, or correct the file."
_SET_SCALE = "If they count minor units, such as cents, set `scale: minor` in the mapping; if not, `scale: major`."


class AmountReview:
    """Reviews the amounts of files that are read as one, batch by batch.

    As long as every amount is a whole number, currencies with different numbers of decimals are refused: read as major
    units, one of them would be wrong by powers of ten if the file counts minor units.
    """

    def __init__(self) -> None:
        self._whole: bool | None = None  # None: no amount seen
        self._decimals: dict[str, int] = {}
        self._negative: set[str] = set()  # columns with amounts below zero
        self._positive: set[str] = set()

    def look_at(self, money: AmountFields, sources: PaymentSources, path: str, report: RowReport) -> None:
        """Look at the amounts of a batch of the file `path`; `report` is told what to check. Raises
        `PaymentFileError`."""
        self._look_at_signs(money, sources, report)
        if self._whole is not False:
            self._look_at_units(money, sources.amount, path, report)

    def _look_at_signs(self, money: AmountFields, sources: PaymentSources, report: RowReport) -> None:
        source, direction = sources.amount, sources.direction
        if direction is not None and direction.constant is None:
            return
        for column, (negative, positive) in money.lost_signs(source).items():
            self._negative |= {column} if negative else set()
            self._positive |= {column} if positive else set()
        for column in sorted(self._negative & self._positive):
            if direction is not None:
                report.notice(_SIGNS.format(column=column, read_as=direction.constant) + _SET_SIGN)
            else:
                read_as = "debit" if column == source.debit_column else "credit"
                report.notice(_SIGNS.format(column=column, read_as=read_as) + _CHECK_SIGNS)

    def _look_at_units(self, money: AmountFields, source: AmountSource, path: str, report: RowReport) -> None:
        whole = money.written_whole(source)
        if whole is None:
            return
        self._whole = whole
        self._decimals |= money.decimals
        if not whole or not any(self._decimals.values()):
            return
        if len(set(self._decimals.values())) > 1:
            listed = ", ".join(f"{currency} has {count}" for currency, count in sorted(self._decimals.items()))
            raise PaymentFileError(path, f"{_MINOR_UNITS} ({listed}). {_SET_SCALE}", None, source.columns[0])
        column = " and ".join(map(repr, source.columns))
        report.notice(f"The amounts in {column} are whole numbers, read as major units. {_SET_SCALE}")

"""The figures of days from the history store, each asked once for as long as the files of its day are the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, TypeVar

from fraudstream.history.figures import DecidedDay, FigureReader, Labelled, SourceDay

QUERY_S_MAX: Final = 60.0  # of the labelled payments of all days
DAY_S_MAX: Final = 20.0
KEPT_MAX: Final = 2_000

Answer = TypeVar("Answer")


class Days(NamedTuple):
    """Days, in days since the epoch, UTC: `first` to `last`, both included."""

    first: int
    last: int

    def __contains__(self, day: object) -> bool:
        return isinstance(day, int) and self.first <= day <= self.last

    @property
    def numbers(self) -> range:
        """Every day."""
        return range(self.first, self.last + 1)


class PaymentDays:
    """Answers by day. Methods block and raise `HistoryError`; one thread may call them at a time."""

    def __init__(self) -> None:
        self._kept: dict[object, tuple[frozenset[str], object]] = {}

    def sources(self, figures: FigureReader, days: Days) -> dict[int, tuple[SourceDay, ...]]:
        """By day, its payments by channel, partner and currency."""
        return self._of_days("sources", figures, days, lambda day: figures.sources(day, limit_s=DAY_S_MAX))

    def decided(self, figures: FigureReader, days: Days, bounds: Sequence[float] = ()) -> dict[int, DecidedDay]:
        """By day, its decisions. `bounds`: of the bins of scores."""
        return self._of_days(
            ("decided", tuple(bounds)), figures, days, lambda day: figures.decided(day, bounds, limit_s=DAY_S_MAX)
        )

    def labelled(self, figures: FigureReader, days: Days) -> Labelled:
        """The labelled payments of the days; they are asked anew each time, as labels come for weeks."""
        return figures.labelled(days.first, limit_s=QUERY_S_MAX)

    def _of_days(
        self, kind: object, figures: FigureReader, days: Days, ask: Callable[[int], Answer]
    ) -> dict[int, Answer]:
        found: dict[int, Answer] = {}
        for day in days.numbers:
            files = figures.files_of_day(day)
            kept = self._kept.get((kind, day))
            if kept is not None and kept[0] == files:
                found[day] = kept[1]  # type: ignore[assignment]
                continue
            found[day] = ask(day)
            if len(self._kept) >= KEPT_MAX:
                self._kept.clear()
            self._kept[kind, day] = (files, found[day])
        return found


def last_days(figures: FigureReader, count: int) -> Days:
    """The `count` days that end with the newest of the store."""
    last = max(figures.last_day(), 0)
    return Days(max(last - count + 1, 0), last)

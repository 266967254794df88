"""Answers pages from the history store: partners and channels, scores, firings of rules.

A page waits for a moment; a question that takes longer goes on, and open pages are told once its answer is there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from fraudstream.console.live import LiveChanges
from fraudstream.console.overview.payment_days import PaymentDays
from fraudstream.console.overview.rule_firings import RuleFirings, rule_firings
from fraudstream.console.overview.score_figures import AllScores, all_scores
from fraudstream.console.overview.source_figures import SourceFigures, source_figures
from fraudstream.console.past import Missing, PastDesk

DAYS: Final = (7, 30, 90)  # that a page may show
DAYS_SHOWN: Final = 30
WAIT_S_MAX: Final = 2.0
RULES_WAIT_S_MAX: Final = 0.3  # a page that has more to show than these figures
PARTNERS_PAGE, MODELS_PAGE, RULES_PAGE = "partners", "models", "rules"  # of `LiveChanges.on_page`


class FiguresDesk:
    """`past`: reads the store; its answers are "none" if there is none."""

    def __init__(self, past: PastDesk, live: LiveChanges) -> None:
        self._past, self._live, self._kept = past, live, PaymentDays()

    async def sources(self, days: int) -> SourceFigures | Missing:
        """Partners and channels in the last `days` days of the store."""
        return await self._past.figures(
            (PARTNERS_PAGE, days),
            lambda reader: source_figures(reader, self._kept, days),
            WAIT_S_MAX,
            lambda: self._live.on_page(PARTNERS_PAGE),
        )

    async def scores(self, days: int, thresholds: Mapping[str, float]) -> AllScores | Missing:
        """Scores in the last `days` days of the store. `thresholds`: of those of the rules in force, by name."""
        return await self._past.figures(
            (MODELS_PAGE, days, tuple(sorted(thresholds.items()))),
            lambda reader: all_scores(reader, self._kept, days, thresholds),
            WAIT_S_MAX,
            lambda: self._live.on_page(MODELS_PAGE),
        )

    async def firings(self, days: int) -> RuleFirings | Missing:
        """How often rules fired in the last `days` days of the store."""
        return await self._past.figures(
            (RULES_PAGE, days),
            lambda reader: rule_firings(reader, self._kept, days),
            RULES_WAIT_S_MAX,
            lambda: self._live.on_page(RULES_PAGE),
        )

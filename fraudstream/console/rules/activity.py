"""How often rules raised cases, and how these cases were closed: counted in the index of all cases."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from zoneinfo import ZoneInfo

from fraudstream.console.access.teams import Team
from fraudstream.console.overview.case_figures import AnswerTally, period_of
from fraudstream.console.overview.outcomes import Outcomes, outcomes_by_value
from fraudstream.console.search.tally import Tally

ACTIVITY_DAYS: Final = (1, 7, 30, 90, 365)  # that a page may show
ACTIVITY_DAYS_SHOWN: Final = 7


def rule_activity(
    answer: AnswerTally, days: int, team: Team | None, zone: ZoneInfo, now_ms: int
) -> Mapping[str, Outcomes]:
    """By the name of each rule, the cases in which it fired that were opened in the last `days` days, today's included,
    and that the team sees (None: all). Rules without a case are left out. `answer`: `CaseIndex.tally`. Blocks."""
    query = period_of(days, team, zone, now_ms).query
    return outcomes_by_value(answer(Tally(query, "disposition", ("rule",))).fields["rule"])

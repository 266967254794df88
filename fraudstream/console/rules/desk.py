"""What a rule author does: look at the rules in force, draft a change, check it, try it."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from fraudstream.console.access.teams import Team
from fraudstream.console.case_row import CaseRow
from fraudstream.console.index import CaseIndex
from fraudstream.console.overview.case_figures import period_of
from fraudstream.console.overview.outcomes import Outcomes
from fraudstream.console.queue_query import QueueQuery
from fraudstream.console.rules.activity import rule_activity
from fraudstream.console.rules.changes import SETTINGS, Change
from fraudstream.console.rules.check import faults_of, setting_faults_of
from fraudstream.console.rules.drafts import Draft, DraftStore
from fraudstream.console.rules.library import RuleLibrary, rule_of
from fraudstream.console.rules.trials import Kind, Trial, Trials
from fraudstream.contracts import RuleSwitch
from fraudstream.engine.expression import Fault
from fraudstream.engine.rules import Rule
from fraudstream.operations.new_rule import new_rule
from fraudstream.operations.rules_in_force import InForce

CASES_SHOWN: Final = 20


class RuleLine(NamedTuple):
    """A rule in force with the cases in which it fired."""

    rule: Rule
    activity: Outcomes


class RulesOverview(NamedTuple):
    """The rules in force, retired ones at the end. `rule_set`: their digest; `switch`: that put them in force.
    `period`: the cases that are counted."""

    rule_set: str
    switch: RuleSwitch | None
    lines: tuple[RuleLine, ...]
    period: QueueQuery


class RuleFile(NamedTuple):
    """A rule in force with all that its page shows. `activity`: of the cases of `period` in which it fired. `cases`:
    rows of the last of all its cases to change."""

    rule: Rule
    activity: Outcomes
    period: QueueQuery
    rule_text: str
    cases_text: str
    cases: tuple[CaseRow, ...]


class RuleDesk:
    """Rules for authors. Methods that read what is in force raise `OperationError`; those on drafts
    `redis.RedisError` and `OSError`. `zone`: where days begin. `now_ms`: the clock, ms since the epoch, UTC."""

    def __init__(
        self,
        library: RuleLibrary,
        drafts: DraftStore,
        trials: Trials,
        index: CaseIndex,
        zone: ZoneInfo,
        now_ms: Callable[[], int],
    ) -> None:
        self.trials = trials
        self._library, self._drafts, self._index = library, drafts, index
        self._zone, self._now_ms = zone, now_ms

    async def in_force(self) -> InForce:
        """The rule set in force."""
        return await self._library.in_force()

    async def overview(self, days: int, team: Team | None) -> RulesOverview:
        """The rules in force, by name, with what they have done in the last `days` days among the cases that the team
        sees; None: all."""
        in_force = await self._library.in_force()
        activity = await self._activity(days, team)
        rules = (*in_force.rule_set.rules, *in_force.rule_set.retired)
        lines = tuple(RuleLine(rule, activity.get(rule.name, Outcomes())) for rule in rules)
        return RulesOverview(in_force.rule_set.digest, in_force.switch, lines, self._period(days, team))

    async def open_rule(self, name: str, days: int, team: Team | None) -> RuleFile | None:
        """A rule in force, with cases of the last `days` days that the team sees; None if there is none of that
        name."""
        in_force = await self._library.in_force()
        rule = rule_of(in_force, name)
        if rule is None:
            return None
        activity = (await self._activity(days, team)).get(name, Outcomes())
        last = QueueQuery(status="all", order="newest", rule=name, team=team)
        page = await asyncio.to_thread(self._index.page, last, None, CASES_SHOWN)
        text = in_force.rule_set.files[rule.path]
        return RuleFile(rule, activity, self._period(days, team), text, self._library.cases_of(name), page.rows)

    async def drafts_of(self, user_name: str) -> list[Draft]:
        """The user's drafts, by name."""
        return await self._drafts.of_user(user_name)

    async def open_draft(self, user_name: str, name: str) -> Draft:
        """The user's draft of a rule; else one to begin with, not saved: the rule in force, or a first text."""
        if (draft := await self._drafts.find(user_name, name)) is not None:
            return draft
        in_force = await self._library.in_force()
        digest = in_force.rule_set.digest
        if (rule := rule_of(in_force, name)) is not None:
            return Draft(name, in_force.rule_set.files[rule.path], self._library.cases_of(name), digest)
        features = [feature.name for feature in in_force.rule_set.catalogue.features]
        rule_text, cases_text = new_rule(name, str(uuid.uuid4()), features).values()
        return Draft(name, rule_text, cases_text, digest)

    async def save(self, user_name: str, draft: Draft) -> Draft | None:
        """Save a draft; None if the user has too many."""
        saved = replace(draft, saved_at_ms=self._now_ms())
        return saved if await self._drafts.put(user_name, saved) else None

    async def discard(self, user_name: str, name: str) -> None:
        """Remove the user's draft of a rule."""
        await self._drafts.remove(user_name, name)

    async def check(self, draft: Draft) -> list[Fault]:
        """The faults of a draft under the rules in force."""
        in_force = await self._library.in_force()
        if draft.name in SETTINGS:
            return await asyncio.to_thread(setting_faults_of, in_force, draft.path, draft.rule_text)
        return faults_of(in_force.rule_set, draft.name, draft.rule_text, draft.cases_text)

    async def try_out(self, kind: Kind, user_name: str, change: Change) -> Trial:
        """Begin a trial of a change. Raises `TrialsBusyError`."""
        in_force = await self._library.in_force()
        return await self.trials.start(kind, user_name, in_force, await self._library.after(change, in_force), change)

    def _period(self, days: int, team: Team | None) -> QueueQuery:
        return period_of(days, team, self._zone, self._now_ms()).query

    async def _activity(self, days: int, team: Team | None) -> Mapping[str, Outcomes]:
        return await asyncio.to_thread(rule_activity, self._index.tally, days, team, self._zone, self._now_ms())

"""What a rule author does: look at the rules in force, draft a change, check it, try it."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from itertools import islice
from typing import Final, NamedTuple

from msgspec.structs import replace

from fraudstream.console.access.teams import Team
from fraudstream.console.case_row import CaseRow
from fraudstream.console.index import CaseIndex
from fraudstream.console.rules.activity import RuleActivity, activity_of
from fraudstream.console.rules.check import faults_of
from fraudstream.console.rules.drafts import Draft, DraftStore
from fraudstream.console.rules.library import RuleLibrary, rule_of
from fraudstream.console.rules.trials import Kind, Trial, Trials
from fraudstream.contracts import RuleSwitch
from fraudstream.engine.expression import Fault
from fraudstream.engine.rules import Rule
from fraudstream.operations.new_rule import new_rule

CASES_SHOWN: Final = 20
CASES_COUNTED: Final = 5_000  # the last to change


class RuleLine(NamedTuple):
    """A rule in force with what it has done."""

    rule: Rule
    activity: RuleActivity


class RulesOverview(NamedTuple):
    """The rules in force, retired ones at the end. `rule_set`: their digest; `switch`: that put them in force."""

    rule_set: str
    switch: RuleSwitch | None
    lines: tuple[RuleLine, ...]


class RuleFile(NamedTuple):
    """A rule in force with all that its page shows. `cases`: rows of cases in which it fired, the newest first."""

    rule: Rule
    activity: RuleActivity
    rule_text: str
    cases_text: str
    cases: tuple[CaseRow, ...]


class RuleDesk:
    """Rules for authors. Methods that read what is in force raise `OperationError`; those on drafts
    `redis.RedisError` and `OSError`. `now_ms`: the clock, ms since the epoch, UTC."""

    def __init__(
        self,
        library: RuleLibrary,
        drafts: DraftStore,
        trials: Trials,
        index: CaseIndex,
        now_ms: Callable[[], int],
    ) -> None:
        self.trials = trials
        self._library, self._drafts, self._index, self._now_ms = library, drafts, index, now_ms

    async def overview(self, team: Team | None) -> RulesOverview:
        """The rules in force, by name, with what they have done among the cases that the team sees; None: all."""
        in_force = await self._library.in_force()
        activity = activity_of(await self._rows(team))
        rules = (*in_force.rule_set.rules, *in_force.rule_set.retired)
        lines = tuple(RuleLine(rule, activity.get(rule.name, RuleActivity())) for rule in rules)
        return RulesOverview(in_force.rule_set.digest, in_force.switch, lines)

    async def open_rule(self, name: str, team: Team | None) -> RuleFile | None:
        """A rule in force, with cases that the team sees; None if there is none of that name."""
        in_force = await self._library.in_force()
        rule = rule_of(in_force, name)
        if rule is None:
            return None
        rows = sorted(await self._rows(team), key=lambda row: row.opened_at_ms, reverse=True)
        activity = activity_of(rows).get(name, RuleActivity())
        cases = tuple(islice((row for row in rows if name in row.rules), CASES_SHOWN))
        text = in_force.rule_set.files[rule.path]
        return RuleFile(rule, activity, text, self._library.cases_of(name), cases)

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
        return faults_of(in_force.rule_set, draft.name, draft.rule_text, draft.cases_text)

    async def try_out(self, kind: Kind, user_name: str, draft: Draft) -> Trial:
        """Begin a trial of a draft. Raises `TrialsBusyError`."""
        return await self.trials.start(kind, user_name, await self._library.in_force(), draft)

    async def _rows(self, team: Team | None) -> list[CaseRow]:
        newest = await asyncio.to_thread(self._index.newest, CASES_COUNTED)
        return [row for row in newest if team is None or team.sees(row.queue, row.typologies)]

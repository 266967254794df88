"""Four eyes on rules: an author proposes a draft, another person approves it, and it is put in force."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import NamedTuple

from fraudstream.console.rules.drafts import Draft
from fraudstream.console.rules.library import RuleLibrary, rule_of
from fraudstream.console.rules.proposals import DecidedProposal, Decision, Proposal, ProposalStore
from fraudstream.console.rules.trials import Trial, Trials


class OwnProposalError(Exception):
    """Authors cannot approve what they have proposed themselves."""


class DecidedError(Exception):
    """Somebody has decided otherwise before. `decision`: theirs."""

    def __init__(self, decision: Decision) -> None:
        super().__init__(f"{decision.verdict} by {decision.by}")
        self.decision = decision


class RulesChangedError(Exception):
    """Other rules are in force than when the draft was proposed: nobody has looked at it beside these."""


class Changes(NamedTuple):
    """The lines of a rule's text, and of its test cases, that a proposal changes; empty where there are none."""

    rule: str
    cases: str


class RuleApproval:
    """Proposals and their approval. `now_ms`: the clock, ms since the epoch, UTC.

    Methods raise `redis.RedisError` and `OSError`, and `OperationError` where they read what is in force.
    """

    def __init__(
        self, library: RuleLibrary, proposals: ProposalStore, trials: Trials, now_ms: Callable[[], int]
    ) -> None:
        self._library, self._proposals, self._trials, self._now_ms = library, proposals, trials, now_ms

    async def propose(self, draft: Draft, by: str, note: str) -> Proposal:
        """Ask for the approval of a draft, which should have no faults."""
        in_force = await self._library.in_force()
        digest = in_force.rule_set.digest
        return await self._proposals.add(draft, by=by, note=note, rule_set=digest, at_ms=self._now_ms())

    async def find(self, proposal_id: str) -> DecidedProposal | None:
        """The proposal of that id; None if there is none."""
        return await self._proposals.find(proposal_id)

    async def all(self) -> list[DecidedProposal]:
        """Every proposal, the newest first."""
        return await self._proposals.all()

    async def changes(self, proposal: Proposal) -> Changes:
        """In what the proposed texts differ from the rule in force, and from the test cases in the directory."""
        in_force, draft = await self._library.in_force(), proposal.draft
        rule = rule_of(in_force, draft.name)
        before = "" if rule is None else in_force.rule_set.files[rule.path]
        cases_before = self._library.cases_of(draft.name)
        return Changes(_difference(before, draft.rule_text), _difference(cases_before, draft.cases_text))

    async def approve(self, proposal: Proposal, by: str, on_end: Callable[[Trial], None]) -> Trial:
        """Approve, and begin to put the draft in force: check it, run its test cases, activate it. If that fails, it
        may be approved again. `on_end`: called with what became of it.

        Raises `OwnProposalError`, `RulesChangedError`, `DecidedError`, `TrialsBusyError`.
        """
        if by == proposal.by:
            raise OwnProposalError
        in_force = await self._library.in_force(is_fresh=True)  # an older one would undo what has changed since
        if in_force.rule_set.digest != proposal.rule_set:
            raise RulesChangedError
        decision = await self._proposals.decide(proposal.proposal_id, Decision("approved", by, self._now_ms()))
        if decision.verdict != "approved":
            raise DecidedError(decision)
        return await self._trials.start("activation", by, in_force, proposal.draft, _note(proposal), on_end)

    async def refuse(self, proposal: Proposal, by: str) -> None:
        """Refuse a proposal, or withdraw one's own. Raises `DecidedError` if it was approved."""
        decision = await self._proposals.decide(proposal.proposal_id, Decision("refused", by, self._now_ms()))
        if decision.verdict != "refused":
            raise DecidedError(decision)


def _note(proposal: Proposal) -> str:
    """What is recorded with the activation."""
    why = f": {proposal.note}" if proposal.note else ""
    return f"{proposal.draft.name}, proposed by {proposal.by}{why}"


def _difference(before: str, after: str) -> str:
    """The lines that differ, with two around them, as a unified diff without the names of the files."""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=2)
    return "\n".join(list(lines)[2:])

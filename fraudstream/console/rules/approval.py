"""Four eyes on rules and lists: an author proposes a change, another person approves it, and it is put in force."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection
from typing import NamedTuple

from fraudstream.console.rules.changes import Change, FourEyes, ListChange, eyes_of
from fraudstream.console.rules.library import RuleFiles, RuleLibrary
from fraudstream.console.rules.proposals import DecidedProposal, Decision, Proposal, ProposalStore
from fraudstream.console.rules.trials import Kind, Trial, Trials
from fraudstream.operations.rules_in_force import InForce


class OwnProposalError(Exception):
    """Authors cannot approve what they have proposed themselves."""


class DecidedError(Exception):
    """Somebody has decided otherwise before. `decision`: theirs."""

    def __init__(self, decision: Decision) -> None:
        super().__init__(f"{decision.verdict} by {decision.by}")
        self.decision = decision


class OvertakenError(Exception):
    """Other rules are in force, or other entries on the list, than when the change was proposed: nobody has looked at
    it beside these."""


class Changes(NamedTuple):
    """The lines of each file, and of the test cases, that a proposal changes; empty where there are none."""

    files: dict[str, str]
    cases: str


class Approval:
    """Proposals and their approval. `four_eyes`: the kinds of changes that authors cannot approve themselves. `now_ms`:
    the clock, ms since the epoch, UTC.

    Methods raise `redis.RedisError` and `OSError`, and `OperationError` where they read what is in force.
    """

    def __init__(
        self,
        library: RuleLibrary,
        proposals: ProposalStore,
        trials: Trials,
        four_eyes: Collection[FourEyes],
        now_ms: Callable[[], int],
    ) -> None:
        self._library, self._proposals, self._trials, self._now_ms = library, proposals, trials, now_ms
        self._four_eyes = four_eyes

    def may_approve_own(self, change: Change) -> bool:
        """Whether authors, if they may approve at all, may approve a change like this that they have proposed."""
        return eyes_of(change) not in self._four_eyes

    async def propose(self, change: Change, by: str, note: str) -> Proposal:
        """Ask for the approval of a change, which should have no faults."""
        in_force = await self._library.in_force()
        return await self._proposals.add(change, by=by, note=note, rule_set=in_force.digest, at_ms=self._now_ms())

    async def find(self, proposal_id: str) -> DecidedProposal | None:
        """The proposal of that id; None if there is none."""
        return await self._proposals.find(proposal_id)

    async def all(self) -> list[DecidedProposal]:
        """Every proposal, the newest first."""
        return await self._proposals.all()

    async def changes(self, proposal: Proposal) -> Changes:
        """In what the proposed files differ from those in force, and test cases from those in the directory."""
        in_force = await self._library.in_force()
        before, after = in_force.rule_set.files, await self._library.after(proposal.change, in_force)
        paths = sorted({*before, *after.files})
        found = {path: _difference(before.get(path, ""), after.files.get(path, "")) for path in paths}
        cases = [_difference(self._library.cases_of(proposal.change.name), text) for text in after.cases.values()]
        return Changes({path: lines for path, lines in found.items() if lines}, "".join(cases))

    async def approve(self, proposal: Proposal, by: str, on_end: Callable[[Trial], None]) -> Trial:
        """Approve, and begin to put the change in force: rules are checked, and their test cases run, first. If that
        fails, it may be approved again. `on_end`: called with what became of it.

        Raises `OwnProposalError`, `OvertakenError`, `DecidedError`, `TrialsBusyError`.
        """
        change = proposal.change
        if by == proposal.by and not self.may_approve_own(change):
            raise OwnProposalError
        in_force = await self._library.in_force(is_fresh=True)  # an older one would undo what has changed since
        after = await self._library.after(change, in_force)
        if not _is_as_proposed(proposal, in_force) and not await self._is_done(proposal, in_force, after):
            raise OvertakenError
        decision = await self._proposals.decide(proposal.proposal_id, Decision("approved", by, self._now_ms()))
        if decision.verdict != "approved":
            raise DecidedError(decision)

        def ended(trial: Trial) -> None:
            self._library.forget()
            on_end(trial)

        kind: Kind = "entries" if isinstance(change, ListChange) else "activation"
        return await self._trials.start(kind, by, in_force, after, change, _note(proposal), ended)

    async def _is_done(self, proposal: Proposal, in_force: InForce, after: RuleFiles) -> bool:
        """Whether an approved change is on the topic of controls already: its activation may have ended before it was
        in every partition of the log, and can be repeated."""
        found, change = await self.find(proposal.proposal_id), proposal.change
        if found is None or found.state != "approved":
            return False
        if not isinstance(change, ListChange):
            return after.files == in_force.rule_set.files
        ends = {(entry.list, entry.value): entry.expires_at_ms for entry in in_force.entries}
        if change.removed:
            return not any((change.list, value) in ends for value in change.values)
        return all(ends.get((change.list, value), -1) == change.expires_at_ms for value in change.values)

    async def refuse(self, proposal: Proposal, by: str) -> None:
        """Refuse a proposal, or withdraw one's own. Raises `DecidedError` if it was approved."""
        decision = await self._proposals.decide(proposal.proposal_id, Decision("refused", by, self._now_ms()))
        if decision.verdict != "refused":
            raise DecidedError(decision)


def _is_as_proposed(proposal: Proposal, in_force: InForce) -> bool:
    """Whether that is in force beside which the change was looked at."""
    change = proposal.change
    if isinstance(change, ListChange):
        now = {(entry.list, entry.value): entry for entry in in_force.entries}
        return tuple(now.get((change.list, value)) for value in change.values) == change.before
    return in_force.digest == proposal.rule_set


def _note(proposal: Proposal) -> str:
    """What is recorded with the activation."""
    why = f": {proposal.note}" if proposal.note else ""
    return f"{proposal.change.name}, proposed by {proposal.by}{why}"


def _difference(before: str, after: str) -> str:
    """The lines that differ, with two around them, as a unified diff without the names of the files."""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=2)
    return "\n".join(list(lines)[2:])

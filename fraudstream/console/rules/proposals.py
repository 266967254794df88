"""Proposals to put a change in force, and what another person has decided, in Redis.

changes            id to proposal, as JSON; never changed
change-decisions   id to decision; the first one counts
"""

from __future__ import annotations

import secrets
from typing import Final, Literal, NamedTuple

import msgspec
from redis.asyncio import Redis

from fraudstream.console.access import PREFIX
from fraudstream.console.rules.changes import Change

_PROPOSALS: Final = f"{PREFIX}changes"
_DECISIONS: Final = f"{PREFIX}change-decisions"

KEPT_MAX: Final = 200

Verdict = Literal["approved", "refused"]


class Proposal(msgspec.Struct, frozen=True):
    """A change that its author wants in force, and why. `rule_set`: digest of the rules in force at that time."""

    proposal_id: str
    change: Change
    by: str
    note: str
    rule_set: str
    proposed_at_ms: int


class Decision(msgspec.Struct, frozen=True):
    """What `by` has decided. Where a second person has to approve, authors can only refuse their own."""

    verdict: Verdict
    by: str
    decided_at_ms: int


class DecidedProposal(NamedTuple):
    """A proposal with its decision; None while it waits for one."""

    proposal: Proposal
    decision: Decision | None

    @property
    def state(self) -> Literal["waiting", "approved", "refused"]:
        """Whether it waits, and else what was decided."""
        return "waiting" if self.decision is None else self.decision.verdict


class ProposalStore:
    """Reads and writes proposals. Methods raise `redis.RedisError` or `OSError` if Redis does not answer.

    `redis`: a client that decodes responses.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def add(self, change: Change, *, by: str, note: str, rule_set: str, at_ms: int) -> Proposal:
        """A new proposal. Parameters as of `Proposal`. Of older ones, `KEPT_MAX` are kept."""
        for old in (await self.all())[KEPT_MAX:]:
            await self._redis.hdel(_PROPOSALS, old.proposal.proposal_id)
            await self._redis.hdel(_DECISIONS, old.proposal.proposal_id)
        proposal = Proposal(secrets.token_hex(8), change, by, note, rule_set, at_ms)
        await self._redis.hset(_PROPOSALS, proposal.proposal_id, msgspec.json.encode(proposal).decode())
        return proposal

    async def decide(self, proposal_id: str, decision: Decision) -> Decision:
        """Decide, unless somebody has; returns the decision that counts."""
        await self._redis.hsetnx(_DECISIONS, proposal_id, msgspec.json.encode(decision).decode())
        kept = await self._redis.hget(_DECISIONS, proposal_id)
        assert kept is not None, "it was written just now"
        return msgspec.json.decode(kept, type=Decision)

    async def find(self, proposal_id: str) -> DecidedProposal | None:
        """The proposal of that id; None if there is none."""
        text = await self._redis.hget(_PROPOSALS, proposal_id)
        return None if text is None else _decided(text, await self._redis.hget(_DECISIONS, proposal_id))

    async def all(self) -> list[DecidedProposal]:
        """Every proposal, the newest first."""
        proposals, decisions = await self._redis.hgetall(_PROPOSALS), await self._redis.hgetall(_DECISIONS)
        found = [_decided(text, decisions.get(proposal_id)) for proposal_id, text in proposals.items()]
        return sorted(found, key=lambda each: each.proposal.proposed_at_ms, reverse=True)


def _decided(proposal: str | bytes, decision: str | bytes | None) -> DecidedProposal:
    return DecidedProposal(
        msgspec.json.decode(proposal, type=Proposal),
        None if decision is None else msgspec.json.decode(decision, type=Decision),
    )

"""A payment on its way through the gateway, and what it is answered with."""

from __future__ import annotations

import asyncio
from typing import Final, TypeAlias

import msgspec

from fraudstream.contracts import Payment
from fraudstream.contracts.decision import UnjudgedDecision
from fraudstream.gateway.fallback import Fallback
from fraudstream.tracing.context import TraceContext

UNJUDGED: Final = "unjudged"
TIMEOUT: Final = "timeout"

_encode = msgspec.json.Encoder().encode


class Refusal(msgspec.Struct, frozen=True):
    """Why a payment is not decided: as the dead letter that it would be, or is. `event_id`: if it could be read."""

    code: str
    sentence: str
    path: str
    event_id: str | None = None


class Unanswered(msgspec.Struct, frozen=True, tag_field="outcome", tag=TIMEOUT):
    """The answer in place of a decision that has not come in time. `fallback_outcome`: what the settings say to do with
    such a payment. `published`: whether the brokers have the payment, so that its decision will follow; null if the
    gateway does not know, as of a payment that was still waiting for their acknowledgement. `decision_path`: where to
    ask for the decision later."""

    event_id: str
    account_id: str
    fallback_outcome: Fallback
    deadline_ms: int
    published: bool | None
    decision_path: str


class Decided(msgspec.Struct, frozen=True):
    """A decision: its JSON, and its outcome."""

    value: bytes
    outcome: str


Answer: TypeAlias = Decided | Refusal


class Submission:
    """One payment while it waits. `answer`: ends with its decision or refusal, once, or with None: nobody waits any
    longer. `published`: None until the brokers have acknowledged it (True) or have not taken it (False). `payment`:
    once it was found valid, else `refusal`. `trace`: of the request, if its trace is recorded."""

    __slots__ = ("answer", "client", "correlation", "payment", "published", "refusal", "trace", "value")

    def __init__(self, value: bytes, client: bytes, correlation: bytes, trace: TraceContext | None = None) -> None:
        """Must be called in the event loop. `client`: as in `correlation`."""
        self.value, self.client, self.correlation, self.trace = value, client, correlation, trace
        self.answer: asyncio.Future[Answer | None] = asyncio.get_running_loop().create_future()
        self.payment: Payment | None = None
        self.refusal: Refusal | None = None
        self.published: bool | None = None

    def settle(self, answer: Answer | None) -> None:
        """Answer it, unless it was answered or nobody waits any longer."""
        if not self.answer.done():
            self.answer.set_result(answer)

    def give_up(self) -> None:
        """Nobody waits for the answer any longer."""
        self.settle(None)

    def given(self) -> Answer | None:
        """The answer, None if there is none."""
        return self.answer.result() if self.answer.done() and not self.answer.cancelled() else None


class ReadReply(msgspec.Struct, frozen=True):
    """The fields of a reply that the gateway needs."""

    outcome: str
    event_id: str | None = None


_reply = msgspec.json.Decoder(ReadReply)
_unjudged = msgspec.json.Decoder(UnjudgedDecision)


def read_answer(value: bytes) -> tuple[str | None, Answer]:
    """The event_id and the answer in a decision, or in a refusal. Raises what `msgspec` does."""
    reply = _reply.decode(value)
    if reply.outcome != UNJUDGED:
        return reply.event_id, Decided(value, reply.outcome)
    refused = _unjudged.decode(value)
    return refused.event_id, Refusal(refused.reason, refused.sentence, refused.path or "$", refused.event_id)

"""Payments to decisions within a deadline: publish, wait for the replies, say what to do where none has come.

request ─► Submission ─► publisher ─► payments ─► worker ─► replies ─► on_reply ─► the Submission's answer
               └─ deadline: Unanswered, with the fallback outcome; the reply that comes later is kept
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from typing import Protocol
from urllib.parse import quote

from fraudstream.contracts.undecodable import UNDECODABLE
from fraudstream.gateway.correlation import CorrelationIds
from fraudstream.gateway.fallback import FallbackRules
from fraudstream.gateway.kept_decisions import KeptDecisions
from fraudstream.gateway.publisher import PaymentPublisher, checked
from fraudstream.gateway.settings import GatewaySettings
from fraudstream.gateway.submission import TIMEOUT, Answer, Decided, Refusal, Submission, Unanswered, read_answer
from fraudstream.tracing.context import TraceContext

log = logging.getLogger(__name__)


class ObservesDecisions(Protocol):
    """What the gateway reports about payments."""

    def on_answer(self, outcome: str, seconds: float, trace_id: str | None = None) -> None:
        """A payment was answered, `refused`, or with this outcome. `trace_id`: if its trace is recorded."""

    def on_late_reply(self) -> None:
        """A decision came after its deadline, or before this gateway was started."""


class Decider:
    """Decides the payments of requests."""

    def __init__(
        self,
        *,
        settings: GatewaySettings,
        publisher: PaymentPublisher,
        fallback: FallbackRules,
        observer: ObservesDecisions,
    ) -> None:
        self._settings, self._publisher, self._fallback, self._observer = settings, publisher, fallback, observer
        self._ids = CorrelationIds(settings.instance)
        self._pending: dict[bytes, Submission] = {}
        self._late, self._answered = (
            KeptDecisions(settings.kept_max, settings.kept_s, time.monotonic) for _ in range(2)
        )

    @property
    def in_flight(self) -> int:
        """Payments whose callers wait."""
        return len(self._pending)

    def has_room_for(self, payments: int) -> bool:
        """Whether so many more may wait."""
        limit = self._settings.in_flight_max
        return len(self._pending) + payments <= limit and self._publisher.waiting + payments <= limit

    async def decide(
        self, values: Sequence[bytes], client: bytes, deadline_ms: int, trace: TraceContext | None = None
    ) -> list[Decided | Refusal | Unanswered]:
        """The answers to payments, in order, after `deadline_ms` at the latest. `client`: of `client_digest`. `trace`:
        of the request, if its trace is recorded."""
        began_s = time.perf_counter()
        submissions = [Submission(value, client, self._ids.new(client), trace) for value in values]
        for submission in submissions:
            self._pending[submission.correlation] = submission
        self._publisher.put(submissions)
        try:
            await _wait(submissions, deadline_ms / 1000)
        finally:
            for submission in submissions:
                self._pending.pop(submission.correlation, None)
        seconds = time.perf_counter() - began_s
        return [self._answer(submission, deadline_ms, seconds) for submission in submissions]

    def _answer(self, submission: Submission, deadline_ms: int, seconds: float) -> Decided | Refusal | Unanswered:
        trace_id = None if submission.trace is None else submission.trace.trace_id
        answer = submission.given()
        if answer is not None:
            self._observer.on_answer(answer.outcome if isinstance(answer, Decided) else "refused", seconds, trace_id)
            return answer
        submission.give_up()
        self._observer.on_answer(TIMEOUT, seconds, trace_id)
        checked([submission])  # the brokers may hold up those before it
        payment = submission.payment
        if payment is None:
            assert submission.refusal is not None, "a payment that was checked is valid or refused"
            return submission.refusal
        return Unanswered(
            event_id=payment.event_id,
            account_id=payment.account_id,
            fallback_outcome=self._fallback.outcome(payment),
            deadline_ms=deadline_ms,
            published=submission.published,
            decision_path=f"/v1/decisions/{quote(payment.event_id, safe='')}",
        )

    def on_reply(self, correlation: bytes, value: bytes) -> None:
        """A record of the topic of replies. What is not this gateway's, or unreadable, is ignored."""
        client = self._ids.client_of(correlation)
        if client is None:
            return
        try:
            event_id, answer = read_answer(value)
        except UNDECODABLE as error:
            log.error("a reply cannot be read: %s", error)
            return
        submission = self._pending.get(correlation)
        if submission is not None:
            submission.settle(answer)
        else:
            self._observer.on_late_reply()
        if event_id is not None:
            (self._late if submission is None else self._answered).put((client, event_id), value)

    def find(self, client: bytes, event_id: str) -> Answer | None:
        """The decision on a payment that this client has sent; None if it is not known here."""
        value = self._answered.get((client, event_id)) or self._late.get((client, event_id))
        return None if value is None else read_answer(value)[1]


async def _wait(submissions: Sequence[Submission], seconds: float) -> None:
    """Until all are answered, or the time is over."""
    if len(submissions) > 1:
        await asyncio.wait([submission.answer for submission in submissions], timeout=seconds)
        return
    (submission,) = submissions
    timer = asyncio.get_running_loop().call_later(seconds, submission.give_up)
    try:
        await submission.answer
    finally:
        timer.cancel()

"""Publishes the payments of requests: all that wait, in one batch a partition; while the brokers acknowledge it, and
for `LINGER_S` after it has left, the next ones wait.

A payment is first held to the contract of the topic, by the code of the engine, so that what is invalid is refused here
and is no dead letter.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Sequence
from typing import Final, Protocol, get_args

import numpy as np

from fraudstream.compiled.packed import pack
from fraudstream.contracts import Payment
from fraudstream.contracts.headers import CORRELATION_HEADER, REPLY_PARTITION_HEADER, REPLY_TOPIC_HEADER
from fraudstream.engine.columns import Rejection
from fraudstream.engine.contract_check import checked_events
from fraudstream.engine.partitioners import Partitioner, partitions_of
from fraudstream.gateway.correlation import BYTES
from fraudstream.gateway.publish_traces import PublishTraces, end_all
from fraudstream.gateway.submission import Refusal, Submission
from fraudstream.kafka.error_text import kafka_error_text
from fraudstream.kafka.failures import BROKER_ERRORS
from fraudstream.kafka.linger import Linger
from fraudstream.kafka.record_batch.outgoing import OutgoingRecords, header_section, pack_records
from fraudstream.kafka.record_batch.writer import WrittenRecords, write_batches
from fraudstream.tracing.ports import Span

BATCH_RECORDS_MAX: Final = 500
BATCH_BYTES_MAX: Final = 512 * 1024
LINGER_S: Final = 0.01  # see `kafka.linger`
LOG_S: Final = 30.0

log = logging.getLogger(__name__)


class PaymentsTopic(Protocol):
    """The topic of payments, as the gateway writes it."""

    async def partitions(self) -> int:
        """How many partitions it has. Raises one of `BROKER_ERRORS`."""

    async def send_batch(self, batch: WrittenRecords, partition: int) -> None:
        """Returns when the brokers have acknowledged the batch. Raises one of `BROKER_ERRORS`."""


class PaymentPublisher:
    """`put` takes payments; `run` checks and publishes them."""

    def __init__(
        self,
        topic: PaymentsTopic,
        *,
        partitioner: Partitioner,
        replies_topic: str,
        reply_partition: int,
        traces: PublishTraces,
        linger: Linger | None = None,
    ) -> None:
        """`linger`: between batches; None: `LINGER_S`."""
        self._topic, self._partitioner, self._traces = topic, partitioner, traces
        self._linger = Linger(LINGER_S) if linger is None else linger
        # The headers of all records but for the correlation id, which always has the same length, at their end.
        self._address = (
            (REPLY_TOPIC_HEADER, replies_topic.encode()),
            (REPLY_PARTITION_HEADER, reply_partition.to_bytes(4, "big")),
        )
        self._section = header_section([*self._address, (CORRELATION_HEADER, bytes(BYTES))])[:-BYTES]
        self._waiting: deque[Submission] = deque()
        self._some = asyncio.Event()
        self._logged_at_s = -LOG_S

    @property
    def waiting(self) -> int:
        """Payments that are not published yet."""
        return len(self._waiting)

    def put(self, submissions: Sequence[Submission]) -> None:
        """Publish these, in order, after those before them."""
        self._waiting.extend(submissions)
        self._some.set()

    async def run(self) -> None:
        """Publish until cancelled."""
        while True:
            await self._some.wait()
            await self._linger.wait()
            self._linger.begin()
            taken = [self._waiting.popleft() for _ in range(min(len(self._waiting), BATCH_RECORDS_MAX))]
            if not self._waiting:
                self._some.clear()
            if valid := checked(taken):
                await self._publish(valid)

    async def _publish(self, submissions: Sequence[Submission]) -> None:
        try:
            partitions = await self._topic.partitions()
        except BROKER_ERRORS as error:
            self._not_published(submissions, error)
            return
        keys = pack(_payment(each).account_id.encode() for each in submissions)
        number_of = partitions_of(keys, partitions, self._partitioner)
        sends = [
            self._send([submissions[row] for row in np.flatnonzero(number_of == number).tolist()], number)
            for number in np.unique(number_of).tolist()
        ]
        await asyncio.gather(*sends)

    async def _send(self, submissions: Sequence[Submission], partition: int) -> None:
        spans = self._traces.start(submissions, partition)
        records = OutgoingRecords(
            pack(_payment(each).account_id.encode() for each in submissions),
            pack(each.value for each in submissions),
            pack(self._headers(each, spans.get(each)) for each in submissions),
            time.time_ns() // 1_000_000,
        )
        try:
            for batch in write_batches([records], BATCH_BYTES_MAX):
                await self._topic.send_batch(batch, partition)
        except BROKER_ERRORS as error:
            end_all(spans, kafka_error_text(error))
            self._not_published(submissions, error)
            return
        end_all(spans)
        for submission in submissions:
            submission.published = True

    def _headers(self, submission: Submission, span: Span | None) -> bytes:
        if span is None:
            return self._section + submission.correlation
        correlation = (CORRELATION_HEADER, submission.correlation)
        return header_section([*self._address, correlation, *span.context.headers()])

    def _not_published(self, submissions: Sequence[Submission], error: BaseException) -> None:
        """The callers get the answer of their deadline."""
        for submission in submissions:
            submission.published = False
        now_s = time.monotonic()
        if now_s - self._logged_at_s >= LOG_S:
            self._logged_at_s = now_s
            log.error("payments cannot be published: %s", kafka_error_text(error))


def _payment(submission: Submission) -> Payment:
    assert submission.payment is not None, "a payment is published after its check"
    return submission.payment


def checked(submissions: Sequence[Submission]) -> list[Submission]:
    """The valid ones, with their payments; the others are refused. Those that were checked before stay as they are."""
    unchecked = [each for each in submissions if each.payment is None and each.refusal is None]
    events = checked_events([each.value for each in unchecked]) if unchecked else []
    for submission, event in zip(unchecked, events, strict=True):
        if isinstance(event, Payment):
            submission.payment = event
        elif isinstance(event, Rejection):
            submission.refusal = Refusal(event.reason, event.sentence, event.path)
            submission.settle(submission.refusal)
    return [each for each in submissions if each.payment is not None]


def compile_publishing() -> None:
    """Compile what the first payment would wait for, or read it from the cache."""
    for partitioner in get_args(Partitioner):
        partitions_of(pack([b"account"]), 12, partitioner)
    list(write_batches([pack_records([(b"account", b"{}", ())], 0)], BATCH_BYTES_MAX))
    checked_events([b"{}"])

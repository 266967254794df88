"""Answers to publishers that wait for them: the decision again, on the topic that the payment's headers name.

A reply leaves with the decision and is awaited by the next checkpoint, so that a crash repeats some and loses none. It
goes only to topics that the settings allow and that exist: no publisher can make a worker write elsewhere, or wait. A
reply that cannot be sent is counted and logged, and stops nothing: the decision is in its topic.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

import numpy as np

from fraudstream.compiled.packed import pack
from fraudstream.contracts.headers import CORRELATION_HEADER
from fraudstream.engine.header_fields import REPLY
from fraudstream.engine.partitioners import partitions_for
from fraudstream.engine.record_headers import indices_of
from fraudstream.engine.records import records_of
from fraudstream.kafka.error_text import kafka_error_text
from fraudstream.kafka.record_batch.outgoing import (
    Headers,
    OutgoingRecord,
    OutgoingRecords,
    header_section,
    pack_records,
)
from fraudstream.kafka.record_batch.writer import write_batches
from fraudstream.stream.outputs import Acknowledgement, Departures
from fraudstream.stream.reply_address import ReplyAddress, reply_address

if TYPE_CHECKING:
    from fraudstream.contracts.log_record import LogRecord
    from fraudstream.engine.arrays import Int64Array
    from fraudstream.stream.ports import RecordSender
    from fraudstream.stream.settings import StreamSettings
    from fraudstream.tracing.context import TraceContext

SEND_S_MAX: Final = 5.0  # who asked has stopped waiting by then, and a checkpoint must not wait longer
WAITING_RECORDS_MAX: Final = 50_000  # of a partition: further ones are not sent
LOG_S: Final = 60.0  # between two log messages

log = logging.getLogger(__name__)


class ObservesReplies(Protocol):
    """The part of `StageObserver` that replies need."""

    def on_replies(self, replies: Mapping[str, int]) -> None:
        """Answers that headers of payments ask for, by what became of them."""


class Answers(NamedTuple):
    """Answers to some records: `records`, of which the k-th answers the record at `positions[k]`, its index in the
    batch; int64, ascending."""

    positions: Int64Array
    records: OutgoingRecords


def refusal_answers(refused: Sequence[tuple[int, OutgoingRecord]]) -> Answers:
    """The answers to refused records, each with the index of its record."""
    positions = np.array([position for position, _ in refused], np.int64)
    return Answers(positions, pack_records([record for _, record in refused], int(time.time() * 1000)))


class Replies:
    """Sends the replies of one stage. `partitions`: of each topic of the cluster; see `know`."""

    def __init__(
        self,
        *,
        settings: StreamSettings,
        partitions: Mapping[str, int],
        sender: RecordSender,
        departures: Departures,
        observer: ObservesReplies,
    ) -> None:
        self._settings, self._sender, self._departures, self._observer = settings, sender, departures, observer
        self._partitions: Mapping[str, int] = {}
        self._senders: dict[tuple[str, int], _ReplySender] = {}
        self._logged_at_s = -LOG_S
        self.know(partitions)

    def know(self, partitions: Mapping[str, int]) -> None:
        """`partitions`: of each topic of the cluster, now. Others get no replies."""
        self._partitions = {topic: n for topic, n in partitions.items() if self._settings.is_reply_topic(topic)}

    def asked(self, records: Sequence[LogRecord]) -> Int64Array | None:
        """Indices of the records whose publishers wait for the answer; None if there are none."""
        positions = indices_of(records_of(records), REPLY)
        return positions if len(positions) else None

    def send(
        self,
        records: Sequence[LogRecord],
        asked: Int64Array,
        answers: Sequence[Answers],
        contexts: Mapping[int, TraceContext],
    ) -> set[Acknowledgement]:
        """Start to send those of `answers` that are asked for; returns futures that end when they are acknowledged, or
        given up. `asked`: of `asked`. `contexts`: of the records whose traces are recorded, by their index."""
        results: Counter[str] = Counter()
        acknowledgements = set()
        for (topic, partition), replies in self._by_partition(records, asked, answers, contexts, results):
            known = self._senders.get((topic, partition))
            if known is None:
                known = self._senders[topic, partition] = _ReplySender(topic, partition, self)
            acknowledgements |= known.put(replies)
        if results:
            self._observer.on_replies(results)
        return acknowledgements

    def _by_partition(
        self,
        records: Sequence[LogRecord],
        asked: Int64Array,
        answers: Sequence[Answers],
        contexts: Mapping[int, TraceContext],
        results: Counter[str],
    ) -> Iterator[tuple[tuple[str, int], OutgoingRecords]]:
        """The replies of each partition; `results`: counts those that are not to be sent."""
        is_asked = np.zeros(len(records), np.bool_)
        is_asked[asked] = True
        for positions, outgoing in answers:
            rows = np.flatnonzero(is_asked[positions])
            places, keys = positions[rows], outgoing.keys.rows(rows).strings()
            headers = records_of(records).headers(places)
            found: dict[tuple[str, int], tuple[list[int], list[bytes]]] = {}
            for row, position, key, own in zip(rows.tolist(), places.tolist(), keys, headers, strict=True):
                address = reply_address(own)
                if address is None:
                    self.log_failure(
                        "its headers kafka_replyTopic, kafka_replyPartition, kafka_correlationId are unusable"
                    )
                target = None if address is None else self._target(address, key)
                if address is None or target is None:
                    results["refused"] += 1
                    continue
                chosen, sections = found.setdefault(target, ([], []))
                chosen.append(row)
                trace = contexts[position].headers() if position in contexts else ()
                sections.append(_section(address.correlation, trace))
            for target, (chosen, sections) in found.items():
                yield target, outgoing.rows(np.array(chosen, np.int64))._replace(headers=pack(sections))

    def _target(self, address: ReplyAddress, key: bytes | None) -> tuple[str, int] | None:
        """Topic and partition of the reply; None if it may not be sent there, or cannot."""
        topic, partition = address.topic, address.partition
        count = self._partitions.get(topic)
        if count is None:
            why = "does not exist" if self._settings.is_reply_topic(topic) else "is not in worker.reply_topics"
            self.log_failure(f"{topic!r}: the topic {why}")
            return None
        if partition is None:
            return topic, int(partitions_for([key or b""], count, "murmur2")[0])
        if not 0 <= partition < count:
            self.log_failure(f"{topic}-{partition}: the topic has {count} partitions")
            return None
        return topic, partition

    async def send_records(self, topic: str, partition: int, waiting: Sequence[OutgoingRecords]) -> None:
        """Send records to one partition and report what became of them. Raises nothing."""
        await self._departures.allowed()
        count = sum(records.n for records in waiting)
        sending = asyncio.ensure_future(self._send(topic, partition, waiting))
        await asyncio.wait({sending}, timeout=SEND_S_MAX)  # aiokafka may swallow a cancellation
        if not sending.done():
            sending.add_done_callback(_drop_result)
            self.log_failure(f"{topic}-{partition}: no answer from the brokers within {SEND_S_MAX:g} s")
        elif (error := sending.exception()) is not None:
            self.log_failure(f"{topic}-{partition}: {kafka_error_text(error)}")
        else:
            self._observer.on_replies({"sent": count})
            return
        self._observer.on_replies({"failed": count})

    async def _send(self, topic: str, partition: int, waiting: Sequence[OutgoingRecords]) -> None:
        for batch in write_batches(waiting, self._sender.batch_bytes_max):
            await self._sender.send_batch(batch, topic, partition)

    def give_up(self, topic: str, partition: int, count: int) -> None:
        """Report `count` replies for which there is no room."""
        self.log_failure(f"{topic}-{partition}: {WAITING_RECORDS_MAX:,} replies wait already")
        self._observer.on_replies({"failed": count})

    def log_failure(self, sentence: str) -> None:
        """Log why a reply is not sent, once in `LOG_S`."""
        now_s = time.monotonic()
        if now_s - self._logged_at_s >= LOG_S:
            self._logged_at_s = now_s
            log.warning(
                "a reply that a payment's headers ask for was not sent: %s. The decision is in %s. "
                "fraudstream_replies_total counts such replies",
                sentence,
                self._settings.decisions_topic,
            )


class _ReplySender:
    """Sends to one partition, one batch at a time; replies that arrive meanwhile join the next batch."""

    def __init__(self, topic: str, partition: int, replies: Replies) -> None:
        self._topic, self._partition, self._replies = topic, partition, replies
        self._waiting: deque[tuple[OutgoingRecords, Acknowledgement]] = deque()
        self._records = 0
        self._sending: asyncio.Task[None] | None = None

    def put(self, records: OutgoingRecords) -> set[Acknowledgement]:
        """Returns a future that ends when the records are sent or given up."""
        if self._records + records.n > WAITING_RECORDS_MAX:
            self._replies.give_up(self._topic, self._partition, records.n)
            return set()
        done: Acknowledgement = asyncio.get_running_loop().create_future()
        self._waiting.append((records, done))
        self._records += records.n
        if self._sending is None or self._sending.done():
            self._sending = asyncio.create_task(self._send())
        return {done}

    async def _send(self) -> None:
        while self._waiting:
            taken = list(self._waiting)
            self._waiting.clear()
            self._records = 0
            await self._replies.send_records(self._topic, self._partition, [records for records, _ in taken])
            for _, done in taken:
                if not done.done():
                    done.set_result(None)


def _section(correlation: bytes, trace: Headers) -> bytes:
    """The headers of a reply."""
    if trace:
        return header_section([(CORRELATION_HEADER, correlation), *trace])
    return _untraced_section(len(correlation)) + correlation


@cache
def _untraced_section(length: int) -> bytes:
    """What comes before a correlation id of so many bytes, at most `CORRELATION_BYTES_MAX`."""
    return header_section([(CORRELATION_HEADER, bytes(length))])[:-length]


def _drop_result(sending: asyncio.Future[None]) -> None:
    """A send that was given up has ended: its error was reported."""
    if not sending.cancelled():
        sending.exception()

"""Judges one payment again, in the light of what stands before it in its partition of the log.

    begin ─────────────────────────────► place          a partition of the log
      a1   b7   a1   a1   c3   b7   a1   [a1]
      └────────────┴────┴─────────┴──► memory ──► trial

The stage that decides keeps one entity, by which its log is keyed: records of another key can't change anything and
are passed over, but list entries count for all. What the stages before it found out comes with each record. Rules have
no part in what is remembered, so all of it is applied under the rule set that judged the payment, and switches are
passed over. Bytes of a re-run are those of the worker, unless the log has lost its beginning since.
"""

from __future__ import annotations

import msgspec
from aiokafka import ConsumerRecord

from fraudstream.contracts.alert import Alert
from fraudstream.contracts.headers import CONTROL_HEADER
from fraudstream.engine.engine import Engine
from fraudstream.engine.log import list_entry, read_log
from fraudstream.engine.reading import read
from fraudstream.engine.trial import Trial, alert_seen_whole, trial_of
from fraudstream.explain.sent import Place
from fraudstream.explain.topic_reader import TopicReader


class RerunError(Exception):
    """The payment can't be judged again; `sentence` says why."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class Rerun(msgspec.Struct, frozen=True):
    """`begin`: the first offset that the log still has. `before`: records applied before the payment.
    `alert_seen_whole`: the alert of a memory that had seen the log before it lost its beginning; else `trial`'s."""

    published_at_ms: int
    begin: int
    before: int
    trial: Trial
    alert_seen_whole: Alert | None


async def judge_again(reader: TopicReader, topic: str, place: Place, engine: Engine) -> Rerun:
    """Raises `RerunError` where the payment is gone or was never judged."""
    begin, end = await reader.span(topic, place.partition)
    if place.offset < begin:
        raise RerunError(
            f"{topic}-{place.partition} begins at {begin}: retention has deleted the payment at {place.offset}, so it "
            "can't be judged again. Its alert on the alerts topic still says why."
        )
    if place.offset >= end:
        raise RerunError(
            f"{topic}-{place.partition} ends at {end}, before the payment's offset {place.offset}: the topic was "
            "created again since, or belongs to another cluster."
        )
    record = await _record(reader, topic, place)
    memory = engine.memory()
    if begin > 0:
        memory.miss_the_beginning()
    engines, before = {engine.rule_set.digest: engine}, 0
    async for records in reader.forward(topic, place.partition, begin, place.offset):
        memory.begin(records[0].timestamp)  # that of the partition, not of the account
        applied = [other for other in records if bears_on(record.key, other)]
        if applied:
            read_log(engines, memory, applied)
        before += len(applied)
    reading = read(engine, memory, [record])
    if reading.refused:
        raise RerunError(f"the record at {place.offset} was never judged: {reading.refused[0].sentence}")
    if reading.verdicts.n == 0:
        raise RerunError(f"the record at {place.offset} is no payment but a label.")
    if reading.verdicts.repeat[0]:
        raise RerunError(f"the record at {place.offset} is a repeat: it got the verdict of its first time.")
    return Rerun(
        published_at_ms=record.timestamp,
        begin=begin,
        before=before,
        trial=trial_of(reading.verdicts),
        alert_seen_whole=alert_seen_whole(reading.verdicts),
    )


def bears_on(key: bytes | None, record: ConsumerRecord[bytes, bytes]) -> bool:
    """Whether a record can bear on the verdicts of later payments of that key under the same rules."""
    return list_entry(record) is not None if CONTROL_HEADER in record.headers else record.key == key


async def _record(reader: TopicReader, topic: str, place: Place) -> ConsumerRecord[bytes, bytes]:
    async for records in reader.forward(topic, place.partition, place.offset, place.offset + 1):
        return records[0]
    raise RerunError(f"{topic}-{place.partition} has no record at {place.offset}.")

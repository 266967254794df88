"""The contents of the topics after a run, and which input record each record answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec
from aiokafka import ConsumerRecord
from redis.asyncio import Redis

from benchmarks.chaos.environment import Environment
from benchmarks.chaos.servers import RedisServer
from benchmarks.chaos.topic_reader import Records, read_partition
from fraudstream.cases.held import Source
from fraudstream.cases.record import source_of
from fraudstream.cases.view import PREFIX
from fraudstream.contracts import Case
from fraudstream.contracts.headers import RECORD_HEADER, record_of


class StageTopics(NamedTuple):
    """One partition of a stage's input log and of its state's changelog."""

    log: Sequence[ConsumerRecord]
    changelog: Sequence[ConsumerRecord]


class Observed(NamedTuple):
    """The records of partition `number` of each topic, in order.

    `labels`: of the labels topic. `changelog`: of the first stage; `later`: topics of the following stages. `view`: the
    cases in Redis by id; None if not read.
    """

    number: int
    payments: Sequence[ConsumerRecord]
    labels: Sequence[ConsumerRecord]
    decisions: Sequence[ConsumerRecord]
    alerts: Sequence[ConsumerRecord]
    dead_letters: Sequence[ConsumerRecord]
    case_actions: Sequence[ConsumerRecord]
    cases: Sequence[ConsumerRecord]
    changelog: Sequence[ConsumerRecord]
    view: Mapping[str, Case] | None = None
    later: Sequence[StageTopics] = ()

    @property
    def stages(self) -> list[StageTopics]:
        """Input log and changelog of every stage, in order."""
        return [StageTopics(self.payments, self.changelog), *self.later]


async def observe(environment: Environment, redis: RedisServer) -> list[Observed]:
    """Read all topics of a run and the view; one result per partition."""

    async def read(topic: str, number: int, committed: bool = False) -> Records:
        return await read_partition(environment, topic, number, committed=committed)

    view = await _view(redis)
    return [
        Observed(
            number=number,
            payments=await read(environment.topic("payments"), number),
            labels=await read(environment.topic("labels"), number),
            decisions=await read(environment.topic("decisions"), number),
            alerts=await read(environment.topic("alerts"), number),
            dead_letters=await read(environment.topic("dead-letters"), number),
            case_actions=await read(environment.topic("case-actions"), number),
            cases=await read(environment.topic("cases"), number, committed=True),
            changelog=await read(environment.changelog, number, committed=True),
            view=view.get(number, {}),
            later=[
                StageTopics(
                    await read(stage.input_topic, number), await read(stage.changelog_topic, number, committed=True)
                )
                for stage in environment.stages[1:]
            ],
        )
        for number in range(environment.partitions)
    ]


async def _view(redis: RedisServer) -> Mapping[int, Mapping[str, Case]]:
    """The cases of the view, by partition and id."""
    found: dict[int, dict[str, Case]] = {}
    async with Redis.from_url(redis.url) as client:
        async for key in client.scan_iter(match=f"{PREFIX}case:*", count=1000):
            held = await client.hgetall(key)
            case = msgspec.json.decode(held[b"case"], type=Case)
            found.setdefault(int(held[b"partition"]), {})[case.case_id] = case
    return found


def by_source(records: Iterable[ConsumerRecord]) -> dict[int | None, Records]:
    """Output records by the partition of the input that they name, None if they name none.

    Records of one partition of the output topic keep their order.
    """
    found: dict[int | None, Records] = {}
    for record in records:
        source = answered_by(record)
        found.setdefault(None if source is None else source.partition, []).append(record)
    return found


def answered_by(record: ConsumerRecord) -> Source | None:
    """Position of the input record that an output record answers; None if its headers name none."""
    if (source := source_of(record.headers)) is not None:
        return source
    answered = record_of(dict(record.headers).get(RECORD_HEADER))
    return None if answered is None else Source(*answered[1:])


def decisions_by_stage(observed: Sequence[Observed]) -> list[Records]:
    """Decisions by the stage that sent them: the last one, if they do not name the log of another stage."""
    stage_of = _stage_of_log(observed)
    found: list[Records] = [[] for _ in observed[0].stages]
    for partition in observed:
        for record in partition.decisions:
            answered = record_of(dict(record.headers).get(RECORD_HEADER))
            found[stage_of.get(answered[0] if answered else "", len(found) - 1)].append(record)
    return found


def letters_by_stage(observed: Sequence[Observed]) -> list[Records]:
    """Dead letters by the stage whose log they come from; those that name no known log go to the first stage."""
    stage_of = _stage_of_log(observed)
    found: list[Records] = [[] for _ in observed[0].stages]
    for partition in observed:
        for record in partition.dead_letters:
            found[stage_of.get(_log_of(record.value), 0)].append(record)
    return found


def _stage_of_log(observed: Sequence[Observed]) -> dict[str, int]:
    """The stage that reads each log, by the name of the topic."""
    return {
        topics.log[0].topic: place
        for partition in observed
        for place, topics in enumerate(partition.stages)
        if topics.log
    }


class _Letter(msgspec.Struct):
    topic: str


_letter = msgspec.json.Decoder(_Letter).decode


def _log_of(letter: bytes | None) -> str:
    try:
        return _letter(letter or b"").topic
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return ""

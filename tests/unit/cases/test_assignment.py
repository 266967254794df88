"""Partitions of a case agent: assigned, recovered, revoked. Kafka and the view are stand-ins."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, cast

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError

from fraudstream.cases.assignment import Assignment
from fraudstream.cases.failure import AgentError
from fraudstream.cases.observer import Unobserved
from fraudstream.cases.policy import CasePolicy
from fraudstream.cases.record import Position
from fraudstream.cases.settings import AgentSettings
from fraudstream.cases.store import CaseStore
from fraudstream.kafka import Brokers

SETTINGS = AgentSettings(brokers=Brokers("b:1"), redis_url="redis://r", fenced=True)
EACH = [TopicPartition(topic, 0) for topic in SETTINGS.input_topics]


class FakeKafka:
    """The consumer, the emission and the log of cases, in one. Notes what was asked of it, in order."""

    def __init__(self, position: Position) -> None:
        self.position, self.calls = position, list[str]()
        self.commit_error: Exception | None = None
        self.while_restoring: Callable[[], Any] | None = None

    def seek(self, partition: TopicPartition, offset: int) -> None:
        self.calls.append(f"seek {partition.topic} {offset}")

    async def commit(self, offsets: dict[TopicPartition, int]) -> None:
        self.calls.append(f"commit {sorted(offsets.values())}")
        if self.commit_error is not None:
            raise self.commit_error

    async def acquire(self, partition: int) -> None:
        self.calls.append("acquire")

    async def release(self, partition: int) -> None:
        self.calls.append("release")

    async def restore(
        self, partition: int, on_progress: Callable[[float], None], policy: CasePolicy, retention_days: int = 0
    ) -> tuple[CaseStore, Position, int]:
        self.calls.append("restore")
        on_progress(0.5)
        if self.while_restoring is not None:
            await self.while_restoring()
        return CaseStore(policy), self.position, 7


class FakeViewWriter:
    def __init__(self) -> None:
        self.ends: dict[int, int] = {}

    def assign(self, ends: dict[int, int]) -> None:
        self.ends = ends


def assignment_of(kafka: FakeKafka, failures: list[BaseException] | None = None) -> tuple[Assignment, FakeViewWriter]:
    view_writer, failed = FakeViewWriter(), [] if failures is None else failures

    async def fail(reason: BaseException) -> None:
        failed.append(reason)

    fake = cast(Any, kafka)
    return Assignment(
        SETTINGS, ("a", "b", "c"), fake, fake, fake, cast(Any, view_writer), Unobserved(), fail
    ), view_writer


async def recovered(kafka: FakeKafka, partitions: Iterable[TopicPartition] = EACH) -> tuple[Assignment, FakeViewWriter]:
    assignment, view_writer = assignment_of(kafka)
    await assignment.on_partitions_assigned(partitions)
    await assignment.recover()
    return assignment, view_writer


async def test_a_partition_is_acquired_before_its_cases_are_read_and_resumes_at_their_position() -> None:
    kafka = FakeKafka(Position(alerts=5, case_actions=2, notice_answers=4))
    assignment, view_writer = await recovered(kafka)
    seeks = ["seek alerts 5", "seek case-actions 2", "seek notice-answers 4"]
    assert kafka.calls == ["acquire", "restore", *seeks]
    assert assignment.processors[0].position == Position(5, 2, "a", "b", 4, "c")
    assert view_writer.ends == {0: 7}


async def test_positions_of_a_topic_that_was_created_again_are_rejected() -> None:
    assignment, _ = assignment_of(FakeKafka(Position(alerts=5, alerts_id="of an older topic")))
    await assignment.on_partitions_assigned(EACH)
    with pytest.raises(AgentError, match="The topic 'alerts' is not the one that the cases of partition 0 come from"):
        await assignment.recover()


async def test_a_partition_that_is_revoked_during_its_recovery_gets_no_processor() -> None:
    kafka = FakeKafka(Position())
    assignment, _ = assignment_of(kafka)
    kafka.while_restoring = lambda: assignment.on_partitions_revoked(EACH)
    await assignment.on_partitions_assigned(EACH)
    await assignment.recover()
    assert not assignment.processors


async def test_partitions_are_recovered_side_by_side() -> None:
    kafka, all_are_reading = FakeKafka(Position()), asyncio.Barrier(3)
    kafka.while_restoring = all_are_reading.wait
    partitions = [TopicPartition(topic, number) for topic in SETTINGS.input_topics for number in range(3)]
    async with asyncio.timeout(5):
        assignment, view_writer = await recovered(kafka, partitions)
    assert sorted(assignment.processors) == [0, 1, 2]
    assert view_writer.ends == {0: 7, 1: 7, 2: 7}


async def test_the_share_that_is_recovered_counts_all_partitions() -> None:
    kafka = FakeKafka(Position())
    assignment, _ = assignment_of(kafka)
    seen: list[float] = []
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Unobserved, "on_recovering", lambda _, left, *, of, share: seen.append(share))
        await assignment.on_partitions_assigned(
            [TopicPartition(topic, number) for topic in SETTINGS.input_topics for number in range(2)]
        )
        await assignment.recover()
    assert seen == [0.25, 0.75]


async def test_a_partition_that_cannot_be_recovered_leaves_the_others_recovered_and_is_reported() -> None:
    kafka = FakeKafka(Position())
    failing = KafkaConnectionError("gone")
    restored = iter([failing, None])

    async def fail_once() -> None:
        if (error := next(restored)) is not None:
            raise error

    kafka.while_restoring = fail_once
    assignment, _ = assignment_of(kafka)
    await assignment.on_partitions_assigned(
        [TopicPartition(topic, number) for topic in SETTINGS.input_topics for number in range(2)]
    )
    with pytest.raises(KafkaConnectionError) as raised:
        await assignment.recover()
    assert raised.value is failing
    assert list(assignment.processors) == [1]


async def test_a_revocation_waits_for_the_step_then_commits_and_releases() -> None:
    kafka = FakeKafka(Position(alerts=5, case_actions=2))
    assignment, view_writer = await recovered(kafka)
    kafka.calls.clear()
    async with assignment.step:
        revoking = asyncio.create_task(assignment.on_partitions_revoked(EACH))
        await asyncio.sleep(0.01)
        assert (kafka.calls, list(assignment.processors)) == ([], [0])
    await revoking
    assert kafka.calls == ["commit [2, 5]", "release"]
    assert (assignment.processors, view_writer.ends) == ({}, {})


async def test_a_commit_that_fails_is_repeated_and_one_that_changes_nothing_is_not_sent() -> None:
    kafka = FakeKafka(Position(alerts=5, case_actions=2))
    assignment, _ = await recovered(kafka)
    kafka.calls.clear()
    kafka.commit_error = KafkaConnectionError("gone")
    await assignment.commit()
    kafka.commit_error = None
    await assignment.commit()
    await assignment.commit()
    assert kafka.calls == ["commit [2, 5]", "commit [2, 5]"]


@pytest.mark.parametrize("topic", ["alerts", "case-actions", "notice-answers"])
async def test_topics_of_different_partitions_end_the_agent(topic: str) -> None:
    failures: list[BaseException] = []
    assignment, _ = assignment_of(FakeKafka(Position()), failures)
    await assignment.on_partitions_assigned([*EACH, TopicPartition(topic, 1)])
    [failure] = failures
    assert isinstance(failure, AgentError)
    assert "make the partition counts equal" in failure.sentence

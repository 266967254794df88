"""The view writer when partitions are revoked and assigned during a write. Redis and the topic are stand-ins."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any, cast

import pytest
from aiokafka.errors import KafkaConnectionError

from fraudstream.cases import view_writer
from fraudstream.cases.grouping import opened
from fraudstream.cases.observer import Unobserved
from fraudstream.cases.view_writer import ViewWriter
from fraudstream.contracts import Case
from tests.unit.cases.events import alert

WAIT_S = 60.0


class FakeView:
    """Holds cases and marks; a write waits for `open`."""

    def __init__(self) -> None:
        self.cases: set[str] = set()
        self.kept_marks: dict[int, int] = {}
        self.begun, self.open, self.rebuilt = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def marks(self) -> dict[int, int]:
        return dict(self.kept_marks)

    async def put(self, partition: int, cases: Sequence[Case]) -> None:
        self.begun.set()
        await self.open.wait()
        self.cases |= {case.case_id for case in cases}

    async def put_all(self, partition: int, cases: AsyncIterator[Case]) -> None:
        await self.put(partition, [case async for case in cases])
        self.rebuilt.set()

    async def remove(self, case_ids: Sequence[str]) -> None:
        self.cases -= set(case_ids)

    async def mark(self, partition: int, believed: int | None, offset: int) -> bool:
        self.kept_marks[partition] = max(offset, self.kept_marks.get(partition, 0))
        return True


class FakeLog:
    """The topic `cases`, by partition."""

    topic = "cases"

    def __init__(self, cases: dict[int, list[Case]]) -> None:
        self.cases = cases

    async def read(self, partition: int) -> AsyncIterator[Any]:
        for offset, case in enumerate(self.cases[partition]):
            yield Record(case, offset)

    async def end(self, partition: int) -> int:
        return len(self.cases[partition])


class Record:
    def __init__(self, case: Case, offset: int) -> None:
        self.held, self.offset, self.case_id = self, offset, case.case_id
        self.case, self.position = case, None


def case_of(account_id: str) -> Case:
    return opened(alert(account_id=account_id))


async def test_a_revocation_during_a_write_does_not_end_the_writer() -> None:
    view = FakeView()
    cases = {0: case_of("acc-0"), 1: case_of("acc-1")}
    writer = ViewWriter(cast(Any, view), cast(Any, FakeLog({n: [case] for n, case in cases.items()})), Unobserved())
    writer.assign({0: 0, 1: 0})
    for partition, case in cases.items():
        writer.put(partition, [case], 0)
    running = asyncio.create_task(writer.run())
    await view.begun.wait()
    writer.assign({})
    view.open.set()
    await writer.drain(WAIT_S)
    await asyncio.wait_for(running, WAIT_S)


async def test_cases_that_waited_when_their_partition_was_revoked_and_assigned_again_are_written() -> None:
    view = FakeView()
    first, second = case_of("acc-0"), case_of("acc-1")
    writer = ViewWriter(cast(Any, view), cast(Any, FakeLog({0: [first, second]})), Unobserved())
    view.kept_marks = {0: 0}
    writer.assign({0: 0})
    writer.put(0, [first], 0)
    view.kept_marks = {0: 1}  # the view has the partition, so the writer need not rebuild it
    running = asyncio.create_task(writer.run())
    await view.begun.wait()
    writer.put(0, [second], 1)
    writer.assign({})
    writer.assign({0: 2})
    view.open.set()
    await asyncio.wait_for(view.rebuilt.wait(), WAIT_S)
    await writer.drain(WAIT_S)
    await running
    assert view.cases == {first.case_id, second.case_id}


async def test_a_rebuild_is_retried_when_kafka_does_not_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(view_writer, "RETRY_S", 0.01)
    view, case = FakeView(), case_of("acc-0")
    view.open.set()
    writer = ViewWriter(cast(Any, view), cast(Any, FailingAtFirst({0: [case]})), Unobserved())
    writer.assign({0: 1})  # and the view has nothing of it
    running = asyncio.create_task(writer.run())
    await asyncio.wait_for(view.rebuilt.wait(), WAIT_S)
    await writer.drain(WAIT_S)
    await running
    assert view.cases == {case.case_id}


class FailingAtFirst(FakeLog):
    """The topic `cases` on a broker that is unreachable, then does not answer, then answers."""

    def __init__(self, cases: dict[int, list[Case]]) -> None:
        super().__init__(cases)
        self.faults: list[Exception] = [TimeoutError(), KafkaConnectionError()]

    async def read(self, partition: int) -> AsyncIterator[Any]:
        if self.faults:
            raise self.faults.pop()
        async for record in super().read(partition):
            yield record

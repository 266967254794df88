"""The writer: durable before it answers, bounded, and with sound chains whatever fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from fraudstream.audit.selection import record_of
from fraudstream.audit.verification import Verification
from fraudstream.audit.writer import AuditUnavailableError, AuditWriter
from tests.unit.audit.logs import MemorySink, event


@asynccontextmanager
async def running(sink: MemorySink, **options: float) -> AsyncIterator[AuditWriter]:
    writer = AuditWriter(sink, lambda: 7, retry_s=0.01, **options)  # type: ignore[arg-type]
    task = asyncio.create_task(writer.run())
    yield writer
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def actions(sink: MemorySink) -> list[tuple[str, str | None]]:
    records = [record_of(value) for value in sink.values]
    return [(record.event.action, record.event.detail) for record in records if record is not None]


def faults(sink: MemorySink) -> list[str]:
    verification = Verification(is_whole=True)
    for offset, value in enumerate(sink.values):
        verification.add(offset, value)
    return [fault.sentence for fault in verification.faults]


async def test_a_recorded_event_is_in_the_log_when_record_returns() -> None:
    sink = MemorySink()
    async with running(sink) as writer:
        await writer.record(event(action="act", detail="claim"))
        assert actions(sink) == [("start", None), ("act", "claim")]
        writer.note(event(action="view"))
        await writer.stop(within_s=5)
    assert actions(sink)[2:] == [("view", None), ("stop", None)]
    assert faults(sink) == []


@pytest.mark.parametrize("reaches", [False, True])
async def test_a_write_that_fails_refuses_the_action_and_keeps_the_views(reaches: bool) -> None:
    sink = MemorySink()
    async with running(sink) as writer:
        await writer.record(event(action="act", detail="first"))
        sink.fails, sink.reaches = 1, reaches
        writer.note(event(detail="viewed"))
        with pytest.raises(AuditUnavailableError):
            await writer.record(event(action="act", detail="second"))
        failing = [writer.is_failing]
        await writer.stop(within_s=5)
        assert [*failing, writer.is_failing] == [True, False]
    assert ("view", "viewed") in actions(sink)
    assert (("act", "second") in actions(sink)) is reaches
    assert faults(sink) == []  # a second chain, which names the head of the first


async def test_an_action_does_not_wait_for_long() -> None:
    sink = MemorySink()
    sink.fails = 1_000
    async with running(sink, write_s_max=0.05) as writer:
        with pytest.raises(AuditUnavailableError):
            await writer.record(event(action="act"))
    assert sink.values == []


async def test_what_waits_is_bounded_and_strangers_cannot_take_all_of_it() -> None:
    writer = AuditWriter(MemorySink(), lambda: 7, waiting_max=4)
    for _ in range(2):
        writer.note(event(actor=None, action="log_in"))
    with pytest.raises(AuditUnavailableError):
        writer.note(event(actor=None, action="log_in"))
    for _ in range(2):
        writer.note(event())
    with pytest.raises(AuditUnavailableError):
        writer.note(event())


async def test_a_restarted_writer_names_how_the_chain_before_ended() -> None:
    sink = MemorySink()
    for _ in range(2):
        async with running(sink) as writer:
            await writer.record(event())
    first = record_of(sink.values[2])
    assert first is not None
    assert [(head.sequence, first.sequence) for head in first.heads] == [(1, 0)]
    del sink.values[1]
    assert len(faults(sink)) == 1

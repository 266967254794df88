"""Where the consumer thread says that batches begin and end, and what it refuses. The consumer is a stand-in."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any, cast

import pytest
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from fraudstream.engine.records import Record, Records, records_of
from fraudstream.stream.failure import WorkerFailure
from fraudstream.stream.faust import consumer_offsets, consumer_thread
from fraudstream.stream.faust.consumer_thread import ConsumerThread

TP0 = TP("changelog", 0)


def app_that_reads(topic: str) -> Any:
    """An app whose stage processes this topic, and has stopped no partition."""
    return SimpleNamespace(settings=SimpleNamespace(topics_read=(topic,)), stopped=frozenset())


def records_at(offsets: Iterable[int]) -> Records:
    return records_of([Record(offset, 0, None, b"value at %d" % offset, ()) for offset in offsets])


class Thread(ConsumerThread):
    """Fetches the offsets that a test gives, and is at the position that it gives afterwards."""

    def __init__(self, app: Any = None) -> None:
        self.bounds, self._passed, self._sought, self._cut = {}, {}, {}, {}
        self._paused = frozenset()
        self._offset_gaps = None
        self.app = app if app is not None else app_that_reads("payments")
        self._commits = asyncio.Lock()
        self._fetched_at = 0.0
        self.at: int | None = 0
        self.held: Any = object()

    def position_now(self, tp: Any) -> int | None:
        return self.at

    def _state(self, tp: Any) -> Any:
        return self.held

    async def fetch(
        self,
        monkeypatch: pytest.MonkeyPatch,
        offsets: list[int],
        position: int,
        earliest: int = 0,
        assigned_anew: bool = False,
        sought: int | None = None,
    ) -> None:
        async def fetched(*_: Any, **__: Any) -> dict[TP, Records]:
            if sought is not None:
                self._sought[TP0] = self.held, sought
            self.at = position
            self.held = object() if assigned_anew else self.held
            return {TP0: records_at(offsets)} if offsets else {}

        monkeypatch.setattr(driver.AIOKafkaConsumerThread, "_fetch_records", fetched)
        await self._fetch_records(Consumer(1_000, earliest=earliest), {TP0})


async def test_a_batch_after_a_marker_that_was_fetched_alone_begins_at_the_marker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    thread = Thread()
    await thread.fetch(monkeypatch, [0, 1, 2], position=3)
    await thread.fetch(monkeypatch, [], position=4)  # the marker at 3, and nothing else
    await thread.fetch(monkeypatch, [], position=5)  # and another
    await thread.fetch(monkeypatch, [5, 6], position=7)
    assert thread.bounds[TP0] == (3, 7)


async def test_partitions_assigned_while_a_fetch_waits_are_not_fetched_without_their_beginning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Faust changes the set of active partitions in another thread, and aiokafka looks at it again when data comes."""
    active, asked = {TP0}, []

    async def fetched(_: Any, __: Any, partitions: set[TP], *___: Any) -> dict[TP, Records]:
        active.add(TP("changelog", 1))
        asked.append(set(partitions))
        return {}

    monkeypatch.setattr(driver.AIOKafkaConsumerThread, "_fetch_records", fetched)
    await Thread()._fetch_records(Consumer(0), active)
    assert asked == [{TP0}]
    assert await Thread()._fetch_records(None, set()) == {}, "an empty set would mean all partitions to aiokafka"
    assert len(asked) == 1


async def test_passed_markers_are_forgotten_after_a_seek(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    thread = Thread()
    await thread.fetch(monkeypatch, [], position=4)
    thread.at = 100
    await thread.fetch(monkeypatch, [100], position=101)
    assert thread.bounds[TP0] == (100, 101)


async def test_deleted_records_are_noticed_even_after_an_empty_fetch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    thread = Thread()
    await thread.fetch(monkeypatch, [], position=50)  # retention moved the consumer on
    with pytest.raises(WorkerFailure, match="retention deleted the records 0 to 49"):
        await thread.fetch(monkeypatch, [50], position=51, earliest=50)


async def test_a_batch_after_deleted_records_of_the_input_begins_at_its_first_record(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """So the stage sees that it does not follow the position, and stops that partition alone."""
    thread = Thread(app_that_reads(TP0.topic))
    await thread.fetch(monkeypatch, [0, 1], position=2)
    await thread.fetch(monkeypatch, [50], position=51, earliest=50)
    assert thread.bounds[TP0] == (50, 51)


class Consumer:
    def __init__(self, *ends: int, earliest: int = 0) -> None:
        self.ends, self.earliest = list(ends), earliest
        self._fetcher = SimpleNamespace(_records={})  # what is fetched ahead
        self._max_poll_records = 5_000
        self.calls: list[tuple[str, TP]] = []

    def pause(self, tp: Any) -> None:
        self.calls.append(("pause", TP(*tp)))

    def resume(self, tp: Any) -> None:
        self.calls.append(("resume", TP(*tp)))

    async def beginning_offsets(self, partitions: Any) -> dict[TP, int]:
        return dict.fromkeys(partitions, self.earliest)

    async def end_offsets(self, partitions: Any) -> dict[TP, int]:
        return dict.fromkeys(partitions, self.ends.pop(0) if len(self.ends) > 1 else self.ends[0])


def thread_of(consumer: Consumer, wait_s: float) -> Thread:
    app = SimpleNamespace(
        settings=SimpleNamespace(checkpoint_mode="transaction"),
        conf=SimpleNamespace(broker_request_timeout=2 * wait_s),
        written_to=lambda tp: 42,
    )
    thread = Thread(app)
    cast(Any, thread)._ensure_consumer = lambda: consumer
    return thread


async def test_the_end_of_a_changelog_is_not_reported_before_our_own_transaction_has_ended() -> None:
    thread = thread_of(Consumer(30, 30, 43), wait_s=10)
    assert await thread._highwaters([TP0]) == {TP0: 43}


async def test_a_changelog_that_lost_our_checkpoints_fails_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumer_offsets, "HIGHWATER_POLL_S", 0.001)
    with pytest.raises(WorkerFailure, match="changelog-0 ends at 30, but this worker's checkpoints go to 42"):
        await thread_of(Consumer(30), wait_s=0.01)._highwaters([TP0])


async def test_a_log_whose_offsets_went_back_fails_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Created again, or truncated: aiokafka would begin at the beginning, without an error."""
    app = app_that_reads(TP0.topic)
    thread = Thread(app)
    await thread.fetch(monkeypatch, [0, 1, 2], position=3)
    with pytest.raises(WorkerFailure, match="changelog-0: the log went back from 3 to 0"):
        await thread.fetch(monkeypatch, [0, 1], position=2)


async def test_a_partition_that_is_assigned_again_during_a_fetch_is_not_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The group removed the worker while the brokers were slow: it begins again at the group's offset."""
    thread = Thread(app_that_reads(TP0.topic))
    await thread.fetch(monkeypatch, [0, 1, 2], position=3)
    await thread.fetch(monkeypatch, [1, 2], position=3, assigned_anew=True)
    assert thread.bounds[TP0] == (1, 3)
    await thread.fetch(monkeypatch, [], position=1, assigned_anew=True)
    await thread.fetch(monkeypatch, [], position=2, assigned_anew=True)
    assert thread.begin_now(TP0) == 2, "no markers were passed on the way there"


async def test_a_partition_that_is_sought_during_a_fetch_continues_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """The group's offset, its position until then, may be far before or behind: what is between was not read."""
    thread = Thread(app_that_reads(TP0.topic))
    thread.at = 10
    await thread.fetch(monkeypatch, [40, 41], position=42, sought=40)
    assert thread.bounds[TP0] == (40, 42)
    await thread.fetch(monkeypatch, [20], position=21, sought=20)
    assert thread.bounds[TP0] == (20, 21)
    await thread.fetch(monkeypatch, [], position=50, sought=50)
    assert thread.begin_now(TP0) == 50
    await thread.fetch(monkeypatch, [30], position=31, sought=60, assigned_anew=True)
    assert thread.bounds[TP0] == (30, 31), "seek before it was assigned again"


def answering(thread: Thread, monkeypatch: pytest.MonkeyPatch, *answers: tuple[int, int], sought: bool = False) -> None:
    """What each fetch returns: records from an offset to before another. `sought`: before the last fetch."""
    to_come = list(answers)
    thread.app = app_that_reads(TP0.topic)

    async def fetched(*_: Any, **__: Any) -> dict[TP, Records]:
        first, end = to_come.pop(0)
        if sought and not to_come:
            thread._sought[TP0] = thread.held, first
        thread.at = end
        return {TP0: records_at(range(first, end))} if end > first else {}

    monkeypatch.setattr(driver.AIOKafkaConsumerThread, "_fetch_records", fetched)


async def offsets_fetched(thread: Thread, consumer: Consumer) -> list[int]:
    records = await thread._fetch_records(consumer, {TP0}, timeout=1.0, max_records=5_000)
    return [record.offset for record in records.get(TP0, ())]


async def test_records_that_came_since_the_fetch_ahead_join_its_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """One record was fetched ahead during a long batch: the hundred behind it waited for another round."""
    thread, consumer = Thread(), Consumer(1_000)
    consumer._fetcher._records[TP0] = "a record"
    answering(thread, monkeypatch, (0, 1), (1, 100))
    fetched = await thread._fetch_records(consumer, {TP0}, timeout=1.0, max_records=5_000)
    assert list(fetched[TP0]) == list(records_at(range(100)))
    assert thread.bounds[TP0] == (0, 100)


async def test_no_second_fetch_where_it_would_only_cost_time(monkeypatch: pytest.MonkeyPatch) -> None:
    thread, consumer = Thread(), Consumer(1_000)
    answering(thread, monkeypatch, (0, 1))
    assert await offsets_fetched(thread, consumer) == [0], "it came while it was waited for"
    consumer._fetcher._records[TP0] = "much"
    answering(thread, monkeypatch, (1, 1 + consumer_thread.FEW_RECORDS))
    assert len(await offsets_fetched(thread, consumer)) == consumer_thread.FEW_RECORDS
    thread._fetched_at = time.monotonic() + 1.0
    answering(thread, monkeypatch, (1_001, 1_002))
    assert await offsets_fetched(thread, consumer) == [1_001], "fetched just now"


async def test_a_log_that_went_back_between_a_fetch_ahead_and_the_next_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """aiokafka continues at the beginning of a log that was truncated, without an error."""
    thread, consumer = Thread(), Consumer(1_000)
    consumer._fetcher._records[TP0] = "a record"
    answering(thread, monkeypatch, (0, 1), (0, 1))
    with pytest.raises(WorkerFailure, match="went back"):
        await offsets_fetched(thread, consumer)


async def test_records_deleted_between_a_fetch_ahead_and_the_next_end_the_batch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """aiokafka continues where the log now begins, without an error: those records do not join the batch."""
    thread, consumer = Thread(), Consumer(1_000, earliest=50)
    consumer._fetcher._records[TP0] = "a record"
    answering(thread, monkeypatch, (0, 1), (50, 60))
    assert await offsets_fetched(thread, consumer) == [0]
    assert thread.bounds[TP0] == (0, 1)


async def test_stopped_partitions_are_not_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumer_thread, "ALL_STOPPED_S", 0.0)
    app = app_that_reads(TP0.topic)
    thread, consumer = Thread(app), Consumer(1_000)
    thread.held = SimpleNamespace(paused=False)
    answering(thread, monkeypatch, (0, 1))
    thread.app = app
    app.stopped = frozenset({TP0})
    assert await offsets_fetched(thread, consumer) == []
    assert consumer.calls == [("pause", TP0)]
    thread.held.paused = True
    app.stopped = frozenset()
    assert await offsets_fetched(thread, consumer) == [0]
    assert consumer.calls == [("pause", TP0), ("resume", TP0)]


async def test_records_fetched_before_a_seek_do_not_join_those_after_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    thread, consumer = Thread(), Consumer(1_000)
    consumer._fetcher._records[TP0] = "a record"
    answering(thread, monkeypatch, (0, 1), (40, 42), sought=True)
    assert await offsets_fetched(thread, consumer) == [40, 41]
    assert thread.bounds[TP0] == (40, 42)
    thread._fetched_at = 0.0
    answering(thread, monkeypatch, (42, 43), (60, 60), sought=True)
    assert await offsets_fetched(thread, consumer) == [], "no record is at the new offset"


class Coordinator(Consumer):
    """A group coordinator that is away until `back` is set: commits wait for it."""

    def __init__(self) -> None:
        super().__init__(43)
        self.back = asyncio.Event()
        self.waiting, self.committed = 0, list[Any]()

    async def commit(self, offsets: Any) -> None:
        self.waiting += 1
        try:
            await self.back.wait()
            self.committed.append(offsets)
        finally:
            self.waiting -= 1


async def all_ran() -> None:
    """Let every task run until it waits. Counted in turns of the loop: a time may be too short."""
    for _ in range(50):
        await asyncio.sleep(0)


async def give_up_on_a_commit(thread: Thread) -> None:
    waiting = asyncio.create_task(thread.commit_to_group({TP0: 7}))
    await all_ran()
    waiting.cancel()
    await all_ran()
    assert waiting.cancelled()


async def test_commits_that_wait_for_an_absent_coordinator_block_nothing_and_do_not_pile_up() -> None:
    """They went through the queue of two workers that fetching needs, and stayed there when they had timed out. One
    that has begun is finished: a commit cancelled mid-flight once stopped a worker's fetching."""
    coordinator = Coordinator()
    thread = thread_of(coordinator, wait_s=10)
    cast(Any, thread).thread_loop = asyncio.get_running_loop()
    cast(Any, thread)._state = lambda tp: None
    for _ in range(3):
        await give_up_on_a_commit(thread)
    waiting = [asyncio.create_task(thread.commit_to_group({TP0: offset})) for offset in (8, 9)]
    assert await thread.ends([TP0]) == {TP0: 43}
    await all_ran()
    assert coordinator.waiting == 1

    coordinator.back.set()
    await asyncio.gather(*waiting)
    assert coordinator.committed == [{TP0: 7}, {TP0: 8}, {TP0: 9}]


async def test_a_commit_that_fails_after_its_caller_gave_up_is_not_logged() -> None:
    """asyncio logged a traceback, in the log of a worker whose broker had come back."""
    reported: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: reported.append(context))
    coordinator = Coordinator()
    coordinator.committed = None  # type: ignore[assignment]  # it fails once it is back
    thread = thread_of(coordinator, wait_s=10)
    cast(Any, thread).thread_loop = asyncio.get_running_loop()
    await give_up_on_a_commit(thread)
    coordinator.back.set()
    await all_ran()
    assert coordinator.waiting == 0
    gc.collect()
    assert reported == []

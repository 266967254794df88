"""Alerts of a case: read once, kept, and not waited for longer than a page may take."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from fraudstream.console.alert_source import AlertSource
from fraudstream.contracts import Alert
from tests.unit.cases.events import alert


class Topic:
    """The topic of alerts. A read waits while `held`."""

    def __init__(self, *ids: str) -> None:
        self.alerts = {each: alert(each) for each in ids}
        self.reads: list[tuple[int, tuple[str, ...]]] = []
        self.held = asyncio.Event()
        self.held.set()
        self.failure: Exception | None = None

    async def read(self, partition: int, alert_ids: Sequence[str]) -> Mapping[str, Alert]:
        self.reads.append((partition, tuple(alert_ids)))
        await self.held.wait()
        if self.failure is not None:
            raise self.failure
        return {each: self.alerts[each] for each in alert_ids if each in self.alerts}


def ignore() -> None:
    pass


async def test_an_alert_is_read_once() -> None:
    topic = Topic("a", "b")
    source = AlertSource(topic.read)
    for wanted in (["a"], ["a", "b"], ["b", "a"]):
        found = await source.find("case", 3, wanted, 5.0, ignore)
        assert (sorted(found.alerts), found.missing) == (sorted(wanted), None)
    assert topic.reads == [(3, ("a",)), (3, ("b",))]


async def test_one_that_is_not_on_the_topic_is_gone_and_not_searched_again() -> None:
    topic = Topic("a")
    source = AlertSource(topic.read)
    for _ in range(2):
        found = await source.find("case", 0, ["a", "gone"], 5.0, ignore)
        assert (list(found.alerts), found.missing) == (["a"], "gone")
    assert len(topic.reads) == 1


async def test_a_page_does_not_wait_for_a_long_read_and_is_told_of_its_end() -> None:
    topic, told = Topic("a"), asyncio.Event()
    topic.held.clear()
    source = AlertSource(topic.read)
    for _ in range(2):  # the second page does not begin another read
        assert (await source.find("case", 0, ["a"], 0.01, told.set)).missing == "reading"
    topic.held.set()
    await asyncio.wait_for(told.wait(), 10)
    assert (await source.find("case", 0, ["a"], 5.0, ignore)).missing is None
    assert len(topic.reads) == 1


async def test_a_read_that_fails_is_tried_again() -> None:
    topic = Topic("a")
    topic.failure = OSError("no broker")
    source = AlertSource(topic.read)
    assert (await source.find("case", 0, ["a"], 5.0, ignore)).missing == "unreadable"
    topic.failure = None
    assert (await source.find("case", 0, ["a"], 5.0, ignore)).missing is None


async def test_only_so_many_are_kept() -> None:
    topic = Topic(*"abc")
    source = AlertSource(topic.read, kept_max=2)
    for each in "abca":
        await source.find(each, 0, [each], 5.0, ignore)
    assert [ids for _, ids in topic.reads] == [("a",), ("b",), ("c",), ("a",)]

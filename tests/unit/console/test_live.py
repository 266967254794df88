"""The stream of changes: what a browser is told, and when the stream ends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from fraudstream.console.live import CHANGES_KEPT, LiveChanges


async def yes() -> bool:
    return True


async def next_event(events: AsyncIterator[str]) -> dict[str, Any]:
    """The data of the next event, comments left out."""
    async with asyncio.timeout(10):
        while True:
            text = await anext(events)
            if not text.startswith(":"):
                kind, data, end, _ = text.split("\n")
                assert (kind, end) == ("event: changes", "")
                return dict(json.loads(data.removeprefix("data: ")))


async def test_the_present_sequence_comes_at_once_and_changes_after_it() -> None:
    live = LiveChanges()
    live.on_case("a")
    events = live.events(yes)
    assert (await next_event(events))["sequence"] == 1
    live.on_case("b")
    live.on_case("c")
    live.on_case("b")
    event = await next_event(events)
    assert (event["sequence"], event["cases"], event["instance"]) == (4, ["b", "c"], live.instance)
    await events.aclose()  # type: ignore[attr-defined]


async def test_a_reader_that_was_slow_is_told_that_everything_may_have_changed() -> None:
    live = LiveChanges()
    events = live.events(yes)
    await next_event(events)
    for number in range(CHANGES_KEPT + 1):
        live.on_case(f"case-{number}")
    assert (await next_event(events))["cases"] is None


async def test_readers_of_different_age_are_each_told_what_is_new_to_them() -> None:
    live = LiveChanges()
    first = live.events(yes)
    await next_event(first)
    live.on_case("a")
    assert (await next_event(first))["cases"] == ["a"]
    second = live.events(yes)
    await next_event(second)
    live.on_case("b")
    told = await asyncio.gather(next_event(first), next_event(second))
    assert [each["cases"] for each in told] == [["b"], ["b"]]
    third = live.events(yes)
    await next_event(third)
    live.on_case("c")
    live.on_page("trial")
    assert [(await next_event(each))["cases"] for each in (first, second, third)] == [["c"]] * 3


async def test_the_state_of_the_feed_is_told() -> None:
    live = LiveChanges()
    events = live.events(yes)
    assert (await next_event(events))["state"] == "starting"
    live.on_state("live")
    assert (await next_event(events))["state"] == "live"


async def test_the_stream_ends_with_the_session() -> None:
    live, allowed = LiveChanges(heartbeat_s=0.01), True

    async def may_go_on() -> bool:
        return allowed

    events = live.events(may_go_on)
    await next_event(events)
    assert await anext(events) == ": alive\n\n"
    allowed = False
    assert [text async for text in events] == []


async def test_every_stream_ends_when_the_console_stops() -> None:
    live = LiveChanges()
    streams = [live.events(yes) for _ in range(3)]
    for each in streams:
        await next_event(each)
    live.close()
    async with asyncio.timeout(10):
        for each in streams:
            [_ async for _ in each]

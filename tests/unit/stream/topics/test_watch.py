"""When a running worker believes that its topics changed. What brokers tell is scripted."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from fraudstream.stream.failure import PermanentFailure
from fraudstream.stream.topics import watch as topic_watch
from fraudstream.stream.topics.cluster import Cluster

AS_IT_WAS = Cluster({"payments": 4}, "id", {})
GROWN = Cluster({"payments": 5}, "id", {})
LACKING = PermanentFailure("there is no topic 'payments'")


async def watch(monkeypatch: pytest.MonkeyPatch, *told: Cluster | Exception) -> int:
    """How many looks were taken until the script's end, a look that waits. Raises what the watch raises."""
    looks, over = list(told), asyncio.Event()

    async def look_again(_: Any) -> Cluster:
        if not looks:
            over.set()
            await asyncio.Event().wait()
        answer = looks.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(topic_watch, "LOOK_S", 0)
    monkeypatch.setattr(topic_watch, "look_again", look_again)
    app = SimpleNamespace(
        settings=SimpleNamespace(input_topic="payments", next_topic="payments-by-device"), cluster=AS_IT_WAS
    )
    watching, ended = asyncio.create_task(topic_watch.watch_topics(cast(Any, app))), asyncio.create_task(over.wait())
    await asyncio.wait({watching, ended}, return_when=asyncio.FIRST_COMPLETED)
    for task in (ended, watching):
        task.cancel()
    await asyncio.wait({watching})
    if not watching.cancelled():
        watching.result()
    return len(told) - len(looks)


async def test_one_look_at_a_broker_that_knows_an_old_state_ends_no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await watch(monkeypatch, LACKING, AS_IT_WAS, GROWN, AS_IT_WAS, LACKING) == 5


async def test_what_two_looks_in_a_row_find_wrong_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PermanentFailure, match="has 5 partitions, and had 4"):
        await watch(monkeypatch, AS_IT_WAS, GROWN, GROWN, AS_IT_WAS)


async def test_brokers_that_are_silent_between_two_looks_settle_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PermanentFailure, match="has 5 partitions"):
        await watch(monkeypatch, GROWN, OSError("no route"), GROWN)


async def test_a_topic_that_payments_are_handed_on_to_must_stay_too(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PermanentFailure, match="which payments are handed on to"):
        await watch(monkeypatch, *[AS_IT_WAS._replace(next_id="another")] * 2)

"""Order, retries and positions of one endpoint. Sending is a stand-in that answers as the test says."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pytest
from aiokafka import TopicPartition

from fraudstream.webhooks import deliveries as module
from fraudstream.webhooks.deliveries import Deliveries, Delivery, RecordPlace
from fraudstream.webhooks.events import WebhookEvent
from fraudstream.webhooks.sender import Delivered, Failed, Gone, Outcome

TP = TopicPartition("cases", 0)


class Unobserved:
    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_args, **_fields: None


class Endpoint:
    """Answers each event with what `answers` has for it, in turn; then takes it."""

    def __init__(self) -> None:
        self.answers: dict[str, list[Outcome]] = defaultdict(list)
        self.hanging: set[str] = set()
        self.attempts: list[str] = []
        self.given_up: list[tuple[str, str]] = []
        self.at_once = self.at_once_max = 0
        self.now_ms = 1_000
        self.deliveries = Deliveries(
            "tool",
            self.send,
            self.give_up,
            Unobserved(),
            retry_for_ms=5_000,
            now_ms=self.clock,
            draw=lambda: 0,
        )

    def clock(self) -> int:
        return self.now_ms

    async def send(self, event_id: str, body: bytes) -> Outcome:
        self.attempts.append(event_id)
        self.at_once += 1
        self.at_once_max = max(self.at_once, self.at_once_max)
        try:
            await asyncio.sleep(0)
            if event_id in self.hanging:
                await asyncio.Event().wait()
        finally:
            self.at_once -= 1
        return self.answers[event_id].pop(0) if self.answers[event_id] else Delivered(200)

    async def give_up(self, delivery: Delivery, sentence: str) -> None:
        self.given_up.append((delivery.event.event_id, sentence))

    def add(self, offset: int, *events: str, tp: TopicPartition = TP, published_at_ms: int = 1_000) -> None:
        """Events named SUBJECT-NUMBER."""
        place = RecordPlace(tp, offset, published_at_ms)
        made = [WebhookEvent(each, "alert", each.partition("-")[0], "acc-1", 0, {}) for each in events]
        self.deliveries.add(place, [Delivery(event, b"{}", place) for event in made])

    async def until(self, holds: Callable[[], Any]) -> None:
        async with asyncio.timeout(5):
            while not holds():  # noqa: ASYNC110  # what it waits for is any state of the test
                await asyncio.sleep(0)


@pytest.fixture
async def endpoint() -> Any:
    endpoint = Endpoint()
    yield endpoint
    await endpoint.deliveries.stop()


async def test_events_of_one_case_are_delivered_in_order_and_others_do_not_wait(endpoint: Endpoint) -> None:
    endpoint.answers["a-1"] = [Failed("HTTP 500"), Failed("HTTP 500")]
    endpoint.add(0, "a-1")
    endpoint.add(1, "a-2")
    endpoint.add(2, "b-1")
    await endpoint.until(lambda: endpoint.deliveries.pending == 0)
    of_a = [each for each in endpoint.attempts if each.startswith("a")]
    assert of_a == ["a-1", "a-1", "a-1", "a-2"]
    assert endpoint.attempts.index("b-1") < endpoint.attempts.index("a-2")


async def test_the_position_is_the_first_record_that_is_not_finished(endpoint: Endpoint) -> None:
    endpoint.hanging = {"b-1"}
    other = TopicPartition("cases", 1)
    endpoint.add(4, "a-1", "a-2")
    endpoint.add(5)
    endpoint.add(6, "b-1")
    endpoint.add(7, "c-1")
    endpoint.add(2, "d-1", tp=other)
    await endpoint.until(lambda: endpoint.deliveries.pending == 1)
    assert endpoint.deliveries.positions() == {TP: 6, other: 3}


async def test_a_record_without_events_moves_the_position(endpoint: Endpoint) -> None:
    endpoint.add(9)
    assert endpoint.deliveries.positions() == {TP: 10}


async def test_an_event_is_given_up_once_its_record_is_old(endpoint: Endpoint) -> None:
    endpoint.answers["a-1"] = [Failed("HTTP 500")] * 100
    endpoint.add(0, "a-1")
    endpoint.add(1, "a-2")
    await endpoint.until(lambda: len(endpoint.attempts) > 3)
    assert endpoint.given_up == []
    endpoint.now_ms = 6_000
    await endpoint.until(lambda: endpoint.deliveries.pending == 0)
    ((event_id, sentence),) = endpoint.given_up
    assert (event_id, sentence.endswith(": HTTP 500.")) == ("a-1", True)
    assert endpoint.attempts[-1] == "a-2"
    assert endpoint.deliveries.positions() == {TP: 2}


async def test_an_old_record_has_one_attempt(endpoint: Endpoint) -> None:
    endpoint.now_ms = 10**9
    endpoint.answers["a-1"] = [Failed("no answer within 10 s")] * 2
    endpoint.add(0, "a-1")
    endpoint.add(1, "b-1")
    await endpoint.until(lambda: endpoint.deliveries.pending == 0)
    assert endpoint.attempts.count("a-1") == 1
    assert [event_id for event_id, _ in endpoint.given_up] == ["a-1"]


async def test_a_letter_that_cannot_be_written_leaves_the_event_where_it_is(endpoint: Endpoint) -> None:
    async def fails(*_: object) -> None:
        raise ConnectionError("no broker")

    endpoint.deliveries._give_up = fails
    endpoint.now_ms = 10**9
    endpoint.answers["a-1"] = [Failed("HTTP 500")]
    endpoint.add(0, "a-1")
    await endpoint.until(lambda: endpoint.deliveries.failure is not None)
    assert endpoint.deliveries.positions() == {TP: 0}


async def test_an_endpoint_that_is_gone_gets_nothing_more_and_keeps_its_position(endpoint: Endpoint) -> None:
    endpoint.answers["a-1"] = [Gone()]
    endpoint.add(0, "a-1")
    await endpoint.until(lambda: endpoint.deliveries.gone.is_set())
    endpoint.add(1, "b-1")
    for _ in range(20):
        await asyncio.sleep(0)
    assert endpoint.attempts == ["a-1"]
    assert endpoint.given_up == []
    assert endpoint.deliveries.positions() == {TP: 0}


async def test_so_many_attempts_are_made_at_once_and_no_more(endpoint: Endpoint) -> None:
    for number in range(100):
        endpoint.add(number, f"case{number}-1")
    await endpoint.until(lambda: endpoint.deliveries.pending == 0)
    assert endpoint.at_once_max == module.AT_ONCE_MAX


async def test_a_full_endpoint_says_so_and_has_room_again(endpoint: Endpoint) -> None:
    for number in range(module.PENDING_MAX):
        endpoint.add(number, f"case{number}-1")
    assert not endpoint.deliveries.has_room
    await endpoint.until(lambda: endpoint.deliveries.pending == 0)
    assert endpoint.deliveries.has_room


async def test_what_is_stopped_is_forgotten(endpoint: Endpoint) -> None:
    endpoint.hanging = {"a-1"}
    endpoint.add(0, "a-1")
    await endpoint.until(lambda: endpoint.attempts)
    await endpoint.deliveries.stop()
    assert (endpoint.deliveries.pending, endpoint.deliveries.positions()) == (0, {})


def test_pauses_double_up_to_a_bound_and_are_drawn_at_random() -> None:
    made = Deliveries(
        "tool", Endpoint().send, Endpoint().give_up, Unobserved(), retry_for_ms=1, now_ms=lambda: 0, draw=lambda: 0.5
    )
    assert [made._backoff_s(attempts, None) for attempts in (1, 2, 3, 10, 11, 1_000)] == [0.5, 1, 2, 256, 300, 300]
    assert made._backoff_s(1, 30.0) == 30.0

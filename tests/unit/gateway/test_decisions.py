"""A payment that is posted gets its decision, its refusal, or at its deadline the outcome that the settings name."""

from __future__ import annotations

import asyncio
import struct
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from aiokafka.errors import KafkaConnectionError

from fraudstream.contracts import Payment
from fraudstream.contracts.decision import UnjudgedDecision
from fraudstream.gateway.fallback import FallbackRule, FallbackRules
from fraudstream.kafka.linger import Linger
from tests.unit.gateway.gateway_under_test import PAYMENT, GatewayUnderTest, decision

AT_ONCE = {"deadline-ms": "1"}


async def test_the_answer_is_the_workers_decision_byte_for_byte() -> None:
    async with GatewayUnderTest() as gateway:
        gateway.topic.answer = lambda payment: decision(payment, outcome="block", score=0.9)
        answer = await gateway.post(PAYMENT)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json() == {
        "event_id": "p-1",
        "account_id": "acc-1",
        "occurred_at_ms": 1_767_605_400_000,
        "outcome": "block",
        "score": 0.9,
        "rule_set": "0123456789abcdef",
    }
    assert (gateway.observer.answers, gateway.observer.statuses) == (["block"], [200])


async def test_a_payment_is_published_unchanged_in_the_partition_of_its_account_with_the_address_of_the_reply() -> None:
    body = msgspec.json.encode(PAYMENT | {"unknown": [1, 2]})
    async with GatewayUnderTest() as gateway:
        await gateway.post(b"\n " + body + b" \r\n")
        await gateway.post(PAYMENT | {"account_id": "acc-2"})
    (partition, key, value, headers), (other, *_) = gateway.topic.published
    assert (partition, key, value, other) == (1, b"acc-1", body, 0)
    assert headers["kafka_replyTopic"] == b"replies"
    assert headers["kafka_replyPartition"] == struct.pack(">i", 3)
    assert len(headers["kafka_correlationId"]) == 20


@pytest.mark.parametrize(
    ("fields", "code", "path"),
    [
        ({"amount": 12.5}, "invalid", "$.amount"),
        ({"amount": "12.505"}, "amount", "$.amount"),
        ({"currency": "XXY"}, "currency", "$.currency"),
        ({"occurred_at": 1_767_605_400}, "occurred_at", "$.occurred_at"),
        ({"account_id": ""}, "invalid", "$.account_id"),
        ({"event_id": "a\nb"}, "invalid", "$.event_id"),
        ({"kind": "reversal"}, "invalid", "$.relates_to"),
    ],
    ids=str,
)
async def test_an_invalid_payment_is_refused_with_what_its_dead_letter_would_say_and_not_published(
    fields: dict[str, Any], code: str, path: str
) -> None:
    async with GatewayUnderTest() as gateway:
        answer = await gateway.post(PAYMENT | fields)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    problem = answer.json()
    assert (problem["type"], problem["status"]) == (f"urn:fraudstream:problem:{code}", 422)
    assert (problem["code"], problem["path"]) == (code, path)
    assert problem["detail"].endswith((".", "?"))
    assert gateway.topic.published == []
    assert gateway.observer.answers == ["refused"]


async def test_what_the_worker_refuses_is_a_problem_too() -> None:
    refused = UnjudgedDecision("too_far_ahead", "occurred_at lies ahead.", "p-1", "acc-1", 7, path="$.occurred_at")
    async with GatewayUnderTest() as gateway:
        gateway.topic.answer = lambda payment: msgspec.json.encode(refused)
        answer = await gateway.post(PAYMENT)
        later = await gateway.get("p-1")
    assert answer.status_code == later.status_code == 422
    assert answer.json() == later.json()
    assert answer.json()["code"] == "too_far_ahead"
    assert answer.json()["detail"] == "occurred_at lies ahead."
    assert (answer.json()["path"], answer.json()["event_id"]) == ("$.occurred_at", "p-1")


async def test_without_a_decision_in_time_the_outcome_is_that_of_the_settings_and_marked() -> None:
    rules = FallbackRules("allow", (FallbackRule("block", kind="transfer", currency="EUR", amount_from="1000.00"),))
    async with GatewayUnderTest(fallback=rules, deadline_ms=20) as gateway:
        gateway.topic.answer = lambda payment: None
        small = await gateway.post(PAYMENT | {"kind": "transfer", "amount": "999.99"})
        large = await gateway.post(PAYMENT | {"kind": "transfer", "amount": "1000"}, {"deadline-ms": "30"})
    assert small.status_code == large.status_code == 200
    assert small.json() == {
        "outcome": "timeout",
        "event_id": "p-1",
        "account_id": "acc-1",
        "fallback_outcome": "allow",
        "deadline_ms": 20,
        "published": True,
        "decision_path": "/v1/decisions/p-1",
    }
    assert (large.json()["fallback_outcome"], large.json()["deadline_ms"]) == ("block", 30)
    assert gateway.observer.answers == ["timeout", "timeout"]


async def test_a_decision_that_comes_later_can_be_asked_for() -> None:
    event_id = "p/1 ä%"
    async with GatewayUnderTest() as gateway:
        gateway.topic.answer = lambda payment: None
        answer = await gateway.post(PAYMENT | {"event_id": event_id}, AT_ONCE)
        path = answer.json()["decision_path"]
        assert (await gateway.client.get(path)).status_code == 404
        (_, _, _, headers) = (await published(gateway, 1))[0]
        late = decision(msgspec.convert(PAYMENT | {"event_id": event_id}, Payment), outcome="review")
        gateway.decider.on_reply(headers["kafka_correlationId"], late)
        found = await gateway.client.get(path)
    assert path == f"/v1/decisions/{quote(event_id, safe='')}"
    assert (found.status_code, found.content) == (200, late)
    assert gateway.observer.late == 1


async def test_a_gateway_that_has_restarted_knows_its_own_replies_and_no_others() -> None:
    async with GatewayUnderTest() as before:
        before.topic.answer = lambda payment: None
        await before.post(PAYMENT, AT_ONCE)
        ((_, _, _, headers),) = await published(before, 1)
    late = decision(msgspec.convert(PAYMENT, Payment))
    async with GatewayUnderTest() as after, GatewayUnderTest(instance="gateway-19") as neighbour:
        for gateway in (after, neighbour):  # they have the same partition
            gateway.decider.on_reply(headers["kafka_correlationId"], late)
            gateway.decider.on_reply(b"of another program", late)
            gateway.decider.on_reply(headers["kafka_correlationId"], b"{")
        assert (await after.get("p-1")).content == late
        assert (await neighbour.get("p-1")).status_code == 404


async def test_a_repeated_reply_changes_no_answer() -> None:
    async with GatewayUnderTest() as gateway:
        await gateway.post(PAYMENT)
        ((_, _, _, headers),) = gateway.topic.published
        repeat = decision(msgspec.convert(PAYMENT, Payment), repeat=True, outcome="block")
        gateway.decider.on_reply(headers["kafka_correlationId"], repeat)
        assert (await gateway.get("p-1")).json()["outcome"] == "allow"


async def test_several_payments_are_answered_in_their_order_each_on_its_own() -> None:
    async with GatewayUnderTest() as gateway:
        gateway.topic.answer = lambda payment: None if payment.event_id == "slow" else decision(payment)
        batch = [PAYMENT, PAYMENT | {"amount": 1}, PAYMENT | {"event_id": "slow"}, PAYMENT | {"event_id": "p-4"}, 7]
        answer = await gateway.post(batch, {"deadline-ms": "100"})
    assert answer.status_code == 200
    first, refused, slow, last, number = answer.json()
    assert (first["event_id"], first["outcome"]) == ("p-1", "allow")
    assert (refused["status"], refused["code"], refused["path"]) == (422, "invalid", "$.amount")
    assert (slow["event_id"], slow["outcome"]) == ("slow", "timeout")
    assert (last["event_id"], last["outcome"]) == ("p-4", "allow")
    assert number["code"] == "invalid"
    assert sorted(gateway.observer.answers) == ["allow", "allow", "refused", "refused", "timeout"]


async def test_payments_that_come_soon_after_a_batch_leave_together() -> None:
    """The first one does not wait: before it, nothing left."""
    waits, passed = asyncio.Event(), asyncio.Event()

    async def sleep(seconds: float) -> None:
        waits.set()
        await passed.wait()

    linger = Linger(1.0, lambda: 0.0, sleep)
    async with GatewayUnderTest(linger=linger) as gateway:
        gateway.topic.partition_count = 1
        assert (await gateway.post(PAYMENT)).status_code == 200
        first = asyncio.create_task(gateway.post(PAYMENT | {"event_id": "p-2"}))
        await waits.wait()
        more = asyncio.create_task(gateway.post([PAYMENT | {"event_id": "p-3"}, PAYMENT | {"event_id": "p-4"}]))
        await asyncio.wait([first, more], timeout=0.1)
        assert gateway.topic.batches == [1]
        passed.set()
        assert [(await each).status_code for each in (first, more)] == [200, 200]
    assert gateway.topic.batches == [1, 3]


async def test_an_idempotency_key_makes_a_repeated_request_the_same_payment() -> None:
    without = {name: value for name, value in PAYMENT.items() if name != "event_id"}
    async with GatewayUnderTest() as gateway:
        for body in (without, without, [without, without], PAYMENT):
            assert (await gateway.post(body, {"idempotency-key": "order-7"})).status_code == 200
        await gateway.post(without, {"idempotency-key": "order-8"})
    ids = [msgspec.json.decode(value)["event_id"] for _, _, value, _ in gateway.topic.published]
    assert ids[0] == ids[1] == ids[2] != ids[3]
    assert ids[4] == "p-1"
    assert ids[5] not in ids[:4]
    assert all(event_id.startswith("key-") for event_id in (*ids[:4], ids[5]))


@pytest.mark.parametrize("body", [b"{}", b'{"amount":"1"}', b"{ }", b"[]", b"[{}", b"7", b"", b"{", b"\xff", b"null"])
async def test_a_body_that_is_no_payment_is_refused_with_and_without_a_key(body: bytes) -> None:
    async with GatewayUnderTest() as gateway:
        for headers in ({}, {"idempotency-key": "k"}):
            answer = await gateway.post(body, headers)
            assert answer.status_code in (400, 422)
            assert answer.json()["detail"]
    assert gateway.topic.published == []


async def test_brokers_that_acknowledge_nothing_leave_the_fallback_outcome_and_say_that_nothing_is_known() -> None:
    async with GatewayUnderTest(deadline_ms=20) as gateway:
        gateway.topic.gate.clear()
        sent = await gateway.post(PAYMENT)
        waiting = await gateway.post(PAYMENT | {"event_id": "p-2"})
        invalid = await gateway.post(PAYMENT | {"amount": "x"})
        gateway.topic.gate.set()
        after = await gateway.post(PAYMENT | {"event_id": "p-3"}, {"deadline-ms": "2000"})
    for answer in (sent, waiting):
        assert (answer.json()["outcome"], answer.json()["fallback_outcome"]) == ("timeout", "review")
        assert answer.json()["published"] is None
    assert invalid.status_code == 422
    assert after.json()["outcome"] == "allow"
    events = [msgspec.json.decode(value)["event_id"] for _, _, value, _ in gateway.topic.published]
    assert events == ["p-1", "p-2", "p-3"]


async def test_brokers_that_are_away_leave_the_fallback_outcome_and_come_back() -> None:
    async with GatewayUnderTest(deadline_ms=20) as gateway:
        gateway.topic.error = KafkaConnectionError("no broker")
        away = await gateway.post(PAYMENT)
        gateway.topic.error = None
        back = await gateway.post(PAYMENT, {"deadline-ms": "2000"})
    assert (away.status_code, away.json()["outcome"], away.json()["published"]) == (200, "timeout", False)
    assert back.json()["outcome"] == "allow"


async def test_payments_of_many_callers_are_published_together_while_the_brokers_are_busy() -> None:
    async with GatewayUnderTest(deadline_ms=5_000) as gateway:
        gateway.topic.gate.clear()
        posts = [asyncio.create_task(gateway.post(PAYMENT | {"event_id": f"p-{k}"})) for k in range(50)]
        while gateway.decider.in_flight < 50:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        gateway.topic.gate.set()
        answers = await asyncio.gather(*posts)
    assert [answer.json()["event_id"] for answer in answers] == [f"p-{k}" for k in range(50)]
    assert gateway.decider.in_flight == 0


async def published(gateway: GatewayUnderTest, count: int) -> list[tuple[int, bytes, bytes, dict[str, bytes]]]:
    """What was published, once there are `count` payments."""
    async with asyncio.timeout(10):
        while len(gateway.topic.published) < count:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
    return gateway.topic.published

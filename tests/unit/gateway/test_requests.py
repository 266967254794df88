"""Requests that are not taken: each is a problem with a code, a sentence and the right status."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.unit.gateway.gateway_under_test import JSON, PAYMENT, GatewayUnderTest


def problem(answer: httpx.Response, status: int, code: str) -> str:
    """The sentence of a problem."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    found = answer.json()
    assert (found["status"], found["code"], found["type"]) == (status, code, f"urn:fraudstream:problem:{code}")
    return str(found["detail"])


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "", "abc", "10001", "٣", "1" * 30])
async def test_a_deadline_is_a_number_within_its_bounds(text: str) -> None:
    async with GatewayUnderTest() as gateway:
        answer = await gateway.post(PAYMENT, {"deadline-ms": text})
    assert problem(answer, 400, "deadline") == "Deadline-Ms is a whole number from 1 to 10000."
    assert gateway.topic.published == []


@pytest.mark.parametrize("key", ["", "k" * 201, "a\tb"])
async def test_an_idempotency_key_is_a_short_text(key: str) -> None:
    async with GatewayUnderTest() as gateway:
        assert problem(await gateway.post(PAYMENT, {"idempotency-key": key}), 400, "idempotency_key")


@pytest.mark.parametrize("media_type", ["text/plain", "application/xml", ""])
async def test_a_body_of_another_type_is_not_taken(media_type: str) -> None:
    async with GatewayUnderTest() as gateway:
        assert problem(await gateway.post(PAYMENT, {"content-type": media_type}), 415, "media_type")
        assert (await gateway.post(PAYMENT, {"content-type": "Application/JSON; charset=utf-8"})).status_code == 200


async def test_a_body_that_is_too_large_is_not_read() -> None:
    async with GatewayUnderTest(body_bytes_max=2_000) as gateway:
        assert problem(await gateway.post(b" " * 2_001), 413, "too_large") == "A body has 2000 bytes at most."

        async def chunks() -> AsyncIterator[bytes]:
            for _ in range(1_000):
                yield b" " * 100

        answer = await gateway.client.post("/v1/decisions", content=chunks(), headers=JSON)
        assert problem(answer, 413, "too_large")


async def test_a_batch_has_a_limit() -> None:
    async with GatewayUnderTest(batch_payments_max=2) as gateway:
        assert problem(await gateway.post([PAYMENT] * 3), 400, "batch") == "A batch has 1 to 2 payments."
        assert (await gateway.post([PAYMENT] * 2)).status_code == 200


async def test_payments_beyond_those_that_may_wait_are_turned_away_with_the_time_to_try_again() -> None:
    async with GatewayUnderTest(in_flight_max=2, deadline_ms=5_000) as gateway:
        gateway.topic.answer = lambda payment: None
        waiting = asyncio.create_task(gateway.post([PAYMENT, PAYMENT]))
        while gateway.decider.in_flight < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        answer = await gateway.post(PAYMENT)
        assert problem(answer, 429, "load")
        assert answer.headers["retry-after"] == "1"
        waiting.cancel()
        await asyncio.wait([waiting])
        assert gateway.decider.in_flight == 0
    assert gateway.observer.turned_away == [("anybody", "load")]


async def test_a_gateway_that_is_not_ready_says_so_to_callers_and_to_load_balancers() -> None:
    async with GatewayUnderTest() as gateway:
        assert (await gateway.client.get("/readyz")).status_code == 200
        gateway.unready = "the replies of before the start are still being read"
        answer, ready = await gateway.post(PAYMENT), await gateway.client.get("/readyz")
        healthy = await gateway.client.get("/healthz")
    assert problem(answer, 503, "unavailable") == "the replies of before the start are still being read."
    assert answer.headers["retry-after"] == "1"
    assert (ready.status_code, ready.text) == (503, "the replies of before the start are still being read\n")
    assert (healthy.status_code, healthy.text) == (200, "ok\n")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/", 404, "not_found"),
        ("GET", "/v1/decisions", 405, "method_not_allowed"),
        ("DELETE", "/v1/decisions/p-1", 405, "method_not_allowed"),
        ("GET", "/v1/decisions/", 404, "not_found"),
        ("POST", "/v2/decisions", 404, "not_found"),
        ("GET", "/v1/decisions/p-1", 404, "not_found"),
        ("GET", "/v1/decisions/" + "x" * 1_000, 404, "not_found"),
    ],
)
async def test_what_there_is_not_is_a_problem_too(method: str, path: str, status: int, code: str) -> None:
    async with GatewayUnderTest() as gateway:
        assert problem(await gateway.client.request(method, path), status, code)
    assert gateway.observer.statuses == [status]


async def test_an_unforeseen_error_is_a_problem_without_its_text(monkeypatch: pytest.MonkeyPatch) -> None:
    async with GatewayUnderTest() as gateway:

        def fails(*_: Any) -> None:
            raise RuntimeError("secret")

        monkeypatch.setattr(gateway.decider, "find", fails)
        answer = await gateway.get("p-1")
    assert problem(answer, 500, "unforeseen") == "The gateway failed. Its log says why."

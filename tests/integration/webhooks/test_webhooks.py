"""Webhooks from real topics to a real HTTP server that fails, hangs, answers 410, and comes back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import msgspec
import pytest
from aiohttp import web

from fraudstream.contracts import DeadLetter
from fraudstream.webhooks.endpoints import SignedEndpoint
from fraudstream.webhooks.follower import FollowerSettings
from fraudstream.webhooks.process import run_webhooks
from tests.integration.cases.case_cluster import CaseCluster, eventually
from tests.integration.cases.running_agent import running_agent
from tests.unit.cases.events import action, alert
from tests.unit.webhooks.webhook_server import SECRET, Taken, WebhookServer, webhook_server

DAY_MS = 86_400_000


class Counted:
    """Counts what is reported, by endpoint."""

    def __init__(self) -> None:
        self.failed: dict[str, int] = {}
        self.ready: set[str] = set()
        self.gone: set[str] = set()

    def on_delivered(self, endpoint: str, *, kind: str, seconds: float) -> None:
        pass

    def on_failed(self, endpoint: str, *, seconds: float) -> None:
        self.failed[endpoint] = self.failed.get(endpoint, 0) + 1

    def on_undelivered(self, endpoint: str) -> None:
        pass

    def on_pending(self, endpoint: str, *, events: int, oldest_ms: int) -> None:
        pass

    def on_lag(self, endpoint: str, *, records: int) -> None:
        pass

    def on_gone(self, endpoint: str) -> None:
        self.gone.add(endpoint)

    def on_brokers(self, endpoint: str, *, answer: bool) -> None:
        self.ready.add(endpoint)


@pytest.fixture(params=["embedded", pytest.param("kafka", marks=pytest.mark.kafka)])
async def cluster(request: pytest.FixtureRequest, redis_url: str, unique_name: Callable[[str], str]) -> CaseCluster:
    fenced = request.param == "kafka"
    cluster = CaseCluster(request.getfixturevalue("kafka" if fenced else "broker"), redis_url, unique_name, fenced)
    await cluster.create_topics()
    return cluster


@asynccontextmanager
async def webhooks(
    cluster: CaseCluster,
    *endpoints: SignedEndpoint,
    timeout_s: float = 5.0,
    retry_for_ms: int = DAY_MS,
    are_ready: bool = True,
) -> AsyncIterator[Counted]:
    """The process, once every endpoint reads; stopped in order at the end."""
    s, observer, stopping = cluster.settings, Counted(), asyncio.Event()
    settings = FollowerSettings(
        brokers=s.brokers,
        group=f"{s.group}-webhooks",
        cases_topic=s.cases_topic,
        alerts_topic=s.alerts_topic,
        committed_only=s.fenced,
        fetch_wait_ms=5,
        session_timeout_s=s.session_timeout_s,
    )
    running = asyncio.create_task(
        run_webhooks(
            settings,
            endpoints,
            s.dead_letters_topic,
            observer,
            stopping,
            timeout_s=timeout_s,
            retry_for_ms=retry_for_ms,
            now_ms=lambda: time.time_ns() // 1_000_000,
        )
    )
    try:
        if are_ready:
            await until(lambda: len(observer.ready) == len(endpoints))
        yield observer
    finally:
        stopping.set()
        await asyncio.wait_for(running, 30)


async def until(holds: Callable[[], bool]) -> None:
    async def look() -> bool:
        return holds()

    await eventually(look, bool)


def types(taken: Sequence[Taken]) -> list[str]:
    return [each.type for each in taken]


async def work_a_case(cluster: CaseCluster, account: str = "acc-1") -> None:
    """A case that is opened, escalated and closed."""
    await cluster.publish_alerts([alert(f"alert-of-{account}", account)])
    case = (await eventually(cluster.cases, lambda found: account in found))[account]
    await cluster.publish_actions(
        [
            action("escalate", case.case_id, account_id=account, escalate_to="senior", note="n"),
            action("close", case.case_id, account_id=account, disposition="inconclusive"),
        ]
    )
    await eventually(cluster.cases, lambda found: found[account].status == "closed")


async def test_the_events_of_a_case_arrive_signed_and_in_order(cluster: CaseCluster) -> None:
    async with webhook_server() as server, running_agent(cluster):
        some = server.endpoint("some", events=["case.closed"])
        server_all = server.endpoint("every", url=f"{server.url}?every")
        async with webhooks(cluster, server_all, some):
            await work_a_case(cluster)
            await until(lambda: len(server.taken) == 5)
    of_case = [each.type for each in server.taken if each.type != "alert"]
    assert sorted(of_case) == ["case.closed", "case.closed", "case.escalated", "case.opened"]
    first = [of_case.index(kind) for kind in ("case.opened", "case.escalated")]
    assert first == sorted(first)
    assert all(each.is_signed_by(SECRET) for each in server.taken)


async def test_an_endpoint_begins_with_what_comes_unless_it_wants_all(cluster: CaseCluster) -> None:
    async with webhook_server() as server, webhook_server() as other, running_agent(cluster):
        await work_a_case(cluster)
        async with webhooks(cluster, server.endpoint("new"), other.endpoint("all", from_beginning=True)):
            await until(lambda: len(other.taken) == 4)
            await work_a_case(cluster, "acc-2")
            await until(lambda: len(server.taken) == 4)
            await until(lambda: len(other.taken) == 8)
    assert {msgspec.json.decode(each.body)["data"]["account_id"] for each in server.taken} == {"••••"}
    assert not {each.event_id for each in server.taken} & {each.event_id for each in other.taken[:4]}


async def test_an_endpoint_that_hangs_or_fails_does_not_hold_up_another(cluster: CaseCluster) -> None:
    async def hang(_: Taken) -> web.Response:
        await asyncio.sleep(60)
        raise AssertionError

    async with webhook_server() as stuck, webhook_server() as broken, webhook_server() as sound, running_agent(cluster):
        stuck.answer, broken.answer = hang, lambda _: web.Response(status=500)
        endpoints = [each.endpoint(name) for each, name in ((stuck, "stuck"), (broken, "broken"), (sound, "sound"))]
        async with webhooks(cluster, *endpoints, timeout_s=0.3) as observer:
            for number in range(3):
                await work_a_case(cluster, f"acc-{number}")
            await until(lambda: len(sound.taken) == 12)
            await until(lambda: min(observer.failed.get("stuck", 0), observer.failed.get("broken", 0)) >= 2)
            broken.answer = lambda _: web.Response(status=200)
            await until(lambda: len({each.event_id for each in broken.taken}) == 12)


async def test_what_was_not_delivered_is_sent_after_a_restart_with_the_same_ids(cluster: CaseCluster) -> None:
    async with webhook_server() as server, running_agent(cluster):
        server.answer = lambda _: web.Response(status=503)
        async with webhooks(cluster, server.endpoint()) as observer:
            await work_a_case(cluster)
            await until(lambda: observer.failed.get("tool", 0) >= 2)
        tried = {each.event_id for each in server.taken}
        server.taken.clear()
        server.answer = lambda _: web.Response(status=200)
        async with webhooks(cluster, server.endpoint()):
            await until(lambda: len(server.taken) == 4)
        assert tried <= {each.event_id for each in server.taken}
        assert len({each.event_id for each in server.taken}) == 4
        server.taken.clear()
        async with webhooks(cluster, server.endpoint()):
            await work_a_case(cluster, "acc-2")
            await until(lambda: len(server.taken) == 4)
        assert not tried & {each.event_id for each in server.taken}


async def test_an_event_that_is_refused_for_too_long_is_a_dead_letter_with_its_body(cluster: CaseCluster) -> None:
    def answer(taken: Taken) -> web.Response:
        return web.Response(status=422 if taken.type == "case.opened" else 200)

    async with webhook_server() as server, running_agent(cluster):
        server.answer = answer
        async with webhooks(cluster, server.endpoint(), retry_for_ms=1):
            await work_a_case(cluster)
            await until(lambda: "case.closed" in types(server.taken))
            (record,) = await eventually(
                lambda: cluster.records(cluster.settings.dead_letters_topic), lambda found: len(found) == 1
            )
    letter = msgspec.json.decode(record.value, type=DeadLetter)
    (refused,) = [each for each in server.taken if each.type == "case.opened"]
    assert (letter.reason, letter.value, letter.topic) == ("webhook", refused.body, cluster.settings.cases_topic)
    assert letter.sentence == f"tool: the event {refused.event_id} was not delivered: attempt 1: HTTP 422."


async def test_an_endpoint_that_is_gone_gets_what_it_missed_once_it_is_mended(cluster: CaseCluster) -> None:
    async with webhook_server() as server, running_agent(cluster):
        server.answer = lambda _: web.Response(status=410)
        async with webhooks(cluster, server.endpoint(events=["case.opened", "case.closed"])) as observer:
            await work_a_case(cluster)
            await until(lambda: observer.gone == {"tool"})
        assert types(server.taken) == ["case.opened"]
        server.taken.clear()
        server.answer = lambda _: web.Response(status=204)
        async with webhooks(cluster, server.endpoint(events=["case.opened", "case.closed"])):
            await until(lambda: len(server.taken) == 2)
        assert types(server.taken) == ["case.opened", "case.closed"]
        assert await cluster.records(cluster.settings.dead_letters_topic) == []


async def test_a_record_that_is_no_case_is_left_out(cluster: CaseCluster) -> None:
    async with webhook_server() as server, running_agent(cluster), webhooks(cluster, server.endpoint()):
        await cluster.publish(cluster.settings.alerts_topic, b"\xff nonsense")
        await work_a_case(cluster)
        await until(lambda: len(server.taken) == 4)


async def test_two_processes_share_the_work(cluster: CaseCluster) -> None:
    async with webhook_server() as server, running_agent(cluster), webhooks(cluster, server.endpoint()):
        async with webhooks(cluster, server.endpoint(), are_ready=False):
            for number in range(4):
                await work_a_case(cluster, f"acc-{number}")
            await until(lambda: len({each.event_id for each in server.taken}) == 16)
        await work_a_case(cluster, "acc-9")
        await until(lambda: len({each.event_id for each in server.taken}) == 20)


def test_the_server_of_the_tests_serves_under_a_url_of_its_own() -> None:
    assert WebhookServer("http://127.0.0.1:1/hook").endpoint().endpoint.is_loopback

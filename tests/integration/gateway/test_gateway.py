"""A gateway with real workers on a real broker."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import msgspec

from fraudstream.contracts import Decision
from tests.brokers import SelectedBroker, on_both_brokers
from tests.integration.gateway.gateway_cluster import GatewayCluster, gateway_cluster, post
from tests.integration.stream.payments import payment


@on_both_brokers
async def test_the_answer_is_the_decision_of_the_topic(cluster: GatewayCluster, http: httpx.AsyncClient) -> None:
    async with cluster.stream.worker():
        url = await cluster.url_of(cluster.start("gateway-0"))
        answers = [await post(http, url, payment(number, f"a{number % 7}")) for number in range(20)]
        batch = b"[" + b",".join(payment(number, f"a{number % 7}") for number in range(20, 30)) + b"]"
        several = await post(http, url, batch)
        repeat = await post(http, url, payment(3, "a3"))
        found = await http.get(f"{url}/v1/decisions/e7")
        refused = await post(http, url, payment(99, "a1", occurred_at=int(time.time() * 1000) + 10 * 86_400_000))
        decisions = {each.event_id: each for each in await cluster.stream.decisions(30) if not each.repeat}
    answered = [msgspec.json.decode(answer.content, type=Decision) for answer in answers]
    answered += msgspec.json.decode(several.content, type=list[Decision])
    assert [each.event_id for each in answered] == [f"e{number}" for number in range(30)]
    assert {each.event_id: each for each in answered} == decisions
    assert msgspec.json.decode(repeat.content, type=Decision) == msgspec.structs.replace(decisions["e3"], repeat=True)
    assert msgspec.json.decode(found.content, type=Decision) == decisions["e7"]
    assert (refused.status_code, refused.json()["code"], refused.json()["path"]) == (
        422,
        "too_far_ahead",
        "$.occurred_at",
    )
    assert refused.json()["event_id"] == "e99"


@on_both_brokers
async def test_a_chain_of_stages_answers(
    selected_broker: SelectedBroker, unique_name: Callable[[str], str], tmp_path: Path, http: httpx.AsyncClient
) -> None:
    cluster = await gateway_cluster(selected_broker, unique_name, tmp_path, chain=True)
    try:
        async with cluster.stream.worker():
            url = await cluster.url_of(cluster.start("gateway-1"))
            keys = {"device_id": "d1", "merchant_id": "m1", "counterparty_id": "c1"}
            bodies = [payment(number, f"a{number % 5}", **keys) for number in range(10)]
            answers = await asyncio.gather(*(post(http, url, body) for body in bodies))
            refused = await post(http, url, payment(99, "a1", occurred_at=int(time.time() * 1000) + 10 * 86_400_000))
    finally:
        cluster.close()
    assert [answer.json()["event_id"] for answer in answers] == [f"e{number}" for number in range(10)]
    assert {answer.json()["outcome"] for answer in answers} <= {"allow", "review", "block"}
    assert (refused.status_code, refused.json()["code"]) == (422, "too_far_ahead")


@on_both_brokers
async def test_a_decision_that_is_late_is_found_also_after_a_restart_of_the_gateway(
    cluster: GatewayCluster, http: httpx.AsyncClient
) -> None:
    gateway = cluster.start("gateway-2")
    url = await cluster.url_of(gateway)
    late = await post(http, url, payment(1, "a"), {"Deadline-Ms": "50"})
    assert (late.json()["outcome"], late.json()["fallback_outcome"]) == ("timeout", "review")
    assert (await http.get(f"{url}{late.json()['decision_path']}")).status_code == 404
    async with cluster.stream.worker():
        decision = await until_found(http, f"{url}/v1/decisions/e1")
        gateway.kill()
        while_down = payment(2, "a")
        again = cluster.start("gateway-2")
        url = await cluster.url_of(again, 2)
        assert (await http.get(f"{url}/v1/decisions/e1")).json() == decision
        assert (await post(http, url, payment(1, "a"))).json() == decision | {"repeat": True}
        assert (await post(http, url, while_down)).json()["event_id"] == "e2"
    await again.stop()


@on_both_brokers
async def test_gateways_that_share_a_partition_and_others_answer_their_own_callers(
    cluster: GatewayCluster, http: httpx.AsyncClient
) -> None:
    async with cluster.stream.worker():
        started = [cluster.start(name) for name in ("gateway-0", "gateway-4", "gateway-1")]  # of 4 partitions
        urls = [await cluster.url_of(gateway) for gateway in started]
        posts = [post(http, urls[number % 3], payment(number, f"a{number % 7}")) for number in range(60)]
        answers = await asyncio.gather(*posts)
        assert [answer.json()["event_id"] for answer in answers] == [f"e{number}" for number in range(60)]
        for number in range(60):
            codes = [(await http.get(f"{url}/v1/decisions/e{number}")).status_code for url in urls]
            assert codes == [200 if k == number % 3 else 404 for k in range(3)]


async def test_a_stop_answers_those_who_wait(cluster: GatewayCluster, http: httpx.AsyncClient) -> None:
    gateway = cluster.start("gateway-0")
    url = await cluster.url_of(gateway)
    waiting = [asyncio.create_task(post(http, url, payment(number, "a"))) for number in range(20)]
    await asyncio.sleep(0.5)
    stopping = asyncio.create_task(gateway.stop())
    await asyncio.sleep(0.5)
    async with cluster.stream.worker():
        answers = await asyncio.gather(*waiting)
        await stopping
    assert [answer.json()["event_id"] for answer in answers] == [f"e{number}" for number in range(20)]
    assert {answer.json()["outcome"] for answer in answers} <= {"allow", "review", "block"}


async def until_found(http: httpx.AsyncClient, url: str) -> dict[str, object]:
    """The decision at an address, once it is there."""
    async with asyncio.timeout(60):
        while True:
            answer = await http.get(url)
            if answer.status_code == 200:
                return dict(answer.json())
            await asyncio.sleep(0.05)

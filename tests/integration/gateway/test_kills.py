"""Workers and gateways are killed under load: every request is answered, and every payment has one decision.

Invariant: a caller with two gateways gets for each payment its decision, or within the deadline a marked time-out; each
payment is in the topic `decisions`; all its decisions agree, and what a caller was told is one of them.
Method: some hundred payments at a steady rate through two gateways and two workers; `kill -9` of a worker and of a
gateway; both are started again. Limits: one schedule, not seeded.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict

import msgspec

from fraudstream.client import AsyncGatewayClient, GatewayAnswer
from fraudstream.contracts import Decision
from tests.brokers import on_both_brokers
from tests.integration.gateway.gateway_cluster import GatewayCluster
from tests.integration.stream.payments import assert_counted_once, payment
from tests.integration.stream.worker_log import ASSIGNED

PAYMENTS = 600
PER_SECOND = 40
DEADLINE_MS = 2_000


async def send(gateways: AsyncGatewayClient, number: int) -> GatewayAnswer:
    return await gateways.decide(payment(number, f"a{number % 20}"), deadline_ms=DEADLINE_MS)


@on_both_brokers
async def test_a_killed_worker_and_a_killed_gateway_leave_no_request_without_an_answer(cluster: GatewayCluster) -> None:
    workers = [cluster.worker("worker-1")]
    await workers[0].logs(ASSIGNED)
    if cluster.stream.kafka:  # on the embedded broker nothing fences two workers
        workers.append(cluster.worker("worker-2"))
        await workers[1].logs(ASSIGNED)
    gateways = [cluster.start(f"gateway-{number}") for number in range(2)]
    urls = [await cluster.url_of(gateway) for gateway in gateways]
    sends: list[asyncio.Task[GatewayAnswer]] = []
    async with AsyncGatewayClient(urls) as first, AsyncGatewayClient(urls[::-1]) as second:
        for number in range(PAYMENTS):
            sends.append(asyncio.create_task(send((first, second)[number % 2], number)))
            if number == PAYMENTS // 4:
                workers[0].kill()
                cluster.worker("worker-again")
            if number == PAYMENTS // 2:
                gateways[0].kill()
            await asyncio.sleep(1 / PER_SECOND)
        answers = await asyncio.gather(*sends)
        assert [answer.event_id for answer in answers] == [f"e{number}" for number in range(PAYMENTS)]
        assert {answer.outcome_to_follow for answer in answers} <= {"allow", "review", "block"}

        by_event: dict[str, list[Decision]] = defaultdict(list)
        for decision in await cluster.stream.decisions(PAYMENTS):
            by_event[decision.event_id].append(decision)
        verdicts = {
            event: {msgspec.json.encode(msgspec.structs.replace(each, repeat=False)) for each in found}
            for event, found in by_event.items()
        }
        assert {event: found for event, found in verdicts.items() if len(found) > 1} == {}
        for answer in answers:
            if not answer.timed_out:
                told = msgspec.convert(dict(answer.fields), Decision)
                assert {msgspec.json.encode(msgspec.structs.replace(told, repeat=False))} == verdicts[answer.event_id]
        assert any(not answer.timed_out for answer in answers[-20:])
        timed_out = [number for number, answer in enumerate(answers) if answer.timed_out]
        later = [await send(second, number) for number in timed_out]  # what their callers do: they ask again
    for answer in later:
        told = msgspec.convert(dict(answer.fields), Decision)
        assert {msgspec.json.encode(msgspec.structs.replace(told, repeat=False))} == verdicts[answer.event_id]
    assert_counted_once(await cluster.stream.alerts(PAYMENTS - 20), PAYMENTS)

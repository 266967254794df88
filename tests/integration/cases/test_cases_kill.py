"""A killed case agent neither loses nor doubles.

Invariant: whatever is killed when, each account's case lists its alerts once, in order, and its versions have no gap
and no second content. Method: the real command, `kill -9` in the middle of the work at seeded moments, alerts of before
sent again as a worker does after a crash of its own, then the topic read as any consumer would. What a green run does
not prove: that a paused agent is refused (this broker cannot fence).
"""

import asyncio
import random
import signal
from collections import defaultdict
from collections.abc import Callable

import msgspec
import pytest
from aiokafka.errors import KafkaError

from fraudstream.cases.emission import FencedEmission
from fraudstream.cases.grouping import case_id_of
from fraudstream.cases.record import CaseRecord
from fraudstream.contracts import Case
from fraudstream.kafka import Brokers
from tests.integration.cases.agent_process import agent_process
from tests.integration.cases.cluster import CaseCluster, eventually
from tests.unit.cases.events import action, alert

ACCOUNTS = [f"acc-{number}" for number in range(5)]
ALERTS = [alert(f"{account}-{number}", account, amount="0.10") for number in range(40) for account in ACCOUNTS]


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.timeout(180)
async def test_a_killed_agent_neither_loses_nor_doubles(cluster: CaseCluster, seed: int) -> None:
    moments = random.Random(seed)

    async def publish() -> None:
        for number in range(0, len(ALERTS), 10):
            again = max(0, number - moments.randrange(40))
            await cluster.publish_alerts(ALERTS[again : number + 10], first_offset=again)

    publishing = asyncio.create_task(publish())
    for kill_at in sorted(moments.sample(range(10, 190), 2)):
        with agent_process(cluster) as agent:
            await eventually(cluster.case_events, at_least(kill_at))
            agent.kill()
    await publishing

    with agent_process(cluster):
        await eventually(cluster.cases, lambda found: sum(case.alert_count for case in found.values()) == len(ALERTS))
        await cluster.publish_actions(
            [action("close", case_id_of(a, f"{a}-0"), account_id=a, action_id=a, disposition="fraud") for a in ACCOUNTS]
        )
        await eventually(cluster.cases, lambda found: all(case.status == "closed" for case in found.values()))

    await assert_each_alert_once(cluster, versions=41)  # 40 alerts and the closing

    labels = [msgspec.json.decode(record.value) for record in await cluster.records(cluster.settings.payments_topic)]
    assert {label["event_id"] for label in labels} == {each.event_id for each in ALERTS}


async def test_a_terminated_agent_leaves_with_zero_and_its_successor_does_nothing_twice(cluster: CaseCluster) -> None:
    await cluster.publish_alerts([alert("a1")])
    with agent_process(cluster) as agent:
        await eventually(cluster.case_events, lambda found: len(found) == 1)
        agent.terminate()
        assert await asyncio.to_thread(agent.wait, 30) == 0

    await cluster.publish_alerts([alert("a1"), alert("a2")])
    with agent_process(cluster):
        events: list[Case] = await eventually(cluster.case_events, lambda found: len(found) == 2)
    assert events[-1].alert_count == 2


@pytest.mark.kafka
async def test_the_previous_owner_of_a_partition_is_refused_by_the_broker(
    kafka: str, redis_url: str, unique_name: Callable[[str], str]
) -> None:
    cluster = CaseCluster(kafka, redis_url, unique_name, fenced=True)
    await cluster.create_topics()
    topic, group = cluster.settings.cases_topic, cluster.settings.group
    first, second = FencedEmission(Brokers(kafka), group), FencedEmission(Brokers(kafka), group)
    await first.start()
    await second.start()
    await first.take_over(0)
    await first.emit(0, [CaseRecord(topic, b"case", b"by the first")])
    await second.take_over(0)
    with pytest.raises((KafkaError, TimeoutError)):
        await first.emit(0, [CaseRecord(topic, b"case", b"by the first, paused and awake again")])
    await second.emit(0, [CaseRecord(topic, b"case", b"by the second")])
    await second.stop()
    await first.stop()

    assert [record.value for record in await cluster.records(topic)] == [b"by the first", b"by the second"]


@pytest.mark.kafka
@pytest.mark.timeout(180)
async def test_an_agent_paused_beyond_its_session_neither_loses_nor_doubles(
    kafka: str, redis_url: str, unique_name: Callable[[str], str]
) -> None:
    """It wakes up when its successor has done the work, and is refused or joins the group again, as the moment
    wills."""
    cluster = CaseCluster(kafka, redis_url, unique_name, fenced=True)
    await cluster.create_topics()
    half = len(ALERTS) // 2
    publishing = asyncio.create_task(cluster.publish_alerts(ALERTS[:half]))
    with agent_process(cluster) as paused:
        await eventually(cluster.case_events, at_least(20))
        paused.send_signal(signal.SIGSTOP)
        await publishing
        with agent_process(cluster), agent_process(cluster):  # one to spare, as a supervisor would start it
            await eventually(cluster.case_events, at_least(half))
            paused.send_signal(signal.SIGCONT)
            await cluster.publish_alerts(ALERTS[half:], first_offset=half)
            await eventually(cluster.case_events, at_least(len(ALERTS)))

    await assert_each_alert_once(cluster, versions=40)


async def assert_each_alert_once(cluster: CaseCluster, versions: int) -> None:
    for account, case in (await cluster.cases()).items():
        assert [line.alert_id for line in case.alerts] == [f"{account}-{number}" for number in range(40)]
        assert case.amount_totals == {"EUR": "4.00"}

    contents: dict[tuple[str, int], set[bytes]] = defaultdict(set)
    for case in await cluster.case_events():
        contents[case.case_id, case.version].add(msgspec.json.encode(case))
    assert {version for _, version in contents} == set(range(1, versions + 1))
    assert all(len(found) == 1 for found in contents.values())


def at_least(count: int) -> Callable[[list[Case]], bool]:
    return lambda found: len(found) >= count

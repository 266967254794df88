"""A killed case agent loses no alert and applies none twice.

Invariant: whatever is killed and when, each account's case has its alerts once, in order, and its versions have no gap
and no second content. Method: the real command, SIGKILL at seeded moments under load, earlier alerts published again as
a worker does after a crash, then the topic read as any consumer would. Limits: on the embedded broker, which has no
fencing, it is not tested that a paused agent is refused.
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
from tests.brokers import on_both_brokers, on_kafka
from tests.integration.cases.agent_process import agent_process
from tests.integration.cases.case_cluster import CaseCluster, eventually
from tests.unit.cases.events import action, alert

ACCOUNTS = [f"acc-{number}" for number in range(5)]
ALERTS = [alert(f"{account}-{number}", account, amount="0.10") for number in range(40) for account in ACCOUNTS]


@on_both_brokers
@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.timeout(180)
async def test_a_killed_agent_loses_nothing_and_repeats_nothing(cluster: CaseCluster, seed: int) -> None:
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
            [
                action(
                    "close",
                    case_id_of(a, f"{a}-0"),
                    account_id=a,
                    action_id=a,
                    disposition="confirmed_fraud",
                    typology="mule",
                )
                for a in ACCOUNTS
            ]
        )
        await eventually(cluster.cases, lambda found: all(case.status == "closed" for case in found.values()))

    await assert_each_alert_once(cluster, versions=41)  # 40 alerts and the closing

    labels = [msgspec.json.decode(record.value) for record in await cluster.records(cluster.settings.payments_topic)]
    assert {label["event_id"] for label in labels} == {each.event_id for each in ALERTS}


@on_both_brokers
async def test_a_terminated_agent_exits_with_zero_and_its_successor_repeats_nothing(cluster: CaseCluster) -> None:
    await cluster.publish_alerts([alert("a1")])
    with agent_process(cluster) as agent:
        await eventually(cluster.case_events, lambda found: len(found) == 1)
        agent.terminate()
        assert await asyncio.to_thread(agent.wait, 30) == 0

    await cluster.publish_alerts([alert("a1"), alert("a2")])
    with agent_process(cluster):
        events: list[Case] = await eventually(cluster.case_events, lambda found: len(found) == 2)
    assert events[-1].alert_count == 2


@on_kafka
async def test_the_previous_owner_of_a_partition_is_refused_by_the_broker(cluster: CaseCluster) -> None:
    topic, group = cluster.settings.cases_topic, cluster.settings.group
    first, second = FencedEmission(cluster.settings.brokers, group), FencedEmission(cluster.settings.brokers, group)
    await first.start()
    await second.start()
    await first.acquire(0)
    await first.emit(0, [CaseRecord(topic, b"case", b"by the first")])
    await second.acquire(0)
    with pytest.raises((KafkaError, TimeoutError)):
        await first.emit(0, [CaseRecord(topic, b"case", b"by the first, paused and resumed")])
    await second.emit(0, [CaseRecord(topic, b"case", b"by the second")])
    await second.stop()
    await first.stop()

    assert [record.value for record in await cluster.records(topic)] == [b"by the first", b"by the second"]


@on_kafka
@pytest.mark.timeout(180)
async def test_an_agent_paused_beyond_its_session_loses_nothing_and_repeats_nothing(cluster: CaseCluster) -> None:
    """It resumes after its successor has done the work. Depending on timing it is fenced or joins the group again."""
    half = len(ALERTS) // 2
    publishing = asyncio.create_task(cluster.publish_alerts(ALERTS[:half]))
    with agent_process(cluster) as paused:
        await eventually(cluster.case_events, at_least(20))
        paused.send_signal(signal.SIGSTOP)
        await publishing
        with agent_process(cluster), agent_process(cluster):  # the second as a spare, as a supervisor would start it
            await eventually(cluster.case_events, at_least(half))
            paused.send_signal(signal.SIGCONT)
            await cluster.publish_alerts(ALERTS[half:], first_offset=half)
            await eventually(cluster.case_events, at_least(len(ALERTS)))

    await assert_each_alert_once(cluster, versions=40)


async def assert_each_alert_once(cluster: CaseCluster, versions: int) -> None:
    """Assert the invariant of this module; `versions`: of each case."""
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

"""Cases that a queue assigns by itself, on a broker and a Redis: absences are respected, restarts repeat nothing."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec

from fraudstream.cases.absences import Absence, AbsenceStore
from fraudstream.cases.agent import CaseAgent
from fraudstream.cases.observer import Unobserved
from fraudstream.cases.policy import CasePolicy
from fraudstream.contracts import Case
from tests.brokers import on_both_brokers
from tests.integration.cases.case_cluster import CaseCluster, eventually
from tests.unit.cases.events import alert

pytestmark = on_both_brokers

POLICY = msgspec.convert(
    {"queues": [{"name": "general", "assignment": {"method": "round_robin", "analysts": ["ann", "bob"]}}]}, CasePolicy
)


@asynccontextmanager
async def running(cluster: CaseCluster, key: str) -> AsyncIterator[None]:
    settings = msgspec.structs.replace(cluster.settings, policy=POLICY)
    agent = CaseAgent(settings, Unobserved(), cluster.view(), absences=AbsenceStore.at(settings.redis_url, key))
    await agent.start()
    try:
        yield
    finally:
        await agent.stop()
        assert agent.crash_reason is None


def are_assigned(count: int) -> Callable[[dict[str, Case]], bool]:
    return lambda found: len(found) == count and all(case.status == "assigned" for case in found.values())


async def test_cases_go_round_across_restarts_and_past_who_is_absent(
    cluster: CaseCluster, unique_name: Callable[[str], str]
) -> None:
    key = unique_name("absences")
    store = AbsenceStore.at(cluster.settings.redis_url, key)
    accounts = [f"acc-{number}" for number in (1, 3, 5, 7)]
    for number in range(2):  # each with an agent of its own
        async with running(cluster, key):
            await cluster.publish_alerts([alert(f"a{number}", accounts[number])], first_offset=number)
            await eventually(cluster.cases, are_assigned(number + 1))
    now_ms = time.time_ns() // 1_000_000
    await store.put(Absence("ann", now_ms + 3_600_000, "sue"))
    async with running(cluster, key):
        await cluster.publish_alerts([alert("a2", accounts[2]), alert("a3", accounts[3])], first_offset=2)
        found = await eventually(cluster.cases, are_assigned(4))
    await store.close()
    assert {found[each].assignee for each in accounts[2:]} == {"bob"}
    actions = await cluster.records(cluster.settings.case_actions_topic)
    assert len(actions) == 4
    versions = [case.version for case in await cluster.case_events()]
    assert sorted(versions) == [1, 1, 1, 1, 2, 2, 2, 2]

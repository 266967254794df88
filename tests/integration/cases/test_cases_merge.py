"""Cases that are merged and split on a broker: no alert is lost or doubled, also when the agent is killed between."""

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from fraudstream.cases.agent import CaseAgent
from fraudstream.cases.grouping import case_id_of
from fraudstream.cases.observer import Unobserved
from fraudstream.contracts import Case, CaseAction, CaseAnswer, Label
from tests.brokers import on_both_brokers
from tests.integration.cases.agent_process import agent_process
from tests.integration.cases.case_cluster import CaseCluster, accounts_of, eventually
from tests.unit.cases.events import action, alert

pytestmark = on_both_brokers


TOGETHER, ELSEWHERE = accounts_of(0, 3), accounts_of(1, 1)[0]
ONE, TWO = TOGETHER[:2]
ACCOUNTS = [*TOGETHER, ELSEWHERE]
ALERTS = [alert(f"{account}-{number}", account, amount="0.10") for number in range(30) for account in ACCOUNTS]
FIRST, SECOND = case_id_of(ONE, "a1"), case_id_of(TWO, "b1")


@asynccontextmanager
async def running(cluster: CaseCluster) -> AsyncIterator[None]:
    agent = CaseAgent(cluster.settings, Unobserved(), cluster.view())
    await agent.start()
    try:
        yield
    finally:
        await agent.stop()
        assert agent.crash_reason is None


async def answers(cluster: CaseCluster) -> list[CaseAnswer]:
    records = await cluster.records(cluster.settings.case_answers_topic)
    return [msgspec.json.decode(record.value, type=CaseAnswer) for record in records]


async def newest(cluster: CaseCluster) -> dict[str, Case]:
    found: dict[str, Case] = {}
    for case in await cluster.case_events():
        if case.case_id not in found or found[case.case_id].version < case.version:
            found[case.case_id] = case
    return found


async def labels(cluster: CaseCluster) -> list[Label]:
    records = await cluster.records(cluster.settings.payments_topic)
    found = [msgspec.json.decode(record.value, type=Label) for record in records]
    assert [record.key for record in records] == [label.account_id.encode() for label in found]
    return found


async def test_a_merge_holds_after_a_restart_and_its_closing_labels_the_payments_of_both(cluster: CaseCluster) -> None:
    async with running(cluster):
        await cluster.publish_alerts([alert("a1", ONE), alert("b1", TWO)])
        await eventually(cluster.case_events, lambda found: len(found) == 2)
        merge = action("merge", SECOND, account_id=TWO, other_case_id=FIRST, note="one ring")
        await cluster.publish_actions([merge])
        await eventually(lambda: answers(cluster), lambda found: len(found) == 1)
    async with running(cluster):
        await cluster.publish_alerts([alert("b1", TWO), alert("b2", TWO)], first_offset=1)
        await eventually(lambda: newest(cluster), lambda found: found[FIRST].alert_count == 3)
        split = action("split", FIRST, account_id=ONE, alert_ids=("b1", "b2"), note="not of the ring after all")
        await cluster.publish_actions([merge, split])  # the merge for the second time
        await eventually(lambda: answers(cluster), lambda found: len(found) == 3)
        apart = case_id_of(TWO, split.action_id)
        await cluster.publish_alerts([alert("b3", TWO), alert("a2", ONE)], first_offset=3)
        await eventually(lambda: newest(cluster), lambda found: found[apart].alert_count == 3)
        await cluster.publish_actions(
            [
                action("close", FIRST, account_id=ONE, disposition="confirmed_fraud", typology="mule"),
                action("close", apart, "bob", account_id=TWO, disposition="false_positive"),
            ]
        )
        await eventually(lambda: labels(cluster), lambda found: len(found) == 5)
        view = cluster.view()
        found = await eventually(
            lambda: view.of_account(TWO), lambda cases: all(case.status == "closed" for case in cases)
        )
        assert {case.case_id for case in found} == {SECOND, apart}
        await view.close()

    assert [each.accepted for each in await answers(cluster)] == [True] * 5
    assert {(each.account_id, each.event_id, each.label, each.source) for each in await labels(cluster)} == {
        (ONE, "event-of-a1", "fraud", FIRST),
        (ONE, "event-of-a2", "fraud", FIRST),
        *((TWO, f"event-of-b{number}", "genuine", apart) for number in (1, 2, 3)),
    }


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.timeout(180)
async def test_an_agent_killed_among_merges_and_splits_keeps_each_alert_in_one_case(
    cluster: CaseCluster, seed: int
) -> None:
    moments = random.Random(seed)

    async def publish() -> None:
        for number in range(0, len(ALERTS), 6):
            again = max(0, number - moments.randrange(30))
            await cluster.publish_alerts(ALERTS[again : number + 6], first_offset=again)
            await eventually(cluster.case_events, lambda found, count=number: len(found) >= count)  # type: ignore[misc]
            known = sorted((await newest(cluster)).values(), key=lambda case: case.case_id)
            if known:
                await cluster.publish_actions([changing(moments, known, f"x{number}-{n}") for n in range(3)])

    publishing = asyncio.create_task(publish())
    for kill_at in sorted(moments.sample(range(10, 110), 3)):
        with agent_process(cluster) as agent:
            await eventually(cluster.case_events, lambda found, count=kill_at: len(found) >= count)  # type: ignore[misc]
            agent.kill()
    with agent_process(cluster):
        await publishing
        await eventually(
            lambda: newest(cluster), lambda found: sum(case.alert_count for case in found.values()) >= len(ALERTS)
        )
        cases = await newest(cluster)
        closings = [
            action("close", case_id, account_id=case.account_id, action_id=case_id, disposition="false_positive")
            for case_id, case in cases.items()
            if case.status != "closed"
        ]
        await cluster.publish_actions(closings)
        await eventually(lambda: newest(cluster), lambda found: all(case.status == "closed" for case in found.values()))

    cases = await newest(cluster)
    assert any(case.merged_into for case in cases.values())
    listed = {line.alert_id: case_id for case_id, case in cases.items() for line in case.alerts}
    counted = Counter(line.alert_id for case in cases.values() for line in case.alerts)
    assert counted == {each.alert_id: 1 for each in ALERTS}
    assert sum(case.alert_count for case in cases.values()) == len(ALERTS)
    by_event = {each.event_id: each for each in ALERTS}
    for label in await labels(cluster):
        of = by_event[label.event_id]
        assert (label.account_id, label.source) == (of.account_id, listed[of.alert_id])
    assert {label.event_id for label in await labels(cluster)} == by_event.keys()
    contents: dict[tuple[str, int], set[bytes]] = defaultdict(set)
    for case in await cluster.case_events():
        contents[case.case_id, case.version].add(msgspec.json.encode(case))
    assert all(len(found) == 1 for found in contents.values())


def changing(moments: random.Random, cases: list[Case], action_id: str) -> CaseAction:
    """A merge or a split of one of the cases; it may be refused."""
    case, other = moments.choice(cases), moments.choice(cases)
    if moments.random() < 0.5 and len(case.alerts) > 1:
        chosen = moments.choice(case.alerts)
        fields: dict[str, Any] = {"alert_ids": (chosen.alert_id,), "note": "n"}
        return action("split", case.case_id, account_id=case.account_id, action_id=action_id, **fields)
    return action("merge", case.case_id, account_id=case.account_id, action_id=action_id, other_case_id=other.case_id)

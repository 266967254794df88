"""One connection for many actions: each caller gets the answer to its own, and none waits for ever."""

from __future__ import annotations

import asyncio

import pytest

from fraudstream.cases.agent import CaseAgent
from fraudstream.contracts import Case, CaseAction
from fraudstream.operations.case_action_client import CaseActionClient
from fraudstream.operations.case_actions import NoAnswerError, RejectedActionError, new_case_action
from fraudstream.operations.errors import MissingTopicError
from tests.integration.cases.case_cluster import PARTITIONS, CaseCluster, eventually
from tests.unit.cases.events import alert
from tests.unit.console.console_app import case

CASES = 20
CASE = case()


def claim(case: Case, actor: str) -> CaseAction:
    return new_case_action(case, "claim", actor=actor, acted_at_ms=5_000)


async def cases_of(cluster: CaseCluster) -> list[tuple[int, Case]]:
    """Each case with its partition, once the agent has opened all."""
    view = cluster.view()
    found = await eventually(lambda: view.queue(2 * CASES), lambda found: len(found) == CASES)
    partitions = [await view.partition_of(case.case_id) or 0 for case in found]
    await view.close()
    return list(zip(partitions, found, strict=True))


async def test_many_at_once_each_get_their_answer(cluster: CaseCluster) -> None:
    agent = CaseAgent(cluster.settings, view=cluster.view())
    await agent.start()
    try:
        await cluster.publish_alerts([alert(f"a{number}", f"acc-{number}") for number in range(CASES)])
        cases = await cases_of(cluster)
        assert {partition for partition, _ in cases} == set(range(PARTITIONS))
        async with CaseActionClient(cluster.settings) as client:
            acts = [
                client.act(each, partition, claim(each, name)) for partition, each in cases for name in ("ann", "bob")
            ]
            results = await asyncio.gather(*acts, return_exceptions=True)
            again = claim(cases[0][1], "cleo")
            for _ in range(2):  # one id sent twice, as by two requests with one idempotency key
                with pytest.raises(RejectedActionError):
                    await client.act(cases[0][1], cases[0][0], again)
    finally:
        await agent.stop()
    for (_, each), ann, bob in zip(cases, results[::2], results[1::2], strict=True):
        won, lost = (bob, ann) if isinstance(ann, RejectedActionError) else (ann, bob)
        assert not isinstance(won, BaseException)
        assert isinstance(lost, RejectedActionError)
        assert won.case.case_id == lost.case.case_id == each.case_id
        assert won.case.assignee == won.action.actor == lost.case.assignee


async def test_who_waits_while_it_is_closed_is_told(cluster: CaseCluster) -> None:
    client = CaseActionClient(cluster.settings)
    await client.open()
    waiting = asyncio.create_task(client.act(CASE, 0, claim(CASE, "ann")))
    await asyncio.sleep(0.3)
    await client.close()
    with pytest.raises(ConnectionError, match="was closed"):
        await waiting
    assert client.is_broken


async def test_no_agent_and_no_partition_are_told_apart(cluster: CaseCluster) -> None:
    async with CaseActionClient(cluster.settings) as client:
        with pytest.raises(NoAnswerError, match=r"within 0\.2 s"):
            await client.act(CASE, 0, claim(CASE, "ann"), answer_s_max=0.2)
        with pytest.raises(MissingTopicError):
            await client.act(CASE, PARTITIONS, claim(CASE, "ann"))
        assert not client.is_broken

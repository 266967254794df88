"""A case is worked from the command line: the new state is printed, the label arrives, a rejection is explained."""

from __future__ import annotations

import asyncio
import json

import msgspec
import pytest
from msgspec.structs import replace

from fraudstream.cases.grouping import case_id_of
from fraudstream.cases.view import CaseView
from fraudstream.cli.case_list_values import values_of_case
from fraudstream.cli.failure import Failure
from fraudstream.cli.settings import Override, load_settings
from fraudstream.contracts import Alert, CaseAction, Label
from fraudstream.operations.case_action_client import act_on_case
from fraudstream.operations.case_actions import NoAnswerError, RejectedActionError, new_case_action
from tests.brokers import on_both_brokers
from tests.integration.cases.case_cluster import CaseCluster, accounts_of, eventually
from tests.integration.cases.running_agent import running_agent
from tests.integration.operations.case_commands import CaseCommands, case_of
from tests.unit.cases.events import alert

pytestmark = on_both_brokers


async def test_a_case_is_claimed_noted_closed_with_its_label_and_reopened(
    cluster: CaseCluster, view: CaseView, capsys: pytest.CaptureFixture[str]
) -> None:
    cases = CaseCommands(cluster, capsys)
    async with running_agent(cluster):
        await cluster.publish_alerts([alert("a1")])
        case_id = (await case_of(view, "acc-1")).case_id

        assert await cases("claim", case_id, "--as", "ann") == (0, f"case {case_id} of acc-1 is in review by ann\n")
        code, out = await cases("note", case_id, "called the customer", "--as", "ann", "--json")
        assert code == 0
        (note,) = json.loads(out)["notes"]
        assert (note["actor"], note["action"], note["text"]) == ("ann", "note", "called the customer")
        code, out = await cases(
            "close", case_id, "--disposition", "confirmed_fraud", "--typology", "mule", "--as", "ann"
        )
        assert (code, out) == (0, f"case {case_id} of acc-1 is closed as confirmed_fraud (mule) by ann, 1 note\n")
        (record,) = await eventually(
            lambda: cluster.records(cluster.settings.payments_topic), lambda found: len(found) == 1
        )
        code, out = await cases("reopen", case_id, "--as", "bob")
        assert (code, out) == (0, f"case {case_id} of acc-1 is new, 1 note\n")

    label = msgspec.json.decode(record.value, type=Label)
    assert (label.event_id, label.label, label.source) == ("event-of-a1", "fraud", case_id)
    assert [case.status for case in await cluster.case_events()] == ["new", "in_review", "in_review", "closed", "new"]


async def test_a_rejected_action_is_one_sentence_and_exit_code_1(
    cluster: CaseCluster, view: CaseView, capsys: pytest.CaptureFixture[str]
) -> None:
    cases = CaseCommands(cluster, capsys)
    async with running_agent(cluster):
        await cluster.publish_alerts([alert("a1")])
        case_id = (await case_of(view, "acc-1")).case_id
        assert (await cases("claim", case_id, "--as", "ann"))[0] == 0
        code, out = await cases("claim", case_id, "--as", "bob")
        events = await cluster.case_events()

    assert code == 1
    assert out == (
        f"fraudstream: The case agent rejected 'claim': case {case_id} is assigned to ann: only they can claim it. "
        "Assign or release it first.\n"
    )
    assert [case.assignee for case in events] == [None, "ann"]


async def test_several_cases_are_acted_on_and_those_of_an_absent_colleague_released(
    cluster: CaseCluster, view: CaseView, capsys: pytest.CaptureFixture[str]
) -> None:
    cases = CaseCommands(cluster, capsys)
    async with running_agent(cluster):
        await cluster.publish_alerts([alert("a1"), alert("a2", "acc-2"), alert("a3", "acc-3")])
        ids = [(await case_of(view, account)).case_id for account in ("acc-1", "acc-2", "acc-3")]
        assert (await cases("assign", *ids[:2], "--to", "bob", "--as", "ann"))[0] == 0
        code, out = await cases("close", *ids, "--disposition", "inconclusive", "--as", "ann")
        assert (code, out.count("only they can close it")) == (1, 2)
        await eventually(lambda: view.case(ids[1]), lambda found: found is not None and found.assignee == "bob")
        code, out = await cases("release", "--all-of", "bob", "--as", "ann")
        assert (code, sorted(out.splitlines())) == (
            0,
            sorted(f"case {case_id} of acc-{n} is new" for n, case_id in enumerate(ids[:2], 1)),
        )
        assert (await cases("release", "--as", "ann"))[0] == 1
        found = await cluster.cases()
    assert {account: case.status for account, case in found.items()} == {
        "acc-1": "new",
        "acc-2": "new",
        "acc-3": "closed",
    }


async def test_cases_are_merged_split_tagged_and_handed_over(
    cluster: CaseCluster, view: CaseView, capsys: pytest.CaptureFixture[str]
) -> None:
    cases = CaseCommands(cluster, capsys)
    one, two = accounts_of(0, 2)
    async with running_agent(cluster):
        await cluster.publish_alerts([alert("a1", one), alert("a2", one), alert("b1", two)])
        ids = [(await case_of(view, account)).case_id for account in (one, two)]
        await eventually(lambda: view.case(ids[0]), lambda found: found is not None and found.alert_count == 2)
        assert (await cases("tag", *ids, "--tag", "ring", "--as", "ann"))[0] == 0
        assert (await cases("tag", ids[0], "--tag", "two words", "--as", "ann"))[0] == 1
        code, out = await cases("merge", ids[1][:8], "--into", ids[0][:8], "--note", "one ring", "--as", "ann")
        assert (code, out) == (0, f"case {ids[1]} of {two} is merged into {ids[0]} by ann, 1 note\n")
        await eventually(lambda: view.case(ids[0]), lambda found: found is not None and found.alert_count == 3)
        code, out = await cases("list", "--tag", "ring")
        assert (code, out.count("#ring"), f"{one}, {two}" in out) == (0, 1, True)
        assert "event-of-b1: 10.00 EUR" in (await cases("show", ids[0]))[1]
        code, out = await cases("split", ids[0], "--alert", "event-of-a2", "--alert", "b1", "n", "--as", "ann")
        assert (code, "are of several accounts" in out) == (1, True)
        code, out = await cases("split", ids[0], "--alert", "event-of-a2", "another matter", "--as", "ann")
        new = case_id_of(one, (await cluster_actions(cluster))[-1].action_id)
        assert (code, out) == (0, f"case {ids[0]} of {one} is new, 2 notes; its new case is {new}\n")
        assert (await cases("assign", ids[0], "--to", "bob", "--as", "ann"))[0] == 0
        await eventually(lambda: view.case(ids[0]), lambda found: found is not None and found.assignee == "bob")
        code, out = await cases("absent", "bob", "--for", "2d", "--to", "carol", "--as", "ann")
        assert (code, f"case {ids[0]} of {one} is assigned to carol" in out) == (0, True)
        assert (await cases("present", "bob"))[1] == "bob is back\n"


async def cluster_actions(cluster: CaseCluster) -> list[CaseAction]:
    records = await cluster.records(cluster.settings.case_actions_topic)
    return [msgspec.json.decode(record.value, type=CaseAction) for record in records]


async def test_a_case_is_opened_by_hand(
    cluster: CaseCluster, view: CaseView, capsys: pytest.CaptureFixture[str]
) -> None:
    cases = CaseCommands(cluster, capsys)
    async with running_agent(cluster):
        code, out = await cases("open", "acc-9", "card lost", "--severity", "high", "--as", "ann")
        opened = await case_of(view, "acc-9")
        assert (code, out) == (0, f"case {opened.case_id} of acc-9 is open\n")
        code, out = await cases("open", "acc-9", "card lost", "--as", "ann")
        assert (code, f"has the case {opened.case_id}, which is not closed" in out) == (1, True)
        await cluster.publish_alerts([alert("a1", "acc-9")])  # by the default partitioner, as the case
        found = await eventually(cluster.cases, lambda found: found["acc-9"].alert_count == 1)
    assert found["acc-9"].case_id == opened.case_id


async def test_the_devices_of_a_confirmed_fraud_are_values_for_a_list(
    cluster: CaseCluster, view: CaseView, capsys: pytest.CaptureFixture[str]
) -> None:
    cases = CaseCommands(cluster, capsys)

    def of_device(alert_id: str, device_id: str | None) -> Alert:
        plain = alert(alert_id)
        return replace(plain, payment=replace(plain.payment, device_id=device_id))

    async with running_agent(cluster):
        await cluster.publish_alerts([of_device("a1", "dev-2"), of_device("a2", "dev-1"), of_device("a3", None)])
        (case,) = await eventually(
            lambda: view.of_account("acc-1"), lambda found: [each.alert_count for each in found] == [3]
        )
        settings = load_settings(None, {}, [Override(*pair.partition("=")[::2], "test") for pair in cases.flags[1::2]])
        with pytest.raises(Failure, match="is not closed as a confirmed fraud"):
            await asyncio.to_thread(values_of_case, settings, case.case_id, "device_id")
        flags = ("--disposition", "confirmed_fraud", "--typology", "mule", "--as", "ann")
        assert (await cases("close", case.case_id, *flags))[0] == 0
        await eventually(lambda: view.case(case.case_id), lambda found: found is not None and found.status == "closed")
        assert await asyncio.to_thread(values_of_case, settings, case.case_id, "device_id") == ["dev-1", "dev-2"]
        assert await asyncio.to_thread(values_of_case, settings, case.case_id[:8], "account_id") == ["acc-1"]
        with pytest.raises(Failure, match="has no counterparty_id: its payments have none"):
            await asyncio.to_thread(values_of_case, settings, case.case_id, "counterparty_id")


async def test_a_rejection_is_explained_by_the_newest_state_of_the_case(cluster: CaseCluster, view: CaseView) -> None:
    """The caller's copy of the case is out of date: in the meantime a colleague has claimed it."""
    async with running_agent(cluster):
        await cluster.publish_alerts([alert("a1")])
        stale = await case_of(view, "acc-1")
        partition = await view.partition_of(stale.case_id)
        assert partition is not None
        claim = new_case_action(stale, "claim", actor="ann", acted_at_ms=5_000)
        claimed = await act_on_case(cluster.settings, stale, partition, claim)
        assert (claimed.case.status, claimed.case.assignee) == ("in_review", "ann")

        close = new_case_action(stale, "close", actor="bob", acted_at_ms=6_000, disposition="false_positive")
        with pytest.raises(RejectedActionError, match="rejected 'close'") as rejected:
            await act_on_case(cluster.settings, claimed.case, partition, close)

    assert rejected.value.code == "assigned_to_other"
    assert rejected.value.action == close
    assert rejected.value.case == claimed.case


async def test_without_an_agent_the_wait_ends_with_the_place_of_the_action(
    cluster: CaseCluster, view: CaseView, capsys: pytest.CaptureFixture[str]
) -> None:
    async with running_agent(cluster):
        await cluster.publish_alerts([alert("a1")])
        case = await case_of(view, "acc-1")
    code, out = await CaseCommands(cluster, capsys)("claim", case.case_id, "--as", "ann", "--wait", "0.5")
    assert code == 1
    assert "No case agent answered within 0.5 s" in out

    partition = await view.partition_of(case.case_id)
    assert partition is not None
    release = new_case_action(case, "release", actor="ann", acted_at_ms=5_000)
    with pytest.raises(NoAnswerError) as unanswered:
        await act_on_case(cluster.settings, case, partition, release, answer_s_max=0.5)
    assert (unanswered.value.partition, unanswered.value.offset) == (partition, 1)

    async with running_agent(cluster):  # what was published is carried out as soon as an agent runs
        await eventually(cluster.cases, lambda found: found["acc-1"].version == 3)


async def test_a_case_that_the_view_does_not_have_is_one_sentence(
    cluster: CaseCluster, view: CaseView, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out = await CaseCommands(cluster, capsys)("claim", "no-such-case", "--as", "ann")
    assert code == 1
    assert "the view has no case no-such-case" in out

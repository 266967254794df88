"""A customer is asked and answers, on real topics: the notice leaves once, the answer is a note and a label."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import msgspec
import pytest

from fraudstream.cases.view import CaseView
from fraudstream.cli.main import main
from fraudstream.contracts import Case, DeadLetter, Label, Notice
from tests.brokers import on_both_brokers
from tests.integration.cases.case_cluster import CaseCluster, eventually
from tests.integration.cases.running_agent import running_agent
from tests.integration.operations.case_commands import CaseCommands, case_of
from tests.unit.cases.events import alert

pytestmark = on_both_brokers


async def notices(commands: CaseCommands, capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str]:
    capsys.readouterr()
    code = await asyncio.to_thread(main, ["notices", *args, *commands.flags])
    captured = capsys.readouterr()
    return code, captured.out + captured.err


async def asked_case(cases: CaseCommands, view: CaseView, **flags: str) -> Case:
    case_id = (await case_of(view, "account-1001")).case_id
    assert (await cases("claim", case_id, "--as", "ann"))[0] == 0
    code, out = await cases("ask", case_id, "--as", "ann", *(part for pair in flags.items() for part in pair))
    assert (code, "waits for the customer" in out or "waiting" in out) == (0, True), out
    found = await view.case(case_id)
    assert found is not None
    return found


async def newest(cluster: CaseCluster) -> Case:
    return (await cluster.cases())["account-1001"]


async def test_a_customer_is_asked_and_the_answer_is_note_and_label(
    cluster: CaseCluster, view: CaseView, capsys: pytest.CaptureFixture[str]
) -> None:
    commands, s = CaseCommands(cluster, capsys), cluster.settings
    async with running_agent(cluster):
        await cluster.publish_alerts([alert("a1", "account-1001")])
        await asked_case(commands, view)
        (record,) = await eventually(lambda: cluster.records(s.notices_topic), lambda found: len(found) == 1)
        notice = msgspec.json.decode(record.value, type=Notice)
        assert (record.key, record.partition) == (b"account-1001", notice.answer_partition)
        assert (notice.account, b"account-1001" in record.value) == ("••••1001", False)
        code, out = await notices(commands, capsys, "list", "--json")
        assert (code, [each["notice_id"] for each in json.loads(out)]) == (0, [notice.notice_id])
        assert (await notices(commands, capsys, "answer", notice.notice_id, "not_me"))[0] == 0
        case = await eventually(lambda: newest(cluster), lambda found: found.status == "in_review")
        assert case.notes[-1].text == "The customer did not make the payment event-of-a1."
        (labelled,) = await cluster.records(s.payments_topic)
        label = msgspec.json.decode(labelled.value, type=Label)
        assert (label.event_id, label.label, label.source) == ("event-of-a1", "fraud", "customer")

        assert (await notices(commands, capsys, "answer", notice.notice_id, "me"))[0] == 0
        (letter,) = await eventually(lambda: cluster.records(s.dead_letters_topic), lambda found: len(found) == 1)
        refused = msgspec.json.decode(letter.value, type=DeadLetter)
        assert (refused.reason, refused.topic) == ("notice_answer", s.notice_answers_topic)
        assert refused.sentence.startswith("already_answered: ")
        assert (await notices(commands, capsys, "answer", "f" * 32, "me"))[0] == 1


async def test_an_agent_that_is_started_again_asks_and_labels_nobody_twice(
    cluster: CaseCluster, view: CaseView, capsys: pytest.CaptureFixture[str]
) -> None:
    commands, s = CaseCommands(cluster, capsys), cluster.settings
    async with running_agent(cluster):
        await cluster.publish_alerts([alert("a1", "account-1001")])
        await asked_case(commands, view)
    (record,) = await cluster.records(s.notices_topic)
    notice_id = msgspec.json.decode(record.value, type=Notice).notice_id
    assert (await notices(commands, capsys, "answer", notice_id, "me"))[0] == 0
    for _ in range(2):
        async with running_agent(cluster):
            case = await eventually(lambda: newest(cluster), lambda found: found.status == "in_review")
            code, _ = await commands("note", case.case_id, "n", "--as", "ann")
            assert code == 0
    assert [note.action for note in (await newest(cluster)).notes] == ["answer", "note", "note"]
    assert len(await cluster.records(s.payments_topic)) == 1
    assert len(await cluster.records(s.notices_topic)) == 1
    assert await cluster.records(s.dead_letters_topic) == []


async def test_a_notice_expires_by_itself(
    cluster: CaseCluster, view: CaseView, capsys: pytest.CaptureFixture[str]
) -> None:
    commands: Any = CaseCommands(cluster, capsys)
    async with running_agent(cluster):
        await cluster.publish_alerts([alert("a1", "account-1001")])
        await asked_case(commands, view, **{"--for": "1s"})
        case = await eventually(lambda: newest(cluster), lambda found: found.status == "in_review")
    assert [notice.state for notice in case.notices] == ["expired"]
    assert case.steps[-1].detail == "notice_end"

"""The case agent on a broker: alerts and actions in, cases, labels and dead letters out."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest

from fraudstream.cases.agent import CaseAgent
from fraudstream.cases.failure import AgentError
from fraudstream.cases.grouping import case_id_of
from fraudstream.cases.observer import Unobserved
from fraudstream.cases.policy import NO_POLICY, CasePolicy, Queue, ServiceLevel
from fraudstream.contracts import CaseAction, CaseAnswer, DeadLetter, Label
from fraudstream.contracts.record_signature import RecordSignatures, SigningSecrets
from tests.brokers import on_both_brokers
from tests.integration.cases.case_cluster import CaseCluster, eventually
from tests.unit.cases.events import action, alert

pytestmark = on_both_brokers


class RecordedRefusals(Unobserved):
    """Records refused actions and repeats."""

    def __init__(self) -> None:
        self.refused: list[str] = []
        self.repeats: list[str] = []

    def on_rejected(self, partition: int, *, code: str) -> None:
        self.refused.append(code)

    def on_repeat(self, partition: int, *, kind: str) -> None:
        self.repeats.append(kind)


@asynccontextmanager
async def running(
    cluster: CaseCluster, policy: CasePolicy = NO_POLICY, ahead_ms: int = 0
) -> AsyncIterator[RecordedRefusals]:
    """A case agent that runs until the block ends, without a failure. `ahead_ms`: its clock's lead."""
    recorder = RecordedRefusals()
    settings = msgspec.structs.replace(cluster.settings, policy=policy)
    agent = CaseAgent(settings, recorder, cluster.view(), lambda: time.time_ns() // 1_000_000 + ahead_ms)
    await agent.start()
    try:
        yield recorder
    finally:
        await agent.stop()
        assert agent.crash_reason is None


async def test_alerts_become_one_case_an_account(cluster: CaseCluster) -> None:
    alerts = [alert(f"{account}-{n}", account) for n in range(3) for account in ("acc-1", "acc-2", "acc-3")]
    async with running(cluster):
        await cluster.publish_alerts(alerts)
        events = await eventually(cluster.case_events, lambda found: len(found) == 9)

    assert sorted(case.version for case in events) == [1, 1, 1, 2, 2, 2, 3, 3, 3]
    for account, case in (await cluster.cases()).items():
        assert [line.alert_id for line in case.alerts] == [f"{account}-{n}" for n in range(3)]
        assert case.amount_totals == {"EUR": "30.00"}
    for record in await cluster.records(cluster.settings.cases_topic):
        assert record.key == msgspec.json.decode(record.value)["case_id"].encode()


async def test_a_repeated_alert_and_a_repeated_action_emit_nothing(cluster: CaseCluster) -> None:
    note = action("note", case_id_of("acc-1", "a1"), note="seen")
    async with running(cluster) as recorder:
        await cluster.publish_alerts([alert("a1")])
        await eventually(cluster.case_events, lambda found: len(found) == 1)
        await cluster.publish_alerts([alert("a1"), alert("a2")])
        await cluster.publish_actions([note, note])
        await eventually(lambda: _current(recorder.repeats), lambda found: len(found) == 2)
        events = await eventually(cluster.case_events, lambda found: len(found) == 3)

    assert sorted(recorder.repeats) == ["action", "alert"]
    answers = [
        msgspec.json.decode(record.value, type=CaseAnswer)
        for record in await cluster.records(cluster.settings.case_answers_topic)
    ]
    assert len(answers) == 2
    assert {(each.action_id, each.accepted, each.version) for each in answers} == {
        (note.action_id, True, next(each.version for each in events if each.notes))
    }
    assert events[-1].alert_count == 2
    assert [(note.actor, note.text) for note in events[-1].notes] == [("ann", "seen")]


async def test_labels_are_signed_where_the_deployment_requires_it(cluster: CaseCluster) -> None:
    signatures = RecordSignatures(labels=SigningSecrets("label", {"l": b"l" * 32}))
    cluster.settings = msgspec.structs.replace(cluster.settings, label_secrets=signatures.labels)
    async with running(cluster):
        await cluster.publish_alerts([alert("a1")])
        await eventually(cluster.case_events, lambda found: len(found) == 1)
        await cluster.publish_actions([action("close", case_id_of("acc-1", "a1"), disposition="false_positive")])
        [label] = await eventually(
            lambda: cluster.records(cluster.settings.payments_topic), lambda found: len(found) == 1
        )
    assert label.headers[0] == ("type", b"label")
    assert signatures.accepts(label)


async def test_a_disposition_becomes_labels_in_the_log_of_payments(cluster: CaseCluster) -> None:
    case_id = case_id_of("acc-1", "a1")
    async with running(cluster):
        await cluster.publish_alerts([alert("a1"), alert("a2")])
        await eventually(cluster.case_events, lambda found: len(found) == 2)
        await cluster.publish_actions([action("close", case_id, disposition="confirmed_fraud", typology="mule")])
        labels = await eventually(
            lambda: cluster.records(cluster.settings.payments_topic), lambda found: len(found) == 2
        )
        await eventually(cluster.cases, lambda found: found["acc-1"].status == "closed")

    for record in labels:
        assert (record.partition, record.key, record.headers) == (0, b"acc-1", (("type", b"label"),)), (
            "a label is not in the partition of its payment"
        )
    decoded = [msgspec.json.decode(record.value, type=Label) for record in labels]
    assert [(label.event_id, label.label, label.source) for label in decoded] == [
        ("event-of-a1", "fraud", case_id),
        ("event-of-a2", "fraud", case_id),
    ]


async def test_an_invalid_action_is_refused_and_the_next_one_applied(cluster: CaseCluster) -> None:
    case_id = case_id_of("acc-1", "a1")
    async with running(cluster) as recorder:
        await cluster.publish_alerts([alert("a1")])
        await eventually(cluster.case_events, lambda found: len(found) == 1)
        await cluster.publish_actions(
            [action("release", case_id), action("claim", "no-such-case"), action("claim", case_id)]
        )
        cases = await eventually(cluster.cases, lambda found: found["acc-1"].version == 2)

    assert recorder.refused == ["wrong_status", "unknown_case"]
    assert cases["acc-1"].assignee == "ann"


async def test_invalid_alerts_and_actions_become_dead_letters_and_later_ones_are_applied(cluster: CaseCluster) -> None:
    s = cluster.settings
    good = msgspec.json.encode(alert("a1"))
    async with running(cluster):
        await cluster.publish(s.alerts_topic, b"{", b"acc-1")
        await cluster.publish(s.alerts_topic, b'{"alert_id": 7}', b"acc-1")
        await cluster.publish(s.alerts_topic, b"\xff\xfe", b"acc-1")
        await cluster.publish(s.alerts_topic, good, b"acc-2")
        await cluster.publish(s.alerts_topic, msgspec.json.encode(alert("a2", amount="1e3")), b"acc-1")
        await cluster.publish(s.alerts_topic, good, b"acc-1" * 2_000)
        await cluster.publish(s.case_actions_topic, b'{"action": "close"}', b"acc-1")
        letters = await eventually(lambda: cluster.records(s.dead_letters_topic), lambda found: len(found) == 7)
        await cluster.publish(s.alerts_topic, good, b"acc-1")
        await eventually(cluster.case_events, lambda found: len(found) == 1)

    decoded = [msgspec.json.decode(record.value, type=DeadLetter) for record in letters]
    assert sorted(letter.reason for letter in decoded) == [
        "amount",
        "invalid",
        "invalid",
        "key",
        "key",
        "not_json",
        "not_json",
    ]
    assert b"\xff\xfe" in {letter.value for letter in decoded}


async def test_a_second_agent_resumes_where_the_first_stopped(cluster: CaseCluster) -> None:
    async with running(cluster):
        await cluster.publish_alerts([alert("a1")])
        await eventually(cluster.case_events, lambda found: len(found) == 1)
    await cluster.publish_alerts([alert("a1"), alert("a2")])
    async with running(cluster) as recorder:
        events = await eventually(cluster.case_events, lambda found: len(found) == 2)

    assert events[-1].alert_count == 2
    assert recorder.repeats == ["alert"]


async def test_what_became_due_while_no_agent_ran_takes_effect_once(cluster: CaseCluster) -> None:
    policy = CasePolicy(queues=(Queue("all", first_action=ServiceLevel("15m", "30m"), escalate_to="senior"),))
    async with running(cluster, policy):
        await cluster.publish_alerts([alert("a1")])
        await eventually(cluster.case_events, lambda found: len(found) == 1)
    for _ in range(2):
        async with running(cluster, policy, ahead_ms=3_600_000):
            cases = await eventually(cluster.cases, lambda found: found["acc-1"].status == "escalated")
    case = cases["acc-1"]
    assert (case.version, case.escalated_to, case.timers) == (3, "senior", ())
    assert case.warned_at_ms is not None
    assert case.breached_at_ms == case.warned_at_ms + 15 * 60_000
    expiries = await cluster.records(cluster.settings.case_actions_topic)
    assert len({msgspec.json.decode(each.value, type=CaseAction).action_id for each in expiries}) == 2


async def test_two_agents_share_the_partitions_and_a_rebalance_repeats_nothing(cluster: CaseCluster) -> None:
    """Stock Faust tables would repeat the offsets since the last commit. Method: alerts arrive while agents start and
    stop."""
    accounts = [f"acc-{n}" for n in range(6)]
    alerts = [alert(f"{account}-{n}", account) for n in range(20) for account in accounts]

    async def publish() -> None:
        for number in range(0, len(alerts), 6):
            await cluster.publish_alerts(alerts[number : number + 6], first_offset=number)

    async with running(cluster):
        publishing = asyncio.create_task(publish())
        await eventually(cluster.case_events, lambda found: len(found) >= 10)
        async with running(cluster):
            await eventually(cluster.case_events, lambda found: len(found) >= 60)
        await publishing
        await eventually(cluster.case_events, lambda found: len(found) >= len(alerts))

    cases = await cluster.cases()
    assert {account: case.alert_count for account, case in cases.items()} == dict.fromkeys(accounts, 20)
    assert all([line.alert_id for line in cases[a].alerts] == [f"{a}-{n}" for n in range(20)] for a in accounts)
    assert len(await cluster.case_events()) == len(alerts)


async def test_topics_that_do_not_match_in_partitions_are_refused_at_the_start(cluster: CaseCluster) -> None:
    settings = msgspec.structs.replace(cluster.settings, case_actions_topic=f"{cluster.settings.cases_topic}-of-four")
    await cluster.create_topics([settings.case_actions_topic], partitions=4)

    with pytest.raises(AgentError, match="equally many partitions"):
        await CaseAgent(settings).start()


async def _current(found: list[str]) -> list[str]:
    return found

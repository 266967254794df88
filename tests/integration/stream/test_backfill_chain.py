"""Backfill and cut-over of a chain of stages, whose new version has one stage more, one less, or other features.

Invariant: each payment has one verdict, that of the old rules if it comes before the switch in the payments log, else
that of the new rules; and each verdict is that of a replay of the log in which it was decided.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from fraudstream.cli.main import main
from fraudstream.contracts import Decision, Payment
from fraudstream.contracts.headers import CONTROL_HEADER
from fraudstream.engine.log import read_log
from fraudstream.stream.settings import ALL_ENTITIES, StageForm
from tests.brokers import SelectedBroker, on_kafka
from tests.integration.stream.cluster import StreamCluster
from tests.integration.stream.entity_rules import ONE, STAGES, THREE, TWO, publish, rules_of
from tests.integration.stream.rule_commands import activate_when_backfilled
from tests.integration.stream.topic_input import publish_steadily
from tests.integration.stream.topic_output import at_least, decision_of, judged, payments_decided
from tests.integration.stream.worker_log import ASSIGNED, BACKFILL_STARTED, CUT_OVER, SUPERSEDED

SEVERAL = {"": 2, "account": 3, "device": 2, "merchant": 2}
ONE_EACH = dict.fromkeys((*SEVERAL, ALL_ENTITIES), 1)
ONE_LOG = {**SEVERAL, "account": 1, ALL_ENTITIES: 1}


OTHER_TWO = rules_of(*STAGES[:2], where=", where: amount > 1")
CHANGES = {"one more": (TWO, THREE), "the first more": (ONE, TWO), "only one": (TWO, ONE), "others": (TWO, OTHER_TWO)}
FORMS: dict[str, tuple[StageForm, StageForm]] = {
    "to a chain": ("single", "chain"),
    "to a single stage": ("chain", "single"),
}


class VersionChange(NamedTuple):
    """A cluster under the old rules, and the same topics under the new ones and the next state version."""

    old: StreamCluster
    new: StreamCluster


@pytest.fixture
async def change(
    request: pytest.FixtureRequest,
    selected_broker: SelectedBroker,
    unique_name: Callable[[str], str],
    tmp_path: Path,
) -> VersionChange:
    """The clusters before and after; the parameter names the change and the partitions of each topic."""
    kind, partitions = request.param
    servers, is_kafka = selected_broker
    old, new = (
        StreamCluster(servers, unique_name, tmp_path / name, is_kafka, rules, partitions)
        for name, rules in zip(("old", "new"), CHANGES.get(kind, (TWO, OTHER_TWO)), strict=True)
    )
    before, after = FORMS.get(kind, ("chain", "chain"))
    old.settings = msgspec.structs.replace(old.settings, stages=before)
    new.settings = msgspec.structs.replace(old.settings, stages=after, state_version=2)
    await old.create_topics()
    return VersionChange(old, new)


@pytest.mark.parametrize("change", [(kind, SEVERAL) for kind in CHANGES], ids=CHANGES, indirect=True)
async def test_another_chain_is_cut_over_and_each_payment_has_one_verdict(
    change: VersionChange, capsys: pytest.CaptureFixture[str]
) -> None:
    await cut_over(change, capsys, killed=False)
    await assert_explained(change, capsys)


@pytest.mark.parametrize("change", [(kind, ONE_LOG) for kind in FORMS], ids=FORMS, indirect=True)
async def test_the_form_of_the_stages_is_cut_over_and_each_payment_has_one_verdict(
    change: VersionChange, capsys: pytest.CaptureFixture[str]
) -> None:
    await cut_over(change, capsys, killed=False)
    await assert_explained(change, capsys)
    for flags in (change.new.flags({"worker.state_version": "2"}), change.old.flags()):
        capsys.readouterr()
        assert await asyncio.to_thread(main, ["rules", "active", "--json", *flags]) == 0
        [version] = msgspec.json.decode(capsys.readouterr().out)["state_versions"]
        assert (version["state_version"], version["reached"]) == (2, True)


@pytest.mark.parametrize("change", [("one more", ONE_EACH)], ids=["one more"], indirect=True)
async def test_what_both_chains_decide_is_a_replay_of_all_payments(
    change: VersionChange, capsys: pytest.CaptureFixture[str]
) -> None:
    """With one partition a topic every stage reads the payments in their order."""
    switched = await cut_over(change, capsys, killed=False)
    log = await change.old.records(change.old.settings.payments_topic, lambda found: len(found) > switched[0])
    payments = [record for record in log if CONTROL_HEADER not in record.headers]
    published = {decision.event_id: value for decision, value in await decisions_of(change.old, len(payments))}
    events = [msgspec.json.decode(record.value, type=Payment) for record in payments]
    old, new = (cluster.engine.judge(events, cluster.engine.new_state()).decisions() for cluster in change)
    for record, before, after in zip(payments, old, new, strict=True):
        due = before if record.offset < switched[0] else after
        if b"test/stolen" not in published[due.event_id]:  # a replay of payments has no list entries
            assert published[due.event_id] == msgspec.json.encode(due)


@on_kafka
@pytest.mark.parametrize("change", [("one more", SEVERAL)], ids=["one more"], indirect=True)
async def test_another_chain_is_cut_over_though_both_sides_are_killed(
    change: VersionChange, capsys: pytest.CaptureFixture[str]
) -> None:
    await cut_over(change, capsys, killed=True)


async def cut_over(change: VersionChange, capsys: pytest.CaptureFixture[str], killed: bool) -> dict[int, int]:
    """Run the change under load; `killed`: workers of both versions are killed on the way.

    Returns, by partition of the payments log, the offset of the switch.
    """
    cluster, partitions = change.old, change.old.partitions_of("account")
    partitions_of_all = sum(cluster.partitions_of(stage.stage) for stage in change.new.stages)
    backfill = {
        "rules.directory": str(change.new.directory),
        "worker.state_version": "2",
        "worker.backfill": "true",
        "worker.stages": change.new.settings.stages,
    }
    workers = [old := cluster.start_process("old")]
    try:
        publishing = asyncio.create_task(publish_steadily(partial(publish, cluster), enough := asyncio.Event()))
        await cluster.decisions(50)
        await asyncio.to_thread(list_device, cluster, "d4")
        await change.new.create_topics()
        workers.append(new := cluster.start_process("new", backfill))
        await new.logs(BACKFILL_STARTED, times=partitions_of_all)
        await asyncio.to_thread(list_device, cluster, "d5")
        if killed:
            new.kill()
            workers.append(new := cluster.start_process("new again", backfill))
        switched = await activate_when_backfilled(cluster, change.new.directory, capsys, change.new.settings.stages)
        if killed:
            old.kill()
            new.kill()
            workers += [
                old := cluster.start_process("old again"),
                new := cluster.start_process("new at last", backfill),
            ]
        await old.logs(SUPERSEDED, times=partitions)
        await new.logs(CUT_OVER, times=partitions_of_all)
        await asyncio.to_thread(list_device, cluster, "d6")
        enough.set()
        published = await publishing
        await cluster.decisions(published)
        await old.stop()
        await new.stop()
        without_backfill = {name: value for name, value in backfill.items() if name != "worker.backfill"}
        workers.append(settled := cluster.start_process("settled", without_backfill))
        await settled.logs(ASSIGNED)
        await publish(cluster, range(published, published + 70))
        decisions = await decisions_of(cluster, published + 70)
        await settled.stop()
    finally:
        for worker in workers:
            worker.kill()
    if not killed:
        assert len(decisions) == published + 70, "a payment was decided twice"
    await assert_decided_by_due_version(change, decisions, switched, published)
    await assert_equal_to_replay(change, decisions, published + 70)
    of_listed = [d for d, _ in decisions if int(d.event_id[1:]) >= published and int(d.event_id[1:]) % 7 in (4, 5, 6)]
    assert len(of_listed) == 30
    assert all(any("stolen" in rule for rule in decision.rules) for decision in of_listed)
    return switched


def list_device(cluster: StreamCluster, device: str) -> None:
    """Put a device on the list, by a command whose settings have the old state version."""
    assert main(["lists", "add", "stolen_devices", device, "--by", "r.holm", *cluster.flags()]) == 0


async def assert_explained(change: VersionChange, capsys: pytest.CaptureFixture[str]) -> None:
    """Assert that `explain` agrees with alerts of both versions, under the settings of the new one."""
    flags = change.new.flags({"worker.state_version": "2"})
    alerts = await change.new.alerts(100)
    for cluster in change:
        digest = cluster.engine.rule_set.digest
        of_version = [alert for alert in alerts if alert.rule_set == digest]
        capsys.readouterr()
        assert await asyncio.to_thread(main, ["explain", of_version[-1].alert_id, "--json", *flags]) == 0
        explained = msgspec.json.decode(capsys.readouterr().out)
        assert (explained["topic"], explained["agrees"]) == (cluster.stages[-1].input_topic, True)
        assert [stage["agrees"] for stage in explained["stages"]] == [True] * (len(cluster.stages) - 1)


async def decisions_of(cluster: StreamCluster, payments: int) -> list[tuple[Decision, bytes]]:
    """All decisions and their bytes, once `payments` different payments are decided."""
    found = await cluster.records(cluster.settings.decisions_topic, payments_decided(payments))
    return [(decision_of(record), record.value) for record in judged(found)]


async def assert_decided_by_due_version(
    change: VersionChange,
    published_decisions: Sequence[tuple[Decision, bytes]],
    switched: Mapping[int, int],
    published: int,
) -> None:
    log = await change.old.records(change.old.settings.payments_topic, at_least(published + 70))
    old, new = (cluster.engine.rule_set.digest for cluster in change)
    due = {
        msgspec.json.decode(record.value, type=Payment).event_id: old
        if record.offset < switched[record.partition]
        else new
        for record in log
        if CONTROL_HEADER not in record.headers
    }
    by_event = {decision.event_id: decision.rule_set for decision, _ in published_decisions}
    assert by_event == due
    assert 0 < list(due.values()).count(old) < published, "no payment came after the switch"


async def assert_equal_to_replay(
    change: VersionChange, published_decisions: Sequence[tuple[Decision, bytes]], payments: int
) -> None:
    expected: dict[str, bytes] = {}
    for cluster, version in zip(change, (1, 2), strict=True):
        deciding = cluster.stages[-1]
        engine = cluster.deciding_engine
        log = await cluster.records(deciding.input_topic, at_least(50))
        for number in range(cluster.partitions_of(deciding.stage)):
            state = engine.new_state()
            state.state_version, state.backfilling = version, version == 2 and engine.is_first
            for section in read_log({engine.rule_set.digest: engine}, state, [r for r in log if r.partition == number]):
                decisions = section.result.verdicts.decisions() if section.decided else []
                assert not {decision.event_id for decision in decisions} & expected.keys(), "decided by both"
                expected |= {decision.event_id: msgspec.json.encode(decision) for decision in decisions}
    assert len(expected) == payments
    assert {decision.event_id: value for decision, value in published_decisions} == expected

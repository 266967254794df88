"""The log determines the rules and list entries in force, whatever a worker's directory holds and whenever it dies."""

from __future__ import annotations

import asyncio
import random
import shutil
from typing import Any

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from fraudstream.contracts import ListEntry
from fraudstream.contracts.artefact import artefact_digest
from fraudstream.contracts.control import Control, RuleSwitch, StoredRuleSet
from fraudstream.contracts.headers import CONTROL_HEADER
from fraudstream.engine.rule_set import compile_rule_set
from fraudstream.stream.control_log import bring_lists_along, keep, put_in_force
from fraudstream.stream.rule_sets import rule_sets
from fraudstream.telemetry.worker import WorkerTelemetry
from tests.brokers import on_both_brokers, on_kafka
from tests.integration.stream.cluster import PARTITIONS, StreamCluster
from tests.integration.stream.list_rules import NETWORKS, NEW, NEW_DIGEST, OLD, OLD_DIGEST
from tests.integration.stream.payments import payment
from tests.integration.stream.process import WAIT_S
from tests.integration.stream.rule_commands import RuleCommands
from tests.integration.stream.rules import RULES, engine, write_rules
from tests.integration.stream.topic_output import at_least
from tests.integration.topic_admin import delete_records


@pytest.fixture
def commands(cluster: StreamCluster, capsys: pytest.CaptureFixture[str]) -> RuleCommands:
    """The commands on the topics of `cluster`."""
    return RuleCommands(cluster, capsys)


@on_both_brokers
async def test_a_killed_worker_started_with_other_rules_gives_no_second_verdict(commands: RuleCommands) -> None:
    """The second worker decides the payments since the last checkpoint of the first one again."""
    rarely = {"worker.checkpoint_interval_s": "3600"}
    first = commands.cluster.start_process("first", rarely)
    try:
        await commands.cluster.publish(range(40))
        await commands.decisions(40)
    finally:
        first.kill()
    second = commands.cluster.start_process("second", rarely | {"rules.directory": str(commands.new)})
    try:
        await commands.cluster.publish(range(40, 80))
        decisions = [decision for _, _, decision in await commands.decisions(80)]
        await second.logs(f"the rule set {OLD_DIGEST} is in force, not {NEW_DIGEST} of this worker's directory")
    finally:
        second.kill()
    assert len(decisions) > 80, "the second worker did not decide the first 40 payments again"
    assert {decision.rule_set for decision in decisions} == {OLD_DIGEST}
    assert len({msgspec.json.encode(decision) for decision in decisions}) == 80


@on_both_brokers
async def test_rules_are_in_force_from_the_offsets_that_activate_reports(commands: RuleCommands) -> None:
    worker = commands.cluster.start_process("worker")
    try:
        await commands.cluster.publish(range(40))
        await commands.decisions(40)
        outcome = await commands.run_json("rules", "activate", str(commands.new))
        assert (outcome["rule_set"], len(outcome["offsets"])) == (NEW_DIGEST, PARTITIONS)
        await commands.cluster.publish(range(40, 80))
        await commands.decisions(80)
        await commands.in_force(NEW_DIGEST)
        active = await commands.run_json("rules", "active")
        assert {row["rule_set"] for row in active["partitions"]} == {NEW_DIGEST}
        assert (active["last_switch"]["rule_set"], active["last_switch"]["by"]) == (NEW_DIGEST, "r.holm")
    finally:
        worker.kill()
    again = commands.cluster.start_process("again")  # its directory still holds the old rules
    try:
        await commands.cluster.publish(range(80, 120))
        decisions = await commands.decisions(120)
    finally:
        again.kill()
    for partition, offset, decision in decisions:
        due = OLD_DIGEST if offset < outcome["offsets"][str(partition)] else NEW_DIGEST
        assert decision.rule_set == due, f"{partition}:{offset}"
    assert {decision.rule_set for _, _, decision in decisions} == {OLD_DIGEST, NEW_DIGEST}


async def test_a_worker_with_another_directory_has_the_artefact_of_the_activated_rules(
    commands: RuleCommands,
) -> None:
    """The second worker starts with the old rules; the artefact is nowhere but on `controls`."""
    model = random.Random(0).randbytes(3 << 20)
    digest = artefact_digest(model)
    with_model = {**NEW, "artefacts.yaml": f"artefacts: {{model: {{digest: {digest}}}}}\n"}
    activated = compile_rule_set(with_model, artefacts={digest: model}).digest
    directory = write_rules(commands.new, with_model)
    code, _, err = await commands.run("rules", "activate", str(directory))
    assert (code, f"the bytes of artefact 'model' are missing: put them into the file artefacts/{digest}" in err) == (
        1,
        True,
    )
    (directory / "artefacts").mkdir()
    (directory / "artefacts" / digest).write_bytes(model)
    first = commands.cluster.start_process("first")
    try:
        assert (await commands.run_json("rules", "activate", str(directory)))["rule_set"] == activated
        await commands.in_force(activated)
    finally:
        first.kill()
    shutil.rmtree(directory)
    second = commands.cluster.start_process("second")
    try:
        await commands.cluster.publish(range(40))
        decisions = [decision for _, _, decision in await commands.decisions(40)]
        await second.logs(f"the rule set {activated} is in force, not {OLD_DIGEST} of this worker's directory")
    finally:
        second.kill()
    assert {decision.rule_set for decision in decisions} == {activated}
    loaded = rule_sets(commands.cluster.settings, commands.cluster.engine)
    await loaded.load([activated])
    assert loaded.engines[activated].rule_set.artefacts["model"].content == model


async def test_metrics_name_the_rules_in_force_after_a_switch_and_after_a_restart(cluster: StreamCluster) -> None:
    """The worker's directory holds the old rules all the time."""
    old, new = engine(OLD), StoredRuleSet(NEW_DIGEST, NEW)

    async def reported(registry: CollectorRegistry, digest: str) -> None:
        labels = {"stage": "account", "rule_set": digest}
        async with asyncio.timeout(WAIT_S):
            while registry.get_sample_value("fraudstream_rule_set_partitions", labels) != PARTITIONS:  # noqa: ASYNC110
                await asyncio.sleep(0.1)

    before, after = CollectorRegistry(), CollectorRegistry()
    async with cluster.worker(WorkerTelemetry(before, version="1"), rules=old):
        await reported(before, OLD_DIGEST)
        await put_in_force(cluster.settings, [new], [RuleSwitch(rule_set=NEW_DIGEST, by="r.holm", issued_at_ms=0)])
        await reported(before, NEW_DIGEST)
    async with cluster.worker(WorkerTelemetry(after, version="1"), rules=old):
        await reported(after, NEW_DIGEST)


async def test_a_list_entry_counts_for_the_payments_after_it(commands: RuleCommands) -> None:
    stolen = {"device_id": "dev-8"}
    async with asyncio.timeout(3 * WAIT_S):
        worker = commands.cluster.start_process("worker")
        try:
            await commands.cluster.publish_records([(b"a", payment(0, "a", **stolen))])
            await commands.decisions(1)
            outcome = await commands.run_json("lists", "add", "stolen_devices", "dev-8", "--note", "reported")
            assert outcome["entries"][0] | {"issued_at_ms": 0} == {
                "control": "list_entry", "list": "stolen_devices", "value": "dev-8", "by": "r.holm", "issued_at_ms": 0,
                "note": "reported",
            }  # fmt: skip
            await commands.cluster.publish_records([(b"a", payment(1, "a", **stolen))])
            [alert] = await commands.cluster.alerts(1)
            await commands.run_json("lists", "remove", "stolen_devices", "dev-8")
            await commands.cluster.publish_records([(b"a", payment(2, "a", **stolen))])
            outcomes = {decision.event_id: decision.outcome for _, _, decision in await commands.decisions(3)}
        finally:
            worker.kill()
    assert outcomes == {"e0": "allow", "e1": "review", "e2": "allow"}
    assert (alert.rules[0].evidence[0].right, alert.rules[0].evidence[0].threshold) == (
        "lists.stolen_devices",
        "deny list",
    )


@on_kafka
async def test_the_newest_controls_count_where_retention_deleted_the_beginning(commands: RuleCommands) -> None:
    topic = commands.cluster.settings.payments_topic
    await commands.run_json("rules", "activate", str(commands.new))
    outcome = await commands.run_json("lists", "add", "stolen_devices", "dev-8")
    await commands.run_json("lists", "add", "stolen_devices", "dev-9")
    await commands.run_json("lists", "remove", "stolen_devices", "dev-9")
    beyond = {int(partition): offset + 3 for partition, offset in outcome["offsets"].items()}
    await delete_records(commands.cluster.brokers, topic, beyond)
    worker = commands.cluster.start_process("worker")
    try:
        devices = ("dev-8", "dev-9")
        await commands.cluster.publish_records(
            (b"a", payment(number, "a", device_id=device)) for number, device in enumerate(devices)
        )
        decisions = {decision.event_id: decision for _, _, decision in await commands.decisions(2)}
    finally:
        worker.kill()
    assert {decision.rule_set for decision in decisions.values()} == {NEW_DIGEST}
    assert {event: decision.outcome for event, decision in decisions.items()} == {"e0": "review", "e1": "allow"}


async def test_a_removal_that_failed_half_way_can_be_repeated(commands: RuleCommands) -> None:
    await commands.run_json("rules", "activate", str(commands.old))
    await commands.run_json("lists", "add", "stolen_devices", "dev-8")
    removal = ListEntry("stolen_devices", "dev-8", "r.holm", 0, removed=True)
    await keep(commands.cluster.settings, [removal])  # as if the command had ended before it wrote to the log
    outcome = await commands.run_json("lists", "remove", "stolen_devices", "dev-8")
    assert len(outcome["offsets"]) == PARTITIONS


async def test_an_unknown_list_is_refused_with_the_nearest_name(commands: RuleCommands) -> None:
    code, _, err = await commands.run("lists", "add", "stolen_device", "dev-8")
    assert (code, "holds no rule set yet" in err) == (1, True)
    await commands.run_json("rules", "activate", str(commands.old))
    code, _, err = await commands.run("lists", "add", "stolen_device", "dev-8")
    assert (code, "no list 'stolen_device'. Nearest: 'stolen_devices'." in err) == (1, True)
    code, _, err = await commands.run("lists", "remove", "stolen_devices", "dev-8")
    assert (code, "'dev-8' is not on stolen_devices." in err) == (1, True)


async def test_networks_are_put_on_a_list_in_one_form_and_refused_with_the_right_one(commands: RuleCommands) -> None:
    networks = write_rules(commands.cluster.directory / "beside" / "networks", NETWORKS)
    async with commands.cluster.worker():
        await commands.run_json("rules", "activate", "--skip-tests", str(networks))
        code, _, err = await commands.run("lists", "add", "proxies", "10.1.2.3/8")
        assert (code, "'10.1.2.3/8' has bits set beyond its prefix: write '10.0.0.0/8'" in err) == (1, True)
        added = await commands.run_json("lists", "add", "proxies", "10.0.0.0/8", "2001:DB8::/32")
        assert [entry["value"] for entry in added["entries"]] == ["10.0.0.0/8", "2001:db8::/32"]
        ips = ["10.9.8.7", "11.0.0.1", "2001:db8::5", "not an address"]
        records = [(b"a", payment(number, "a", ip=ip)) for number, ip in enumerate(ips)]
        await commands.cluster.publish_records(records)
        decided = {decision.event_id: decision.outcome for _, _, decision in await commands.decisions(len(ips))}
        assert decided == {"e0": "review", "e1": "allow", "e2": "review", "e3": "allow"}
        await commands.run_json("lists", "remove", "proxies", "2001:DB8::/32")
    shown = (await commands.run("lists", "show"))[1]
    assert "10.0.0.0/8, by r.holm" in shown
    assert "2001:db8::/32" not in shown


async def test_rules_that_need_another_state_are_not_activated(commands: RuleCommands) -> None:
    worker = commands.cluster.start_process("worker")
    try:
        await commands.in_force(OLD_DIGEST)
    finally:
        worker.kill()
    other = write_rules(commands.new, {"features.yaml": RULES["features.yaml"].replace("window: 30d", "window: 20d")})
    code, _, err = await commands.run("rules", "activate", str(other))
    assert code == 1
    assert "feature 'account.payments_30d' is declared differently" in err
    assert "`fraudstream worker --backfill`" in err


async def test_an_invalid_control_becomes_a_dead_letter_and_the_old_rules_stay_in_force(commands: RuleCommands) -> None:
    async with commands.cluster.worker():
        send: dict[str, Any] = {"headers": [CONTROL_HEADER], "partition": 0}
        unknown = b'{"control":"rule_switch","rule_set":"0123456789abcdef","by":"me","issued_at_ms":0}'
        await commands.cluster.publish_records([(None, b"{}"), (None, unknown)], **send)
        letters = await commands.cluster.dead_letters(2)
        await commands.cluster.publish(range(10))
        decisions = await commands.decisions(10)
    assert [letter.reason for letter in letters] == ["control", "control"]
    assert "The rule set 0123456789abcdef is not available" in letters[1].sentence
    assert {decision.rule_set for _, _, decision in decisions} == {engine().rule_set.digest}
    code, _, err = await commands.run("dead-letters", "replay", "--all")
    assert (code, err.count("skipped: a control applies to the payments after it: run its command again.")) == (1, 2)


async def test_a_log_receives_the_current_list_entries_and_the_removals_since(cluster: StreamCluster) -> None:
    """For a state version that is cut over to this log after another version decided by another log."""
    stolen = ListEntry("stolen_devices", "dev-8", "r.holm", 0)
    removal, another = (
        msgspec.structs.replace(stolen, issued_at_ms=1, removed=True),
        msgspec.structs.replace(stolen, value="dev-9"),
    )
    await put_in_force(cluster.settings, [], [stolen])
    await keep(cluster.settings, [removal, another])
    await bring_lists_along(cluster.settings)
    log = await cluster.records(cluster.settings.payments_topic, at_least(3 * PARTITIONS))
    for number in range(PARTITIONS):
        controls = [msgspec.json.decode(record.value, type=Control) for record in log if record.partition == number]
        assert controls[0] == stolen
        assert set(controls[1:]) == {removal, another}

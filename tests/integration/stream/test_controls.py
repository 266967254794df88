"""Which rules judge, and what is on lists, is what the log says: whatever a worker's directory holds, and whenever it
dies."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
from typing import Any

import msgspec
import pytest
from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from prometheus_client import CollectorRegistry

from fraudstream.cli.main import main
from fraudstream.contracts import Decision, ListEntry
from fraudstream.contracts.artefact import artefact_digest
from fraudstream.contracts.control import Control, RuleSwitch, StoredRuleSet
from fraudstream.contracts.headers import CONTROL_HEADER
from fraudstream.engine.rule_set import compile_rule_set
from fraudstream.stream.checkpoints.last_checkpoint import last_checkpoints
from fraudstream.stream.control_log import bring_lists_along, keep, put_in_force
from fraudstream.stream.rule_sets import rule_sets
from fraudstream.telemetry.worker import WorkerTelemetry
from tests.integration.stream.world import PARTITIONS, RULES, WAIT_S, World, engine, payment, write_rules

LISTS = "lists:\n  stolen_devices: {of: device_id, kind: deny, description: gone}\n"
STOLEN = RULES["test/counted.yaml"].replace("account.payments_30d >= 2", "device_id in lists.stolen_devices")
OLD = {**RULES, "lists.yaml": LISTS, "test/counted.yaml": STOLEN}
NEW = {**OLD, "score.yaml": "threshold: 0.8\nparts: []\n"}
OLD_DIGEST, NEW_DIGEST = (compile_rule_set(texts).digest for texts in (OLD, NEW))

Command = tuple[int, str, str]


class CaseProcessor:
    """A world whose rules ask a list, other rules beside it, and the commands that change both."""

    def __init__(self, world: World, capsys: pytest.CaptureFixture[str]) -> None:
        self.world, self._capsys = world, capsys
        self.old, self.new = write_rules(world.directory, OLD), write_rules(world.directory / "beside" / "new", NEW)

    async def command(self, *words: str) -> Command:
        """Exit code, output, errors."""
        code = await asyncio.to_thread(main, [*words, *self.world.flags()])
        shown = self._capsys.readouterr()
        return code, shown.out, shown.err

    async def done(self, *words: str) -> Any:
        by = () if words == ("rules", "active") else ("--by", "r.holm")
        code, out, err = await self.command(*words, "--json", *by)
        assert code == 0, err
        return json.loads(out)

    async def decided(self, payments: int) -> list[tuple[int, int, Decision]]:
        """Every decision, with the partition and the offset of its payment."""
        records = await self.world.records(
            self.world.settings.decisions_topic,
            lambda found: len({_decision(record).event_id for record in found}) >= payments,
        )
        return [(*_source(record), _decision(record)) for record in records]

    async def in_force(self, digest: str) -> None:
        """Wait until every partition's checkpoint says so."""
        async with asyncio.timeout(WAIT_S):
            while True:
                found = (await last_checkpoints(self.world.settings)).values()
                if {checkpoint and checkpoint.rule_set for checkpoint in found} == {digest}:
                    return
                await asyncio.sleep(0.1)


@pytest.fixture
def processor(world: World, capsys: pytest.CaptureFixture[str]) -> CaseProcessor:
    return CaseProcessor(world, capsys)


@pytest.fixture
def kafka_desk(kafka_world: World, capsys: pytest.CaptureFixture[str]) -> CaseProcessor:
    return CaseProcessor(kafka_world, capsys)


async def test_a_worker_killed_and_started_with_other_rules_gives_no_second_verdict(processor: CaseProcessor) -> None:
    await _killed_and_started_with_other_rules(processor)


@pytest.mark.kafka
async def test_on_kafka_too_a_killed_worker_started_with_other_rules_gives_no_second_verdict(
    kafka_desk: CaseProcessor,
) -> None:
    await _killed_and_started_with_other_rules(kafka_desk)


async def _killed_and_started_with_other_rules(processor: CaseProcessor) -> None:
    """The second worker decides again what the first one had decided since its last checkpoint."""
    seldom = {"worker.checkpoint_interval_s": "3600"}
    first = processor.world.start_process("first", seldom)
    try:
        await processor.world.publish(range(40))
        await processor.decided(40)
    finally:
        first.kill()
    second = processor.world.start_process("second", seldom | {"rules.directory": str(processor.new)})
    try:
        await processor.world.publish(range(40, 80))
        decisions = [decision for _, _, decision in await processor.decided(80)]
        await second.says(f"the rule set {OLD_DIGEST} is in force, not {NEW_DIGEST} of this worker's directory")
    finally:
        second.kill()
    assert len(decisions) > 80, "the second worker was to decide the first 40 again"
    assert {decision.rule_set for decision in decisions} == {OLD_DIGEST}
    assert len({msgspec.json.encode(decision) for decision in decisions}) == 80


async def test_rules_are_in_force_from_the_offsets_that_activate_tells(processor: CaseProcessor) -> None:
    await _activated(processor)


@pytest.mark.kafka
async def test_on_kafka_rules_are_in_force_from_the_offsets_that_activate_tells(kafka_desk: CaseProcessor) -> None:
    await _activated(kafka_desk)


async def _activated(processor: CaseProcessor) -> None:
    worker = processor.world.start_process("worker")
    try:
        await processor.world.publish(range(40))
        await processor.decided(40)
        told = await processor.done("rules", "activate", str(processor.new))
        assert (told["rule_set"], len(told["offsets"])) == (NEW_DIGEST, PARTITIONS)
        await processor.world.publish(range(40, 80))
        await processor.decided(80)
        await processor.in_force(NEW_DIGEST)
        active = await processor.done("rules", "active")
        assert {row["rule_set"] for row in active["partitions"]} == {NEW_DIGEST}
        assert (active["last_switch"]["rule_set"], active["last_switch"]["by"]) == (NEW_DIGEST, "r.holm")
    finally:
        worker.kill()
    again = processor.world.start_process("again")  # its directory still holds the old rules
    try:
        await processor.world.publish(range(80, 120))
        decisions = await processor.decided(120)
    finally:
        again.kill()
    for partition, offset, decision in decisions:
        due = OLD_DIGEST if offset < told["offsets"][str(partition)] else NEW_DIGEST
        assert decision.rule_set == due, f"{partition}:{offset}"
    assert {decision.rule_set for _, _, decision in decisions} == {OLD_DIGEST, NEW_DIGEST}


async def test_a_worker_with_another_directory_has_the_artefact_of_the_activated_rules(
    processor: CaseProcessor,
) -> None:
    """The second worker starts with the old rules; the artefact is nowhere but on `controls`."""
    model = random.Random(0).randbytes(3 << 20)
    digest = artefact_digest(model)
    with_model = {**NEW, "artefacts.yaml": f"artefacts: {{model: {{digest: {digest}}}}}\n"}
    activated = compile_rule_set(with_model, artefacts={digest: model}).digest
    directory = write_rules(processor.new, with_model)
    code, _, err = await processor.command("rules", "activate", str(directory))
    assert (code, f"the bytes of artefact 'model' are missing: put them into the file artefacts/{digest}" in err) == (
        1,
        True,
    )
    (directory / "artefacts").mkdir()
    (directory / "artefacts" / digest).write_bytes(model)
    first = processor.world.start_process("first")
    try:
        assert (await processor.done("rules", "activate", str(directory)))["rule_set"] == activated
        await processor.in_force(activated)
    finally:
        first.kill()
    shutil.rmtree(directory)
    second = processor.world.start_process("second")
    try:
        await processor.world.publish(range(40))
        decisions = [decision for _, _, decision in await processor.decided(40)]
        await second.says(f"the rule set {activated} is in force, not {OLD_DIGEST} of this worker's directory")
    finally:
        second.kill()
    assert {decision.rule_set for decision in decisions} == {activated}
    loaded = rule_sets(processor.world.settings, processor.world.engine)
    await loaded.load([activated])
    assert loaded.engines[activated].rule_set.artefacts["model"].content == model


async def test_metrics_tell_the_rules_in_force_after_a_switch_and_after_a_restart(world: World) -> None:
    """Of a worker whose directory holds the old ones."""
    old, new = engine(OLD), StoredRuleSet(NEW_DIGEST, NEW)

    async def told(registry: CollectorRegistry, digest: str) -> None:
        labels = {"stage": "account", "rule_set": digest}
        async with asyncio.timeout(WAIT_S):
            while registry.get_sample_value("fraudstream_rule_set_partitions", labels) != PARTITIONS:  # noqa: ASYNC110
                await asyncio.sleep(0.1)

    before, after = CollectorRegistry(), CollectorRegistry()
    async with world.worker(WorkerTelemetry(before, version="1"), rules=old):
        await told(before, OLD_DIGEST)
        await put_in_force(world.settings, [new], [RuleSwitch(rule_set=NEW_DIGEST, by="r.holm", issued_at_ms=0)])
        await told(before, NEW_DIGEST)
    async with world.worker(WorkerTelemetry(after, version="1"), rules=old):
        await told(after, NEW_DIGEST)


async def test_an_entry_of_a_list_counts_for_what_stands_behind_it(processor: CaseProcessor) -> None:
    stolen = {"device_id": "dev-8"}
    async with asyncio.timeout(3 * WAIT_S):
        worker = processor.world.start_process("worker")
        try:
            await processor.world.publish_records([(b"a", payment(0, "a", **stolen))])
            await processor.decided(1)
            told = await processor.done("lists", "add", "stolen_devices", "dev-8", "--note", "reported")
            assert told["entries"][0] | {"issued_at_ms": 0} == {
                "control": "list_entry", "list": "stolen_devices", "value": "dev-8", "by": "r.holm", "issued_at_ms": 0,
                "note": "reported",
            }  # fmt: skip
            await processor.world.publish_records([(b"a", payment(1, "a", **stolen))])
            [alert] = await processor.world.alerts(1)
            await processor.done("lists", "remove", "stolen_devices", "dev-8")
            await processor.world.publish_records([(b"a", payment(2, "a", **stolen))])
            outcomes = {decision.event_id: decision.outcome for _, _, decision in await processor.decided(3)}
        finally:
            worker.kill()
    assert outcomes == {"e0": "allow", "e1": "review", "e2": "allow"}
    assert (alert.rules[0].evidence[0].right, alert.rules[0].evidence[0].threshold) == (
        "lists.stolen_devices",
        "deny list",
    )


@pytest.mark.kafka
async def test_where_retention_took_the_beginning_the_newest_controls_count(kafka_desk: CaseProcessor) -> None:
    processor, topic = kafka_desk, kafka_desk.world.settings.payments_topic
    await processor.done("rules", "activate", str(processor.new))
    told = await processor.done("lists", "add", "stolen_devices", "dev-8")
    await processor.done("lists", "add", "stolen_devices", "dev-9")
    await processor.done("lists", "remove", "stolen_devices", "dev-9")
    admin = AIOKafkaAdminClient(**processor.world.settings.brokers.options())
    await admin.start()
    try:
        beyond = {int(partition): offset + 3 for partition, offset in told["offsets"].items()}
        await admin.delete_records(
            {TopicPartition(topic, number): RecordsToDelete(before_offset=end) for number, end in beyond.items()}
        )
    finally:
        await admin.close()
    worker = processor.world.start_process("worker")
    try:
        devices = ("dev-8", "dev-9")
        await processor.world.publish_records(
            (b"a", payment(number, "a", device_id=device)) for number, device in enumerate(devices)
        )
        decisions = {decision.event_id: decision for _, _, decision in await processor.decided(2)}
    finally:
        worker.kill()
    assert {decision.rule_set for decision in decisions.values()} == {NEW_DIGEST}
    assert {event: decision.outcome for event, decision in decisions.items()} == {"e0": "review", "e1": "allow"}


async def test_a_removal_that_failed_half_way_is_done_again(processor: CaseProcessor) -> None:
    await processor.done("rules", "activate", str(processor.old))
    await processor.done("lists", "add", "stolen_devices", "dev-8")
    removal = ListEntry("stolen_devices", "dev-8", "r.holm", 0, removed=True)
    await keep(processor.world.settings, [removal])  # and it ended before the log had it
    told = await processor.done("lists", "remove", "stolen_devices", "dev-8")
    assert len(told["offsets"]) == PARTITIONS


async def test_an_unknown_list_is_told_with_the_nearest(processor: CaseProcessor) -> None:
    code, _, err = await processor.command("lists", "add", "stolen_device", "dev-8")
    assert (code, "holds no rule set yet" in err) == (1, True)
    await processor.done("rules", "activate", str(processor.old))
    code, _, err = await processor.command("lists", "add", "stolen_device", "dev-8")
    assert (code, "no list 'stolen_device'. Nearest: 'stolen_devices'." in err) == (1, True)
    code, _, err = await processor.command("lists", "remove", "stolen_devices", "dev-8")
    assert (code, "'dev-8' is not on stolen_devices." in err) == (1, True)


async def test_rules_that_need_another_memory_are_not_activated(processor: CaseProcessor) -> None:
    worker = processor.world.start_process("worker")
    try:
        await processor.in_force(OLD_DIGEST)
    finally:
        worker.kill()
    other = write_rules(processor.new, {"features.yaml": RULES["features.yaml"].replace("window: 30d", "window: 20d")})
    code, _, err = await processor.command("rules", "activate", str(other))
    assert code == 1
    assert "feature 'account.payments_30d' is declared otherwise" in err
    assert "`fraudstream worker --backfill`" in err


async def test_a_control_that_is_none_becomes_a_dead_letter_and_the_old_rules_go_on(processor: CaseProcessor) -> None:
    async with processor.world.worker():
        send: dict[str, Any] = {"headers": [CONTROL_HEADER], "partition": 0}
        unknown = b'{"control":"rule_switch","rule_set":"0123456789abcdef","by":"me","issued_at_ms":0}'
        await processor.world.publish_records([(None, b"{}"), (None, unknown)], **send)
        letters = await processor.world.dead_letters(2)
        await processor.world.publish(range(10))
        decisions = await processor.decided(10)
    assert [letter.reason for letter in letters] == ["control", "control"]
    assert "The rule set 0123456789abcdef is not available" in letters[1].sentence
    assert {decision.rule_set for _, _, decision in decisions} == {engine().rule_set.digest}
    code, _, err = await processor.command("dead-letters", "replay", "--all")
    assert (code, err.count("skipped: a control counts for what stands behind it: give its command again.")) == (1, 2)


def _decision(record: ConsumerRecord[bytes, bytes]) -> Decision:
    assert record.value is not None
    return msgspec.json.decode(record.value, type=Decision)


def _source(record: ConsumerRecord[bytes, bytes]) -> tuple[int, int]:
    [source] = [value for name, value in record.headers if name == "source"]
    partition, _, offset = source.decode().partition(":")
    return int(partition), int(offset)


async def test_a_log_gets_what_lists_hold_today_and_what_was_taken_off_since(world: World) -> None:
    """For a version that is about to decide by that log, where another one decided by another log meanwhile."""
    stolen = ListEntry("stolen_devices", "dev-8", "r.holm", 0)
    back, another = (
        msgspec.structs.replace(stolen, issued_at_ms=1, removed=True),
        msgspec.structs.replace(stolen, value="dev-9"),
    )
    await put_in_force(world.settings, [], [stolen])
    await keep(world.settings, [back, another])
    await bring_lists_along(world.settings)
    log = await world.records(world.settings.payments_topic, lambda found: len(found) >= 3 * PARTITIONS)
    for number in range(PARTITIONS):
        controls = [msgspec.json.decode(record.value, type=Control) for record in log if record.partition == number]
        assert controls[0] == stolen
        assert set(controls[1:]) == {back, another}

"""A changed catalogue is cut over without a pause: a new state version is backfilled beside the one in use.

Invariant: while payments arrive and workers of both versions run, stop or are killed, each payment has one verdict:
that of the old rules before the switch in its partition, and after it that of the new rules, equal to a replay of the
log under the new catalogue.
"""

from __future__ import annotations

import asyncio
from typing import NamedTuple

import msgspec
import pytest
from aiokafka import ConsumerRecord

from fraudstream.cli.main import main
from fraudstream.contracts.control import RuleSwitch, StoredRuleSet
from fraudstream.contracts.headers import LABEL_HEADER, SOURCE_HEADER
from fraudstream.engine.engine import Engine
from fraudstream.engine.log import read_log
from fraudstream.engine.rule_set import compile_rule_set
from fraudstream.stream.control_log import put_in_force
from fraudstream.stream.failure import PermanentFailure
from fraudstream.stream.settings import StreamSettings
from fraudstream.stream.worker import serve
from tests.brokers import on_both_brokers
from tests.integration.stream.cluster import PARTITIONS, StreamCluster
from tests.integration.stream.payments import fraud_label
from tests.integration.stream.rule_commands import activate_when_backfilled
from tests.integration.stream.rules import RULES, engine, write_rules
from tests.integration.stream.topic_input import publish_steadily
from tests.integration.stream.topic_output import at_least
from tests.integration.stream.worker_log import BACKFILL_STARTED, CUT_OVER, SUPERSEDED, assigned, superseded_at

FILTERED = '  account.transfers_30d: {aggregate: count, window: 30d, where: kind == "transfer"}\n'
NEW_RULES = {
    **RULES,
    "features.yaml": RULES["features.yaml"] + FILTERED,
    "test/counted.yaml": RULES["test/counted.yaml"].replace(">= 2", ">= 2 and account.transfers_30d >= 0"),
}
OLD, NEW = engine().rule_set, compile_rule_set(NEW_RULES)


async def test_a_version_without_state_decides_nothing_unless_it_is_backfilled(cluster: StreamCluster) -> None:
    second = await next_version(cluster)
    with pytest.raises(PermanentFailure, match=r"State version 2 has no state of .* yet\. Build it"):
        await serve(second, Engine(NEW), stop=asyncio.Event())
    first = msgspec.structs.replace(cluster.settings, backfill=True)
    with pytest.raises(PermanentFailure, match=r"set worker\.state_version to 2"):
        await serve(first, engine(), stop=asyncio.Event())


class PublishedDecision(NamedTuple):
    """Partition and offset of the payment, and the decision as published."""

    partition: int
    offset: int
    value: bytes


@on_both_brokers
@pytest.mark.parametrize("killed", [False, True], ids=["undisturbed", "both sides killed"])
async def test_a_new_catalogue_is_cut_over_and_each_payment_has_one_verdict(
    cluster: StreamCluster, capsys: pytest.CaptureFixture[str], killed: bool
) -> None:
    """`killed`: workers of both state versions are killed before and after the switch."""
    await next_version(cluster)
    rules = write_rules(cluster.directory.with_name(f"{cluster.directory.name}-new"), NEW_RULES)
    backfill = {"rules.directory": str(rules), "worker.state_version": "2", "worker.backfill": "true"}
    workers = [old := cluster.start_process("old")]
    try:
        publishing = asyncio.create_task(publish_steadily(cluster.publish, enough := asyncio.Event()))
        await cluster.decisions(50)
        workers.append(new := cluster.start_process("new", backfill))
        await new.logs(BACKFILL_STARTED, times=PARTITIONS)
        if killed:
            new.kill()
            workers.append(new := cluster.start_process("new again", backfill))
        switched = await activate_when_backfilled(cluster, rules, capsys)
        if killed:
            old.kill()
            new.kill()
            workers += [
                old := cluster.start_process("old again"),
                new := cluster.start_process("new at last", backfill),
            ]
        await old.logs(SUPERSEDED, times=PARTITIONS)
        await new.logs(CUT_OVER, times=PARTITIONS)
        enough.set()
        published = await publishing
        await cluster.decisions(published)
        for number, offset in switched.items():
            assert superseded_at(number, offset) in old.log.read_text()
        await old.stop()
        await new.stop()
        without_backfill = {name: value for name, value in backfill.items() if name != "worker.backfill"}
        workers.append(settled := cluster.start_process("settled", without_backfill))
        await settled.logs(assigned(0, 1, 2, 3))
        await cluster.publish(range(published, published + 40))
        decisions = await cluster.decisions(published + 40)
        await settled.stop()
    finally:
        for worker in workers:
            worker.kill()

    for version in ("1", "2"):
        assert await cut_over_from(cluster, version, capsys) == switched
    published_decisions = await decisions_of(cluster, len(decisions))
    if not killed:
        assert len(published_decisions) == published + 40, "a payment was decided twice"
    assert len({(each.partition, each.offset) for each in published_decisions}) == published + 40
    due = await expected(cluster, switched, published + 40)
    assert set(published_decisions) == set(due)
    by_old_rules = sum(each.offset < switched[each.partition] for each in due)
    assert 0 < by_old_rules < published, "no payment came after the switch: the test shows nothing"


async def cut_over_from(cluster: StreamCluster, version: str, capsys: pytest.CaptureFixture[str]) -> dict[int, int]:
    """From which offset version 2 decides each partition, as `rules active` says under the setting of a version."""
    flags = cluster.flags({"worker.state_version": version})
    capsys.readouterr()
    assert await asyncio.to_thread(main, ["rules", "active", "--json", *flags]) == 0
    rows = msgspec.json.decode(capsys.readouterr().out)["state_versions"]
    assert {(row["state_version"], row["reached"], row["backfilling"]) for row in rows} == {(2, True, None)}
    return {row["partition"]: row["from_offset"] for row in rows}


async def expected(cluster: StreamCluster, switched: dict[int, int], payments: int) -> list[PublishedDecision]:
    """The decisions of a replay of the log by both state versions, each up to and from the switch."""
    log = await cluster.records(cluster.settings.payments_topic, at_least(payments + PARTITIONS))
    answers = []
    for number in range(PARTITIONS):
        records = [record for record in log if record.partition == number]
        for rule_set, version in ((OLD, 1), (NEW, 2)):
            under = Engine(rule_set)
            state = under.new_state()
            state.state_version, state.backfilling = version, version == 2
            for section in read_log({rule_set.digest: under}, state, records):
                decisions = section.result.verdicts.decisions() if section.decided else []
                for position, decision in zip(section.result.positions, decisions, strict=section.decided):
                    assert (records[position].offset < switched[number]) == (version == 1)
                    answers.append(PublishedDecision(number, records[position].offset, msgspec.json.encode(decision)))
    return answers


async def decisions_of(cluster: StreamCluster, decisions: int) -> list[PublishedDecision]:
    records = await cluster.records(cluster.settings.decisions_topic, at_least(decisions))
    found = []
    for record in records:
        partition, _, offset = dict(record.headers)[SOURCE_HEADER].partition(b":")
        found.append(PublishedDecision(int(partition), int(offset), record.value))
    return found


@on_both_brokers
async def test_labels_are_forwarded_once_though_the_state_version_changes(cluster: StreamCluster) -> None:
    second = await next_version(cluster)
    async with cluster.worker():
        await cluster.publish(range(40))
        await publish_labels(cluster, range(10))
        await labels_in_the_log(cluster, 10)
        await cluster.decisions(40)
        backfilling = msgspec.structs.replace(second, backfill=True, labels_topic=None)
        async with cluster.worker(settings=backfilling, rules=Engine(NEW)):
            switch = RuleSwitch(NEW.digest, "r.holm", 0, state_version=2)
            await put_in_force(cluster.settings, [StoredRuleSet(NEW.digest, dict(NEW.files))], [switch])
            await cluster.publish(range(40, 80))
            await cluster.decisions(80)
    async with cluster.worker(settings=second, rules=Engine(NEW)):
        await publish_labels(cluster, range(10, 20))
        await cluster.publish(range(80, 100))
        await cluster.decisions(100)
        assert len(await labels_in_the_log(cluster, 20)) == 20, "a label was forwarded twice"


async def next_version(cluster: StreamCluster) -> StreamSettings:
    """The settings of state version 2, whose topics are created."""
    first, cluster.settings = cluster.settings, msgspec.structs.replace(cluster.settings, state_version=2)
    await cluster.create_topics()
    second, cluster.settings = cluster.settings, first
    return second


async def publish_labels(cluster: StreamCluster, numbers: range) -> None:
    """Publish a label of each payment to the topic of labels."""
    records = [(f"a{n}".encode(), fraud_label(n, f"a{n}")) for n in numbers]
    await cluster.publish_records(records, cluster.settings.labels_topic)


async def labels_in_the_log(cluster: StreamCluster, count: int) -> list[bytes]:
    """All labels in the payments topic, once there are `count`."""

    def labels(records: list[ConsumerRecord]) -> list[bytes]:
        return [record.value for record in records if LABEL_HEADER in record.headers]

    return labels(await cluster.records(cluster.settings.payments_topic, lambda found: len(labels(found)) >= count))

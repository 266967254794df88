"""A changed catalogue takes over from the old one without a pause: a new memory is built beside the one in use.

Invariant: payments come all the time, workers of both versions run, are stopped or killed; each payment has one
verdict, that of the old rules before the switch in its partition, and from there on that of the new ones, equal to a
replay of the log under the new catalogue.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
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
from tests.integration.stream.world import PARTITIONS, RULES, WAIT_S, World, engine, publish_steadily, write_rules

FILTERED = '  account.transfers_30d: {aggregate: count, window: 30d, where: kind == "transfer"}\n'
NEW_RULES = {
    **RULES,
    "features.yaml": RULES["features.yaml"] + FILTERED,
    "test/counted.yaml": RULES["test/counted.yaml"].replace(">= 2", ">= 2 and account.transfers_30d >= 0"),
}
OLD, NEW = engine().rule_set, compile_rule_set(NEW_RULES)


async def test_a_new_catalogue_takes_over_and_each_payment_has_one_verdict(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    await taken_over(world, capsys, killed=False)


@pytest.mark.kafka
async def test_a_new_catalogue_takes_over_and_each_payment_has_one_verdict_on_kafka(
    kafka_world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    await taken_over(kafka_world, capsys, killed=False)


async def test_a_handover_survives_that_both_sides_are_killed(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    await taken_over(world, capsys, killed=True)


@pytest.mark.kafka
async def test_a_handover_survives_that_both_sides_are_killed_on_kafka(
    kafka_world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    await taken_over(kafka_world, capsys, killed=True)


async def test_labels_are_forwarded_once_though_the_version_changes(world: World) -> None:
    await labels_forwarded(world)


@pytest.mark.kafka
async def test_labels_are_forwarded_once_though_the_version_changes_on_kafka(kafka_world: World) -> None:
    await labels_forwarded(kafka_world)


async def test_a_version_without_memory_decides_nothing_unless_it_is_built(world: World) -> None:
    second = await next_version(world)
    with pytest.raises(PermanentFailure, match=r"State version 2 has no state of .* yet\. Build it"):
        await serve(second, Engine(NEW), stop=asyncio.Event())
    first = msgspec.structs.replace(world.settings, backfill=True)
    with pytest.raises(PermanentFailure, match=r"set worker\.state_version to 2"):
        await serve(first, engine(), stop=asyncio.Event())


class Told(NamedTuple):
    """A decision as it was published: what it answers, and its bytes."""

    partition: int
    offset: int
    value: bytes


async def activated(world: World, rules: Path, capsys: pytest.CaptureFixture[str]) -> dict[int, int]:
    """`rules activate`, once the new memory has caught up: where the switch stands in each partition."""
    command = ["rules", "activate", str(rules), "--skip-tests", "--json", "--by", "r.holm"]
    assert await asyncio.to_thread(main, [*command, *world.flags()]) == 1
    assert "set worker.state_version to 2, and run" in capsys.readouterr().err
    flags = world.flags({"worker.state_version": "2"})
    async with asyncio.timeout(WAIT_S):
        while await asyncio.to_thread(main, [*command, *flags]) != 0:
            assert "has no memory of" in capsys.readouterr().err
    offsets = msgspec.json.decode(capsys.readouterr().out)["offsets"]
    return {int(number): offset for number, offset in offsets.items()}


async def taken_over(world: World, capsys: pytest.CaptureFixture[str], killed: bool) -> None:
    await next_version(world)
    rules = write_rules(world.directory.with_name(f"{world.directory.name}-new"), NEW_RULES)
    to_build = {"rules.directory": str(rules), "worker.state_version": "2", "worker.backfill": "true"}
    workers = [old := world.start_process("old")]
    try:
        flow = asyncio.create_task(publish_steadily(world, enough := asyncio.Event()))
        await world.decisions(50)
        workers.append(new := world.start_process("new", to_build))
        await new.says("backfilling from offset", times=PARTITIONS)
        if killed:
            new.kill()
            workers.append(new := world.start_process("new again", to_build))
        switched = await activated(world, rules, capsys)
        if killed:
            old.kill()
            new.kill()
            workers += [old := world.start_process("old again"), new := world.start_process("new at last", to_build)]
        await old.says("stop this worker", times=PARTITIONS)
        await new.says("decides it from now on", times=PARTITIONS)
        enough.set()
        published = await flow
        await world.decisions(published)
        for number, offset in switched.items():
            assert f"partition {number}: cut over to state version 2 at offset {offset}; stop" in old.log.read_text()
        await old.stop()
        await new.stop()
        plain = {name: value for name, value in to_build.items() if name != "worker.backfill"}
        workers.append(plainly := world.start_process("plainly", plain))
        await plainly.says("judging partitions [0, 1, 2, 3]")
        await world.publish(range(published, published + 40))
        decisions = await world.decisions(published + 40)
        await plainly.stop()
    finally:
        for worker in workers:
            worker.kill()

    told = await told_by(world, len(decisions))
    if not killed:
        assert len(told) == published + 40, "a payment was decided twice"
    assert len({(each.partition, each.offset) for each in told}) == published + 40
    should = await expected(world, switched, published + 40)
    assert set(told) == set(should)
    of_old = sum(each.offset < switched[each.partition] for each in should)
    assert 0 < of_old < published, "nothing was published behind the switch: the test shows nothing"


async def expected(world: World, switched: dict[int, int], payments: int) -> list[Told]:
    """What both versions should have said of the log, read in one go by each."""
    log = await world.records(world.settings.payments_topic, lambda found: len(found) >= payments + PARTITIONS)
    answers = []
    for number in range(PARTITIONS):
        records = [record for record in log if record.partition == number]
        for rule_set, version in ((OLD, 1), (NEW, 2)):
            under = Engine(rule_set)
            state = under.new_state()
            state.state_version, state.backfilling = version, version == 2
            for span in read_log({rule_set.digest: under}, state, records):
                decisions = span.result.verdicts.decisions() if span.decided else []
                for position, decision in zip(span.result.positions, decisions, strict=span.decided):
                    assert (records[position].offset < switched[number]) == (version == 1)
                    answers.append(Told(number, records[position].offset, msgspec.json.encode(decision)))
    return answers


async def told_by(world: World, decisions: int) -> list[Told]:
    records = await world.records(world.settings.decisions_topic, lambda found: len(found) >= decisions)
    told = []
    for record in records:
        partition, _, offset = dict(record.headers)[SOURCE_HEADER].partition(b":")
        told.append(Told(int(partition), int(offset), record.value))
    return told


async def labels_forwarded(world: World) -> None:
    second = await next_version(world)
    async with world.worker():
        await world.publish(range(40))
        await publish_labels(world, range(10))
        await labels_in_the_log(world, 10)
        await world.decisions(40)
        backfilling = msgspec.structs.replace(second, backfill=True, labels_topic=None)
        async with world.worker(settings=backfilling, rules=Engine(NEW)):
            switch = RuleSwitch(NEW.digest, "r.holm", 0, state_version=2)
            await put_in_force(world.settings, [StoredRuleSet(NEW.digest, dict(NEW.files))], [switch])
            await world.publish(range(40, 80))
            await world.decisions(80)
    async with world.worker(settings=second, rules=Engine(NEW)):
        await publish_labels(world, range(10, 20))
        await world.publish(range(80, 100))
        await world.decisions(100)
        assert len(await labels_in_the_log(world, 20)) == 20, "a label was forwarded twice"


async def next_version(world: World) -> StreamSettings:
    first, world.settings = world.settings, msgspec.structs.replace(world.settings, state_version=2)
    await world.create_topics()
    second, world.settings = world.settings, first
    return second


async def publish_labels(world: World, numbers: range) -> None:
    labels = [
        {
            "event_id": f"e{n}",
            "account_id": f"a{n}",
            "label": "fraud",
            "labelled_at": 1_700_000_100_000,
            "source": "test",
        }
        for n in numbers
    ]
    await world.publish_records(
        [(str(label["account_id"]).encode(), msgspec.json.encode(label)) for label in labels],
        world.settings.labels_topic,
    )


async def labels_in_the_log(world: World, count: int) -> list[bytes]:
    def labels(records: list[ConsumerRecord]) -> list[bytes]:
        return [record.value for record in records if LABEL_HEADER in record.headers]

    return labels(await world.records(world.settings.payments_topic, lambda found: len(labels(found)) >= count))

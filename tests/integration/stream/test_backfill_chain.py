"""The same where several stages keep memories, before or after: one of them more, one less, or other features.

Invariant: each payment has one verdict, that of the old rules where it stands before the switch in the payments log,
and else that of the new ones; and each is what the log in which it was decided says, read in one go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from fraudstream.cli.main import main
from fraudstream.contracts import Decision, Payment
from fraudstream.contracts.headers import CONTROL_HEADER
from fraudstream.engine.log import read_log
from tests.integration.stream.test_backfill import activated
from tests.integration.stream.test_controls import LISTS
from tests.integration.stream.world import RULES, World, payment, publish_steadily

STAGES = ("account", "device", "merchant")
FEATURES = "{0}.payments_30d: {{aggregate: count, window: 30d{1}}}"
SEVERAL = {"": 2, "account": 3, "device": 2, "merchant": 2}
ONE_EACH = dict.fromkeys(SEVERAL, 1)


def rules_of(*entities: str, where: str = "") -> dict[str, str]:
    """Rules whose every verdict tells what each entity has counted, and whether the device is listed."""
    keys = "".join(f"  {name}: {{key: {name}_id, slots: 64, panes: {{width: 2d, count: 16}}}}\n" for name in entities)
    features = "".join(f"  {FEATURES.format(name, where)}\n" for name in entities)
    counted = " and ".join(f"{name}.payments_30d >= 2" for name in entities)
    message = " ".join(f"{{{name}.payments_30d}}" for name in entities)
    rule = RULES["test/counted.yaml"].replace("account.payments_30d >= 2", counted)
    return {
        "features.yaml": f"version: 1\nentities:\n{keys}features:\n{features}",
        "score.yaml": RULES["score.yaml"],
        "lists.yaml": LISTS,
        "test/counted.yaml": rule.replace('"{account.payments_30d}"', f'"{message}"'),
        "test/stolen.yaml": rule.replace("0b6f6c1e", "1b6f6c1e")
        .replace(counted, "device_id in lists.stolen_devices")
        .replace('"{account.payments_30d}"', '"{device_id}"'),
    }


ONE, TWO, THREE = (rules_of(*STAGES[:count]) for count in (1, 2, 3))
OTHER_TWO = rules_of(*STAGES[:2], where=", where: amount > 1")
CHANGES = {"one more": (TWO, THREE), "the first more": (ONE, TWO), "only one": (TWO, ONE), "others": (TWO, OTHER_TWO)}


async def publish(world: World, numbers: range) -> None:
    await world.publish_records(
        (f"a{n % 20}".encode(), payment(n, f"a{n % 20}", device_id=f"d{n % 7}", merchant_id=f"m{n % 3}"))
        for n in numbers
    )


class Change(NamedTuple):
    """A world under the old rules, and the same topics under the new ones and the next state version."""

    old: World
    new: World


@pytest.fixture
async def change(request: pytest.FixtureRequest, unique_name: Callable[[str], str], tmp_path: Path) -> Change:
    kind, partitions, kafka = request.param
    broker = request.getfixturevalue("kafka" if kafka else "broker")
    old, new = (
        World(broker, unique_name, tmp_path / name, kafka, rules, partitions)
        for name, rules in zip(("old", "new"), CHANGES[kind], strict=True)
    )
    new.settings = msgspec.structs.replace(old.settings, state_version=2)
    await old.create_topics()
    return Change(old, new)


@pytest.mark.parametrize("change", [(kind, SEVERAL, False) for kind in CHANGES], ids=CHANGES, indirect=True)
async def test_another_chain_takes_over_and_each_payment_has_one_verdict(
    change: Change, capsys: pytest.CaptureFixture[str]
) -> None:
    await taken_over(change, capsys, killed=False)
    await check_explained(change, capsys)


@pytest.mark.parametrize("change", [("one more", ONE_EACH, False)], ids=["one more"], indirect=True)
async def test_what_both_chains_decide_is_a_replay_of_all_payments(
    change: Change, capsys: pytest.CaptureFixture[str]
) -> None:
    """One partition a topic: so every stage reads the payments in their order."""
    switched = await taken_over(change, capsys, killed=False)
    log = await change.old.records(change.old.settings.payments_topic, lambda found: len(found) > switched[0])
    payments = [record for record in log if CONTROL_HEADER not in record.headers]
    told = {decision.event_id: value for decision, value in await decisions_of(change.old, len(payments))}
    events = [msgspec.json.decode(record.value, type=Payment) for record in payments]
    old, new = (world.engine.judge(events, world.engine.new_state()).decisions() for world in change)
    for record, before, after in zip(payments, old, new, strict=True):
        due = before if record.offset < switched[0] else after
        if b"test/stolen" not in told[due.event_id]:  # lists are no part of a replay
            assert told[due.event_id] == msgspec.json.encode(due)


@pytest.mark.kafka
@pytest.mark.parametrize("change", [("one more", SEVERAL, True)], ids=["one more"], indirect=True)
async def test_another_chain_takes_over_though_both_sides_are_killed_on_kafka(
    change: Change, capsys: pytest.CaptureFixture[str]
) -> None:
    await taken_over(change, capsys, killed=True)


async def taken_over(change: Change, capsys: pytest.CaptureFixture[str], killed: bool) -> dict[int, int]:
    """Where the switch stands in each partition of the payments log."""
    world, partitions = change.old, change.old.partitions_of("account")
    partitions_of_all = sum(world.partitions_of(stage.stage) for stage in change.new.stages)
    to_build = {
        "rules.directory": str(change.new.directory),
        "worker.state_version": "2",
        "worker.backfill": "true",
    }
    workers = [old := world.start_process("old")]
    try:
        flow = asyncio.create_task(publish_steadily(world, enough := asyncio.Event(), publish))
        await world.decisions(50)
        await asyncio.to_thread(listed, world, "d4")
        await change.new.create_topics()
        workers.append(new := world.start_process("new", to_build))
        await new.says("backfilling from offset", times=partitions_of_all)
        await asyncio.to_thread(listed, world, "d5")
        if killed:
            new.kill()
            workers.append(new := world.start_process("new again", to_build))
        switched = await activated(world, change.new.directory, capsys)
        if killed:
            old.kill()
            new.kill()
            workers += [old := world.start_process("old again"), new := world.start_process("new at last", to_build)]
        await old.says("stop this worker", times=partitions)
        await new.says("decides it from now on", times=partitions_of_all)
        await asyncio.to_thread(listed, world, "d6")
        enough.set()
        published = await flow
        await world.decisions(published)
        await old.stop()
        await new.stop()
        plain = {name: value for name, value in to_build.items() if name != "worker.backfill"}
        workers.append(plainly := world.start_process("plainly", plain))
        await plainly.says("judging partitions")
        await publish(world, range(published, published + 70))
        told = await decisions_of(world, published + 70)
        await plainly.stop()
    finally:
        for worker in workers:
            worker.kill()
    if not killed:
        assert len(told) == published + 70, "a payment was decided twice"
    await check_who_decided(change, told, switched, published)
    await check_as_their_logs_say(change, told, published + 70)
    of_listed = [d for d, _ in told if int(d.event_id[1:]) >= published and int(d.event_id[1:]) % 7 in (4, 5, 6)]
    assert len(of_listed) == 30
    assert all(any("stolen" in rule for rule in decision.rules) for decision in of_listed)
    return switched


def listed(world: World, device: str) -> None:
    """By a command that knows the old version only."""
    assert main(["lists", "add", "stolen_devices", device, "--by", "r.holm", *world.flags()]) == 0


async def check_explained(change: Change, capsys: pytest.CaptureFixture[str]) -> None:
    """Alerts of both versions, under the settings of the new one."""
    flags = change.new.flags({"worker.state_version": "2"})
    alerts = await change.new.alerts(100)
    for world in change:
        digest = world.engine.rule_set.digest
        of_version = [alert for alert in alerts if alert.rule_set == digest]
        capsys.readouterr()
        assert await asyncio.to_thread(main, ["explain", of_version[-1].alert_id, "--json", *flags]) == 0
        explained = msgspec.json.decode(capsys.readouterr().out)
        assert (explained["topic"], explained["agrees"]) == (world.stages[-1].input_topic, True)
        assert [stage["agrees"] for stage in explained["stages"]] == [True] * (len(world.stages) - 1)


async def decisions_of(world: World, payments: int) -> list[tuple[Decision, bytes]]:
    decode = msgspec.json.Decoder(Decision).decode
    found = await world.records(
        world.settings.decisions_topic,
        lambda records: len({decode(record.value).event_id for record in records}) >= payments,
    )
    return [(decode(record.value), record.value) for record in found]


async def check_who_decided(
    change: Change, told: Sequence[tuple[Decision, bytes]], switched: Mapping[int, int], published: int
) -> None:
    log = await change.old.records(change.old.settings.payments_topic, lambda found: len(found) >= published + 70)
    old, new = (world.engine.rule_set.digest for world in change)
    due = {
        msgspec.json.decode(record.value, type=Payment).event_id: old
        if record.offset < switched[record.partition]
        else new
        for record in log
        if CONTROL_HEADER not in record.headers
    }
    by_event = {decision.event_id: decision.rule_set for decision, _ in told}
    assert by_event == due
    assert 0 < list(due.values()).count(old) < published, "nothing was published behind the switch"


async def check_as_their_logs_say(change: Change, told: Sequence[tuple[Decision, bytes]], payments: int) -> None:
    expected: dict[str, bytes] = {}
    for world, version in zip(change, (1, 2), strict=True):
        deciding = world.stages[-1]
        engine = world.engine.of_stage(deciding.stage)
        log = await world.records(deciding.input_topic, lambda found: len(found) >= 50)
        for number in range(world.partitions_of(deciding.stage)):
            state = engine.new_state()
            state.state_version, state.backfilling = version, version == 2 and engine.is_first
            for span in read_log({engine.rule_set.digest: engine}, state, [r for r in log if r.partition == number]):
                decisions = span.result.verdicts.decisions() if span.decided else []
                assert not {decision.event_id for decision in decisions} & expected.keys(), "decided by both"
                expected |= {decision.event_id: msgspec.json.encode(decision) for decision in decisions}
    assert len(expected) == payments
    assert {decision.event_id: value for decision, value in told} == expected

"""A chain of stages on a broker: it decides as one process would, and no stage costs another what it owes.

With one partition a topic every stage reads the first one's order, so decisions and alerts are `replay`'s, byte for
byte. With more partitions each stage equals an undisturbed reading of its own log: what it answers and hands on is a
function of what stands there.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import msgspec
import pytest
from aiokafka import AIOKafkaProducer, ConsumerRecord
from aiokafka.admin import AIOKafkaAdminClient

from fraudstream.contracts import Label, Payment
from fraudstream.contracts.headers import FEATURES_HEADER, LABEL_HEADER, SOURCE_HEADER, source_of
from fraudstream.engine.apply import apply, apply_and_forward
from fraudstream.engine.partition_state import PartitionState
from fraudstream.stream.observer import ForwardedBatch, JudgedBatch, Unobserved
from tests.integration.stream.world import WAIT_S, World

ROOT = Path(__file__).parents[3]
FOUR = {
    path.relative_to(ROOT / "examples/four_stages").as_posix(): path.read_text()
    for path in sorted((ROOT / "examples/four_stages").glob("**/*.yaml"))
}
ONE_EACH = {"": 1, "account": 1, "device": 1, "merchant": 1, "counterparty": 1}
DIFFERENT = {"": 2, "account": 4, "device": 3, "merchant": 1, "counterparty": 5}
START_MS = 1_700_000_000_000


def events(count: int, start: int = 0) -> list[Payment | Label]:
    """Payments that share devices, merchants and payees, some without them, some repeated, some labelled fraud."""
    made: list[Payment | Label] = []
    for n in range(start, start + count):
        payment = Payment(
            event_id=f"e{n}",
            occurred_at=START_MS + 60_000 * n,
            account_id=f"a{n * 7 % 23}",
            amount=f"{n % 40 + 1}.50",
            currency="EUR",
            direction="debit",
            kind="transfer" if n % 3 else "purchase",
            device_id=f"d{n % 5}" if n % 4 else None,
            merchant_id=None if n % 3 else f"m{n % 4}",
            counterparty_id=f"c{n % 7}" if n % 3 else None,
        )
        made.append(payment)
        if n % 11 == 5:
            made.append(payment)
        if n % 13 == 4:
            merchant, device = payment.merchant_id, payment.device_id
            made.append(Label(payment.event_id, payment.account_id, "fraud", 1, merchant_id=merchant, device_id=device))
    return made


async def publish(world: World, published: Iterable[Payment | Label]) -> None:
    async with AIOKafkaProducer(**world.brokers.options()) as producer:
        for event in published:
            headers = [LABEL_HEADER] if isinstance(event, Label) else []
            value, key = msgspec.json.encode(event), event.account_id.encode()
            await producer.send(world.settings.payments_topic, value, key=key, headers=headers)


def payments_in(published: Sequence[Payment | Label]) -> int:
    return sum(isinstance(event, Payment) for event in published)


async def world_of(
    broker: str, unique_name: Callable[[str], str], directory: Path, partitions: Mapping[str, int], kafka: bool = False
) -> World:
    world = World(broker, unique_name, directory, kafka, FOUR, partitions)
    await world.create_topics()
    return world


async def test_a_chain_with_one_partition_a_topic_decides_as_replay(
    broker: str, unique_name: Callable[[str], str], tmp_path: Path
) -> None:
    await decides_as_replay(await world_of(broker, unique_name, tmp_path, ONE_EACH))


@pytest.mark.kafka
async def test_a_chain_with_one_partition_a_topic_decides_as_replay_on_kafka(
    kafka: str, unique_name: Callable[[str], str], tmp_path: Path
) -> None:
    await decides_as_replay(await world_of(kafka, unique_name, tmp_path, ONE_EACH, kafka=True))


async def decides_as_replay(world: World) -> None:
    published = events(400)
    expected = world.engine.judge(published, world.engine.new_state())
    async with world.worker():
        await publish(world, published)
        count = payments_in(published)
        decisions = await world.records(world.settings.decisions_topic, lambda found: len(found) >= count)
        alerts = await world.records(world.settings.alerts_topic, lambda found: len(found) >= expected.alerted.sum())
    assert [r.value for r in decisions] == [msgspec.json.encode(decision) for decision in expected.decisions()]
    assert [r.value for r in alerts] == [msgspec.json.encode(alert) for alert in expected.alerts()]
    assert len(alerts) > 20
    assert {rule for alert in expected.alerts() for rule in (hit.rule.partition("/")[0] for hit in alert.rules)} >= {
        "device",
        "counterparty",
    }
    assert [record.key for record in decisions] == [d.account_id.encode() for d in expected.decisions()]
    assert expected.repeat.sum() > 20


async def test_stages_with_different_partition_counts_each_equal_a_reading_of_their_own_log(
    broker: str, unique_name: Callable[[str], str], tmp_path: Path
) -> None:
    world = await world_of(broker, unique_name, tmp_path, DIFFERENT)
    published = events(600)
    async with world.worker():
        await publish(world, published)
        await world.decisions(600)
    await each_stage_equals_a_reading_of_its_log(world, published)


async def each_stage_equals_a_reading_of_its_log(world: World, published: Sequence[Payment | Label]) -> None:
    """What each stage sent, once each, is what its log says; nothing is missing, in any stage."""
    stages = world.stages
    for settings in stages:
        engine = world.engine.of_stage(settings.stage)
        log = await world.records(settings.input_topic, lambda found: len(found) >= len(published))
        states: dict[int, PartitionState] = {n: engine.new_state() for n in range(world.partitions_of(settings.stage))}
        wanted: dict[tuple[str, int], bytes] = {}
        for record in log:
            state = states[record.partition]
            if settings.next_topic is None:
                wanted |= {
                    (str(record.partition), record.offset): msgspec.json.encode(decision)
                    for decision in apply(engine, state, [record]).verdicts.decisions()
                }
            else:
                for forwarded in apply_and_forward(engine, state, [record]).forwarded_events.forwarded:
                    wanted[str(record.partition), record.offset] = forwarded
        topic = settings.next_topic or settings.decisions_topic
        sent = await world.records(topic, enough(len(wanted)))
        found = {position_of(r): r.value if settings.next_topic is None else header(r, FEATURES_HEADER) for r in sent}
        assert found == wanted, settings.stage
        assert len(wanted) == (payments_in(published) if settings.next_topic is None else len(published))


def enough(count: int) -> Callable[[list[ConsumerRecord]], bool]:
    return lambda found: len(found) >= count


def header(record: ConsumerRecord, name: str) -> bytes:
    return bytes(dict(record.headers)[name])


def position_of(record: ConsumerRecord) -> tuple[str, int]:
    place = source_of(header(record, SOURCE_HEADER))
    assert place is not None
    return place


class Resent(Unobserved):
    """Counts what each stage dropped because the one before had sent it before."""

    def __init__(self) -> None:
        self.dropped: Counter[str] = Counter()
        self._stage = ""

    def of_stage(self, stage: str) -> Resent:
        watcher = Resent()
        watcher.dropped, watcher._stage = self.dropped, stage
        return watcher

    def on_batch(self, partition: int, batch: JudgedBatch) -> None:
        self.dropped[self._stage] += batch.dropped

    def on_forwarded(self, partition: int, batch: ForwardedBatch) -> None:
        self.dropped[self._stage] += batch.dropped


async def test_what_a_killed_stage_sends_again_is_dropped_to_the_record(
    broker: str, unique_name: Callable[[str], str], tmp_path: Path
) -> None:
    await killed_and_restarted(await world_of(broker, unique_name, tmp_path, DIFFERENT))


@pytest.mark.kafka
async def test_what_a_killed_stage_sends_again_is_dropped_to_the_record_on_kafka(
    kafka: str, unique_name: Callable[[str], str], tmp_path: Path
) -> None:
    await killed_and_restarted(await world_of(kafka, unique_name, tmp_path, DIFFERENT, kafka=True))


async def killed_and_restarted(world: World) -> None:
    """The account stage takes no checkpoint before it is killed, so its successor sends everything again."""
    published = events(300)
    account = world.start_process("killed", {"worker.stage": "account", "worker.checkpoint_interval_s": "3600"})
    successor = None
    resent = Resent()
    handed_to = world.stages[1].input_topic
    try:
        await publish(world, published)
        await world.records(handed_to, lambda found: len(found) >= len(published))
        account.kill()
        successor = world.start_process("successor", {"worker.stage": "account"})
        twice = await world.records(handed_to, lambda found: len(found) >= 2 * len(published))
        assert len(twice) == 2 * len(published)
        async with (
            world.worker(resent, stage="device"),
            world.worker(stage="merchant"),
            world.worker(stage="counterparty"),
        ):
            await world.decisions(300)
        await successor.stop()
    finally:
        account.kill()
        if successor is not None:
            successor.kill()
    assert resent.dropped == {"device": len(published)}
    await each_stage_equals_a_reading_of_its_log(world, published)


async def test_a_zombie_stage_that_sends_late_does_no_harm(
    broker: str, unique_name: Callable[[str], str], tmp_path: Path
) -> None:
    """It is stopped in the midst of its work and goes on when another has its partitions: what both send is equal."""
    await paused_and_gone_on(await world_of(broker, unique_name, tmp_path, DIFFERENT))


@pytest.mark.kafka
async def test_a_zombie_stage_that_sends_late_does_no_harm_on_kafka(
    kafka: str, unique_name: Callable[[str], str], tmp_path: Path
) -> None:
    await paused_and_gone_on(await world_of(kafka, unique_name, tmp_path, DIFFERENT, kafka=True))


async def paused_and_gone_on(world: World) -> None:
    published = events(400)
    zombie = world.start_process("zombie", {"worker.stage": "account"})
    successor = None
    try:
        await publish(world, published[:100])
        await world.records(world.stages[1].input_topic, lambda found: len(found) > 10)
        zombie.pause()
        await publish(world, published[100:300])
        successor = world.start_process("successor", {"worker.stage": "account"})
        await successor.says("judging partitions [0, 1, 2, 3]")
        zombie.resume()
        await publish(world, published[300:])
        async with (
            world.worker(stage="device"),
            world.worker(stage="merchant"),
            world.worker(stage="counterparty"),
        ):
            await world.decisions(400)
    finally:
        zombie.kill()
        if successor is not None:
            successor.kill()
    await each_stage_equals_a_reading_of_its_log(world, published)


async def test_a_stage_that_is_down_holds_back_nothing_before_it(
    broker: str, unique_name: Callable[[str], str], tmp_path: Path
) -> None:
    """Kafka holds what the merchant stage does not take; where it starts again, all is decided."""
    world = await world_of(broker, unique_name, tmp_path, DIFFERENT)
    published = events(500)
    async with (
        world.worker(stage="account"),
        world.worker(stage="device"),
        world.worker(stage="counterparty"),
    ):
        await publish(world, published)
        waiting = await world.records(world.stages[2].input_topic, lambda found: len(found) >= len(published))
        assert len(waiting) == len(published)
        assert await world.records(world.settings.decisions_topic, lambda found: True) == []
        async with world.worker(stage="merchant"):
            assert len(await world.decisions(500)) == payments_in(published)


async def test_a_stalled_device_worker_holds_back_only_its_own_partitions(
    broker: str, unique_name: Callable[[str], str], tmp_path: Path
) -> None:
    world = await world_of(broker, unique_name, tmp_path, {**DIFFERENT, "device": 2})
    stage = world.stages[1]
    slow = {"worker.stage": "device", "worker.session_timeout_s": "30"}
    devices = [world.start_process(f"device-{n}", slow) for n in range(2)]
    try:
        await devices[0].says("judging partitions")
        await devices[1].says("judging partitions")
        owned = {await owns_one(device, 2) for device in devices}
        assert owned == {0, 1}
        stalled = await owns_one(devices[0], 2)
        devices[0].pause()
        published = events(300)
        async with (
            world.worker(stage="account"),
            world.worker(stage="merchant"),
            world.worker(stage="counterparty"),
        ):
            await publish(world, published)
            log = await world.records(stage.input_topic, lambda found: len(found) >= len(published))
            held_back = {r.value for r in log if r.partition == stalled and LABEL_HEADER not in r.headers}
            others = sum(r.partition != stalled and LABEL_HEADER not in r.headers for r in log)
            assert held_back
            assert others
            on_their_way = len({decode_event(r.value) for r in log if r.partition != stalled and not r.headers[2:]})
            await world.decisions(on_their_way)
            decided = await world.records(world.settings.decisions_topic, lambda found: len(found) >= others)
            assert len(decided) == others
            devices[0].resume()
            await world.decisions(300)
    finally:
        for device in devices:
            device.kill()


def decode_event(value: bytes) -> str:
    return msgspec.json.decode(value, type=Payment).event_id


async def owns_one(process: object, partitions: int) -> int:
    """Which partition a process judges once it has only one."""
    log = process.log  # type: ignore[attr-defined]
    async with asyncio.timeout(WAIT_S):
        while True:
            lines = [line for line in log.read_text().splitlines() if "judging partitions" in line]
            for number in range(partitions):
                if lines and lines[-1].endswith(f"judging partitions [{number}]"):
                    return number
            await asyncio.sleep(0.1)


async def test_stages_that_run_under_different_features_are_refused(
    broker: str, unique_name: Callable[[str], str], tmp_path: Path
) -> None:
    world = await world_of(broker, unique_name, tmp_path, ONE_EACH)
    async with world.worker(stage="account"):
        await publish(world, events(5))
        await world.records(world.stages[1].input_topic, lambda found: len(found) >= 5)
    (tmp_path / "features.yaml").write_text(FOUR["features.yaml"].replace("window: 1h, where", "window: 2h, where"))
    device = world.start_process("device", {"worker.stage": "device"})
    try:
        assert await device.wait() == 78
        assert "of another rules/features.yaml than this stage's" in device.log.read_text()
    finally:
        device.kill()


async def test_a_topic_between_stages_that_was_given_partitions_is_refused_by_who_hands_on_to_it(
    broker: str, unique_name: Callable[[str], str], tmp_path: Path
) -> None:
    """The device stage begins anew with its changelog; what the account stage sent it must not count twice."""
    world = await world_of(broker, unique_name, tmp_path, ONE_EACH)
    account, device = world.stages[0], world.stages[1]
    async with world.worker(stage="account"):
        await publish(world, events(5))
        await world.records(device.input_topic, lambda found: len(found) >= 5)
    await delete_topics(world, device.input_topic, device.changelog_topic)
    world._partitions = {**ONE_EACH, "device": 2}
    await world.create_topics()
    again = world.start_process("account", {"worker.stage": "account"})
    try:
        assert await again.wait() == 78
        said = again.log.read_text()
        assert (
            f"'{account.next_topic}' is not what it was when {account.input_topic}-0 forwarded payments to it" in said
        )
        assert "1 partitions; now" in said
        assert f"'{account.changelog_topic}', '{device.input_topic}', '{device.changelog_topic}'" in said
        assert "Traceback" not in said
    finally:
        again.kill()


async def delete_topics(world: World, *topics: str) -> None:
    admin = AIOKafkaAdminClient(**world.brokers.options())
    await admin.start()
    try:
        await admin.delete_topics(list(topics))
    finally:
        await admin.close()

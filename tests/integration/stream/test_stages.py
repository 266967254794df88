"""A chain of stages on a broker decides as one process would, and a failure of one stage loses nothing in another.

With one partition a topic every stage reads payments in the order of the first log, so decisions and alerts are those
of `replay`, byte for byte. With more partitions each stage equals an undisturbed replay of its own log: what it decides
or forwards is a function of that log.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
from aiokafka import ConsumerRecord

from fraudstream.contracts import Label, Payment
from fraudstream.contracts.headers import FEATURES_HEADER, LABEL_HEADER, SOURCE_HEADER, source_of
from fraudstream.engine.alert_writer import decoded_alerts
from fraudstream.engine.apply import apply, apply_and_forward
from fraudstream.engine.partition_state import PartitionState
from fraudstream.stream.observer import ForwardedBatch, JudgedBatch, Unobserved
from tests.brokers import SelectedBroker, on_both_brokers
from tests.integration.stream.cluster import StreamCluster
from tests.integration.stream.process import WAIT_S, ChildProcess
from tests.integration.stream.stage_chain import (
    DIFFERENT_PARTITIONS,
    FOUR_STAGES,
    ONE_PARTITION_EACH,
    chain_cluster,
    events,
    payments_in,
    publish_events,
)
from tests.integration.stream.topic_output import at_least
from tests.integration.stream.worker_log import ASSIGNED, assigned
from tests.integration.topic_admin import delete_topics


@on_both_brokers
async def test_a_chain_with_one_partition_a_topic_decides_as_replay(
    selected_broker: SelectedBroker, unique_name: Callable[[str], str], tmp_path: Path
) -> None:
    cluster = await chain_cluster(selected_broker, unique_name, tmp_path, ONE_PARTITION_EACH)
    published = events(400)
    expected = cluster.engine.judge(published, cluster.engine.new_state())
    async with cluster.worker():
        await publish_events(cluster, published)
        count = payments_in(published)
        decisions = await cluster.records(cluster.settings.decisions_topic, at_least(count))
        alerts = await cluster.records(
            cluster.settings.alerts_topic, lambda found: len(found) >= expected.alerted.sum()
        )
    assert [r.value for r in decisions] == [msgspec.json.encode(decision) for decision in expected.decisions()]
    assert [r.value for r in alerts] == [msgspec.json.encode(alert) for alert in decoded_alerts(expected)]
    assert len(alerts) > 20
    assert {
        rule for alert in decoded_alerts(expected) for rule in (hit.rule.partition("/")[0] for hit in alert.rules)
    } >= {
        "device",
        "counterparty",
    }
    assert [record.key for record in decisions] == [d.account_id.encode() for d in expected.decisions()]
    assert expected.repeat.sum() > 20


async def test_stages_with_different_partition_counts_each_equal_a_replay_of_their_own_log(
    selected_broker: SelectedBroker, unique_name: Callable[[str], str], tmp_path: Path
) -> None:
    cluster = await chain_cluster(selected_broker, unique_name, tmp_path, DIFFERENT_PARTITIONS)
    published = events(600)
    async with cluster.worker():
        await publish_events(cluster, published)
        await cluster.decisions(600)
    await assert_each_stage_equals_a_replay(cluster, published)


async def assert_each_stage_equals_a_replay(cluster: StreamCluster, published: Sequence[Payment | Label]) -> None:
    """Assert that what each stage decided or forwarded, without repeats, is exactly a replay of its log."""
    stages = cluster.stages
    for settings in stages:
        engine = cluster.engine.of_stage(settings.stage)
        log = await cluster.records(settings.input_topic, at_least(len(published)))
        states: dict[int, PartitionState] = {
            n: engine.new_state() for n in range(cluster.partitions_of(settings.stage))
        }
        wanted: dict[tuple[str, int], bytes] = {}
        for record in log:
            state = states[record.partition]
            if settings.next_topic is None:
                wanted |= {
                    (str(record.partition), record.offset): msgspec.json.encode(decision)
                    for decision in apply(engine, state, [record]).verdicts.decisions()
                }
            else:
                for packed in apply_and_forward(engine, state, [record]).forwarded.features.present():
                    wanted[str(record.partition), record.offset] = packed
        topic = settings.next_topic or settings.decisions_topic
        sent = await cluster.records(topic, at_least(len(wanted)))
        found = {position_of(r): r.value if settings.next_topic is None else header(r, FEATURES_HEADER) for r in sent}
        assert found == wanted, settings.stage
        assert len(wanted) == (payments_in(published) if settings.next_topic is None else len(published))


def header(record: ConsumerRecord, name: str) -> bytes:
    """The value of the header `name`."""
    return bytes(dict(record.headers)[name])


def position_of(record: ConsumerRecord) -> tuple[str, int]:
    """Partition and offset of the record that this one answers."""
    position = source_of(header(record, SOURCE_HEADER))
    assert position is not None
    return position


class DroppedRecords(Unobserved):
    """Counts the records that each stage dropped because it had seen them already."""

    def __init__(self) -> None:
        self.dropped: Counter[str] = Counter()
        self._stage = ""

    def of_stage(self, stage: str) -> DroppedRecords:
        observer = DroppedRecords()
        observer.dropped, observer._stage = self.dropped, stage
        return observer

    def on_batch(self, partition: int, batch: JudgedBatch) -> None:
        self.dropped[self._stage] += batch.dropped

    def on_forwarded(self, partition: int, batch: ForwardedBatch) -> None:
        self.dropped[self._stage] += batch.dropped


@on_both_brokers
async def test_what_a_killed_stage_forwards_again_is_dropped_record_by_record(
    selected_broker: SelectedBroker, unique_name: Callable[[str], str], tmp_path: Path
) -> None:
    """The account stage takes no checkpoint before it is killed, so its successor forwards everything again."""
    cluster = await chain_cluster(selected_broker, unique_name, tmp_path, DIFFERENT_PARTITIONS)
    published = events(300)
    account = cluster.start_process("killed", {"worker.stage": "account", "worker.checkpoint_interval_s": "3600"})
    successor = None
    observer = DroppedRecords()
    forwarded_to = cluster.stages[1].input_topic
    try:
        await publish_events(cluster, published)
        await cluster.records(forwarded_to, at_least(len(published)))
        account.kill()
        successor = cluster.start_process("successor", {"worker.stage": "account"})
        twice = await cluster.records(forwarded_to, at_least(2 * len(published)))
        assert len(twice) == 2 * len(published)
        async with (
            cluster.worker(observer, stage="device"),
            cluster.worker(stage="merchant"),
            cluster.worker(stage="counterparty"),
        ):
            await cluster.decisions(300)
        await successor.stop()
    finally:
        account.kill()
        if successor is not None:
            successor.kill()
    assert observer.dropped == {"device": len(published)}
    await assert_each_stage_equals_a_replay(cluster, published)


@on_both_brokers
async def test_a_zombie_stage_that_forwards_late_changes_nothing(
    selected_broker: SelectedBroker, unique_name: Callable[[str], str], tmp_path: Path
) -> None:
    """It is paused under load and resumes when another worker has its partitions: both forward equal records."""
    cluster = await chain_cluster(selected_broker, unique_name, tmp_path, DIFFERENT_PARTITIONS)
    published = events(400)
    zombie = cluster.start_process("zombie", {"worker.stage": "account"})
    successor = None
    try:
        await publish_events(cluster, published[:100])
        await cluster.records(cluster.stages[1].input_topic, lambda found: len(found) > 10)
        zombie.pause()
        await publish_events(cluster, published[100:300])
        successor = cluster.start_process("successor", {"worker.stage": "account"})
        await successor.logs(assigned(0, 1, 2, 3))
        zombie.resume()
        await publish_events(cluster, published[300:])
        async with (
            cluster.worker(stage="device"),
            cluster.worker(stage="merchant"),
            cluster.worker(stage="counterparty"),
        ):
            await cluster.decisions(400)
    finally:
        zombie.kill()
        if successor is not None:
            successor.kill()
    await assert_each_stage_equals_a_replay(cluster, published)


async def test_a_stage_that_is_down_does_not_block_the_stages_before_it(
    selected_broker: SelectedBroker, unique_name: Callable[[str], str], tmp_path: Path
) -> None:
    """Records for the merchant stage wait in its topic. Once the stage starts, every payment is decided."""
    cluster = await chain_cluster(selected_broker, unique_name, tmp_path, DIFFERENT_PARTITIONS)
    published = events(500)
    async with (
        cluster.worker(stage="account"),
        cluster.worker(stage="device"),
        cluster.worker(stage="counterparty"),
    ):
        await publish_events(cluster, published)
        waiting = await cluster.records(cluster.stages[2].input_topic, at_least(len(published)))
        assert len(waiting) == len(published)
        assert await cluster.records(cluster.settings.decisions_topic, lambda found: True) == []
        async with cluster.worker(stage="merchant"):
            assert len(await cluster.decisions(500)) == payments_in(published)


async def test_a_stalled_device_worker_blocks_only_its_own_partitions(
    selected_broker: SelectedBroker, unique_name: Callable[[str], str], tmp_path: Path
) -> None:
    cluster = await chain_cluster(selected_broker, unique_name, tmp_path, {**DIFFERENT_PARTITIONS, "device": 2})
    stage = cluster.stages[1]
    slow = {"worker.stage": "device", "worker.session_timeout_s": "30"}
    devices = [cluster.start_process(f"device-{n}", slow) for n in range(2)]
    try:
        await devices[0].logs(ASSIGNED)
        await devices[1].logs(ASSIGNED)
        owned = {await owns_one(device, 2) for device in devices}
        assert owned == {0, 1}
        stalled = await owns_one(devices[0], 2)
        devices[0].pause()
        published = events(300)
        async with (
            cluster.worker(stage="account"),
            cluster.worker(stage="merchant"),
            cluster.worker(stage="counterparty"),
        ):
            await publish_events(cluster, published)
            log = await cluster.records(stage.input_topic, at_least(len(published)))
            blocked = {r.value for r in log if r.partition == stalled and LABEL_HEADER not in r.headers}
            others = sum(r.partition != stalled and LABEL_HEADER not in r.headers for r in log)
            assert blocked
            assert others
            decidable = len({event_id_of(r.value) for r in log if r.partition != stalled and not r.headers[2:]})
            await cluster.decisions(decidable)
            decided = await cluster.records(cluster.settings.decisions_topic, at_least(others))
            assert len(decided) == others
            devices[0].resume()
            await cluster.decisions(300)
    finally:
        for device in devices:
            device.kill()


def event_id_of(value: bytes) -> str:
    """The event id of a payment as JSON."""
    return msgspec.json.decode(value, type=Payment).event_id


async def owns_one(process: ChildProcess, partitions: int) -> int:
    """The partition that a process owns, once it owns only one of `partitions`."""
    async with asyncio.timeout(WAIT_S):
        while True:
            lines = [line for line in process.log.read_text().splitlines() if ASSIGNED in line]
            for number in range(partitions):
                if lines and lines[-1].endswith(assigned(number)):
                    return number
            await asyncio.sleep(0.1)


async def test_stages_that_run_under_different_features_are_refused(
    selected_broker: SelectedBroker, unique_name: Callable[[str], str], tmp_path: Path
) -> None:
    cluster = await chain_cluster(selected_broker, unique_name, tmp_path, ONE_PARTITION_EACH)
    async with cluster.worker(stage="account"):
        await publish_events(cluster, events(5))
        await cluster.records(cluster.stages[1].input_topic, at_least(5))
    (tmp_path / "features.yaml").write_text(
        FOUR_STAGES["features.yaml"].replace("window: 1h, where", "window: 2h, where")
    )
    device = cluster.start_process("device", {"worker.stage": "device"})
    try:
        assert await device.wait() == 78
        assert (
            "of another rules/features.yaml or rules/currencies.yaml, or another identifier secret, than this"
            in device.log.read_text()
        )
    finally:
        device.kill()


async def test_a_stage_refuses_to_forward_to_a_topic_whose_partitions_were_added(
    selected_broker: SelectedBroker, unique_name: Callable[[str], str], tmp_path: Path
) -> None:
    """The device stage starts with an empty changelog; earlier forwarded records must not count twice."""
    cluster = await chain_cluster(selected_broker, unique_name, tmp_path, ONE_PARTITION_EACH)
    account, device = cluster.stages[0], cluster.stages[1]
    async with cluster.worker(stage="account"):
        await publish_events(cluster, events(5))
        await cluster.records(device.input_topic, at_least(5))
    await delete_topics(cluster.brokers, device.input_topic, device.changelog_topic)
    cluster.partitions = {**ONE_PARTITION_EACH, "device": 2}
    await cluster.create_topics()
    again = cluster.start_process("account", {"worker.stage": "account"})
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

"""A single stage of one partition becomes a chain with more: a new topic, a copy of the log, and a cut-over.

Invariant: each payment has one decision; those after the cut-over are, byte for byte, those of a replay of all
payments, so the state of every entity has moved along. They are published one at a time, as there is no order between
partitions.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec
import pytest

from fraudstream.cli.main import main
from fraudstream.contracts import Payment
from fraudstream.contracts.headers import CONTROL_HEADER
from fraudstream.engine.alert_writer import decoded_alerts
from fraudstream.operations.copy_log import SameTopicError, TopicNotEmptyError, copy_log
from fraudstream.operations.errors import MissingTopicError
from fraudstream.stream.settings import ALL_ENTITIES
from tests.brokers import SelectedBroker, on_both_brokers
from tests.integration.stream.cluster import StreamCluster
from tests.integration.stream.entity_rules import TWO, publish
from tests.integration.stream.process import WAIT_S, ChildProcess
from tests.integration.stream.topic_input import publish_steadily
from tests.integration.stream.topic_output import at_least, decision_of, judged
from tests.integration.stream.worker_log import ASSIGNED, BACKFILL_STARTED, CUT_OVER

ONE = {"": 1, ALL_ENTITIES: 1}
MORE = {"": 1, "account": 3, "device": 2}
LATER = 25


@on_both_brokers
async def test_a_single_stage_moves_to_a_chain_with_more_partitions(
    selected_broker: SelectedBroker,
    unique_name: Callable[[str], str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    servers, is_kafka = selected_broker
    old = StreamCluster(servers, unique_name, tmp_path, is_kafka, TWO, ONE)
    old.settings = msgspec.structs.replace(old.settings, stages="single")
    await old.create_topics()
    new = StreamCluster(servers, unique_name, tmp_path, is_kafka, TWO, MORE)
    new.settings = msgspec.structs.replace(
        old.settings, stages="chain", state_version=2, payments_topic=f"{old.settings.payments_topic}-more"
    )
    to_version = {"worker.state_version": "2"}
    processes = [worker := old.start_process("old")]
    try:
        publishing = asyncio.create_task(publish_steadily(partial(publish, old), enough := asyncio.Event()))
        await old.decisions(50)
        await new.create_topics()
        processes.append(copying := copy_process(new, old.settings.payments_topic))
        processes.append(backfilling := new.start_process("new", {**to_version, "worker.backfill": "true"}))
        await backfilling.logs(BACKFILL_STARTED, times=3)
        enough.set()  # 1. publishers stop
        published = await publishing
        await old.decisions(published)  # 2. the old worker has decided everything
        await copying.stop()  # 3. at the end of the log
        await activate(new, to_version, capsys)  # 4.
        await worker.stop()
        await backfilling.logs(CUT_OVER, times=3)  # those of the first stage
        for number in range(published, published + LATER):  # 5. publishers go on, with the new topic
            await publish(new, range(number, number + 1))
            await old.decisions(number + 1)
        await backfilling.stop()
        processes.append(settled := new.start_process("settled", to_version))
        await settled.logs(ASSIGNED)
        await publish(new, range(published + LATER, published + LATER + 1))
        await old.decisions(published + LATER + 1)
        await settled.stop()
    finally:
        for process in processes:
            process.kill()
    found = judged(await old.records(old.settings.decisions_topic, at_least(published + LATER + 1)))
    values = {decision_of(record).event_id: record.value for record in found}
    assert len(found) == len(values) == published + LATER + 1
    log = await old.records(old.settings.payments_topic, at_least(published))
    log += sorted(await new.records(new.settings.payments_topic, at_least(published)), key=lambda record: record.offset)
    events = {
        payment.event_id: payment
        for payment in (
            msgspec.json.decode(record.value, type=Payment) for record in log if CONTROL_HEADER not in record.headers
        )
    }
    in_order = sorted(events.values(), key=lambda payment: int(payment.event_id[1:]))
    replayed = old.engine.judge(in_order, old.engine.new_state())
    assert values == {decision.event_id: msgspec.json.encode(decision) for decision in replayed.decisions()}
    assert sum(alert.event_id in values for alert in decoded_alerts(replayed)) > LATER


def copy_process(new: StreamCluster, log: str) -> ChildProcess:
    """`fraudstream topics copy` of `log` to the payments topic of `new`."""
    return new.start_command("copy", ["topics", "copy", log, new.settings.payments_topic])


async def activate(new: StreamCluster, to_version: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    """Run `rules activate` until the backfill has caught up."""
    command = ["rules", "activate", str(new.directory), "--skip-tests", "--by", "r.holm", *new.flags(to_version)]
    async with asyncio.timeout(WAIT_S):
        while await asyncio.to_thread(main, command) != 0:
            assert "has no state of" in capsys.readouterr().err


async def test_a_log_is_only_copied_to_another_topic_that_is_empty(
    selected_broker: SelectedBroker, unique_name: Callable[[str], str], tmp_path: Path
) -> None:
    cluster = StreamCluster(selected_broker.servers, unique_name, tmp_path, selected_broker.is_kafka)
    await cluster.create_topics()
    await cluster.publish(range(30))
    log, copy = cluster.settings.payments_topic, cluster.settings.alerts_topic
    at_end = asyncio.Event()
    at_end.set()

    async def copied(source: str, target: str) -> int:
        done = await copy_log(cluster.brokers, source, target, committed_only=False, partitioner="murmur2", stop=at_end)
        return done.records

    assert await copied(log, copy) == 30
    placed = {(record.partition, record.key) for record in await cluster.records(log, at_least(30))}
    assert {(record.partition, record.key) for record in await cluster.records(copy, at_least(30))} == placed
    with pytest.raises(TopicNotEmptyError, match="is not empty"):
        await copied(log, copy)
    with pytest.raises(SameTopicError):
        await copied(log, log)
    with pytest.raises(MissingTopicError, match="topics apply"):
        await copied(log, "nowhere")

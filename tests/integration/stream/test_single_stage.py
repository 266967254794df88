"""One stage that keeps all entities decides, explains and resumes as one process would, on a log of one partition."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from fraudstream.cli.main import main
from fraudstream.engine.alert_writer import decoded_alerts
from fraudstream.stream.failure import PermanentFailure
from fraudstream.stream.settings import ALL_ENTITIES, StageForm
from tests.brokers import SelectedBroker, on_both_brokers
from tests.integration.stream.stage_chain import (
    cluster_of_form,
    events,
    payments_in,
    publish_events,
)
from tests.integration.stream.topic_output import at_least
from tests.integration.stream.worker_log import ASSIGNED


@on_both_brokers
async def test_a_single_stage_decides_as_replay_and_after_a_restart_goes_on_as_if_it_had_not_stopped(
    selected_broker: SelectedBroker, unique_name: Callable[[str], str], tmp_path: Path
) -> None:
    cluster = await cluster_of_form(selected_broker, unique_name, tmp_path)
    assert [stage.app_id for stage in cluster.stages] == [f"{cluster.settings.group}-{ALL_ENTITIES}"]
    published = events(600)
    first, count = published[:300], payments_in(published)
    expected = cluster.engine.judge(published, cluster.engine.new_state())
    async with cluster.worker():
        await publish_events(cluster, first)
        await cluster.records(cluster.settings.decisions_topic, at_least(payments_in(first)))
    async with cluster.worker():
        await publish_events(cluster, published[300:])
        decisions = await cluster.records(cluster.settings.decisions_topic, at_least(count))
        alerts = await cluster.records(
            cluster.settings.alerts_topic, lambda found: len(found) >= expected.alerted.sum()
        )
    assert [record.value for record in decisions] == [msgspec.json.encode(d) for d in expected.decisions()]
    assert [record.value for record in alerts] == [msgspec.json.encode(alert) for alert in decoded_alerts(expected)]
    fired = {hit.rule.partition("/")[0] for alert in decoded_alerts(expected) for hit in alert.rules}
    assert fired >= {"device", "counterparty"}


async def test_the_commands_find_the_single_stage_by_the_partitions_of_the_payments(
    selected_broker: SelectedBroker,
    unique_name: Callable[[str], str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With `auto`, which is the default of the settings."""
    cluster = await cluster_of_form(selected_broker, unique_name, tmp_path)
    flags, published = cluster.flags({"worker.stages": "auto"}), events(300)
    process = cluster.start_process("worker", {"worker.stages": "auto"})
    try:
        await process.logs(ASSIGNED)
        await publish_events(cluster, published)
        alert = (await cluster.alerts(20))[-1]
        assert await asyncio.to_thread(main, ["rules", "activate", str(tmp_path), "--by", "r.holm", *flags]) == 0
        await cluster.records(cluster.settings.decisions_topic, at_least(payments_in(published)))
        capsys.readouterr()
        assert await asyncio.to_thread(main, ["explain", alert.alert_id, "--json", *flags]) == 0
        explained = msgspec.json.decode(capsys.readouterr().out)
        await process.stop()
    finally:
        process.kill()
    assert (explained["topic"], explained["agrees"], explained["stages"]) == (cluster.settings.payments_topic, True, [])
    assert await asyncio.to_thread(main, ["state", "export", str(tmp_path / "export"), "--json", *flags]) == 0
    assert msgspec.json.decode(capsys.readouterr().out)["rows"] > 0


@pytest.mark.parametrize(("built", "other"), [("single", "chain"), ("chain", "single")])
async def test_a_worker_refuses_a_state_version_that_was_built_in_the_other_form(
    selected_broker: SelectedBroker,
    unique_name: Callable[[str], str],
    tmp_path: Path,
    built: StageForm,
    other: StageForm,
) -> None:
    cluster = await cluster_of_form(selected_broker, unique_name, tmp_path, built)
    changelog = cluster.stages[0].changelog_topic
    async with cluster.worker():
        await publish_events(cluster, events(50))
        await cluster.records(cluster.settings.decisions_topic, at_least(50))
    cluster.settings = msgspec.structs.replace(cluster.settings, stages=other)
    await cluster.create_topics()
    with pytest.raises(PermanentFailure, match="cut over to state version 2") as refused:
        async with cluster.worker() as running:
            await running
    assert f"built with worker.stages={built}" in refused.value.sentence
    assert changelog in refused.value.sentence


async def test_a_single_stage_refuses_several_partitions(
    selected_broker: SelectedBroker, unique_name: Callable[[str], str], tmp_path: Path
) -> None:
    cluster = await cluster_of_form(selected_broker, unique_name, tmp_path, partitions=2)
    process = cluster.start_process("worker")
    assert await process.wait() == 78
    assert "worker.stages is 'single', but " in process.log.read_text()
    assert "has 2 partitions: each would have a state of its own" in process.log.read_text()


async def test_a_worker_of_one_stage_of_a_chain_refuses_to_be_single(
    selected_broker: SelectedBroker, unique_name: Callable[[str], str], tmp_path: Path
) -> None:
    cluster = await cluster_of_form(selected_broker, unique_name, tmp_path)
    process = cluster.start_process("worker", {"worker.stage": "device"})
    assert await process.wait() == 78
    assert "worker.stage is 'device', a stage of a chain, but the stages are single" in process.log.read_text()

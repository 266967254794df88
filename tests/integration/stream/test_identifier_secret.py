"""The identifier secret of a deployment: made once, kept with the state, exported with it, and never mixed up."""

from __future__ import annotations

import asyncio
import stat
import sys
from pathlib import Path

import msgspec
import pytest

from fraudstream.controls.secret import keep_secret, read_or_make_secret, read_secret
from fraudstream.engine.identifier_key import key_of
from fraudstream.operations.exported_secret import SECRET_FILE, OtherSecretError, SecretMissingError
from fraudstream.operations.state_export import export_state
from fraudstream.operations.state_import import import_state
from fraudstream.stream.checkpoints.last_checkpoint import last_checkpoints
from fraudstream.stream.control_log import controls_topic
from fraudstream.stream.failure import PermanentFailure
from fraudstream.stream.worker import serve
from tests.brokers import on_both_brokers
from tests.integration.stream.cluster import StreamCluster
from tests.integration.stream.payments import assert_counted_once
from tests.integration.stream.rules import engine
from tests.integration.topic_admin import delete_topics

OTHER = bytes.fromhex("0e" * 16)
LAYOUT = engine().new_state().layout


def without_secret(cluster: StreamCluster) -> None:
    """As a deployment that was given no secret."""
    cluster.settings = msgspec.structs.replace(cluster.settings, identifier_secret=None)


def with_secret(cluster: StreamCluster, secret: bytes) -> None:
    cluster.settings = msgspec.structs.replace(cluster.settings, identifier_secret=secret)


async def fingerprints(cluster: StreamCluster) -> set[str]:
    """Of the secrets that the partitions' states were built under."""
    return {record.key_fingerprint for record in (await last_checkpoints(cluster.settings)).values() if record}


@on_both_brokers
async def test_workers_that_start_at_once_make_one_secret(cluster: StreamCluster) -> None:
    topic = controls_topic(cluster.settings)
    assert await read_secret(topic) is None
    made = await asyncio.gather(*(read_or_make_secret(topic) for _ in range(6)))
    assert len(set(made)) == 1
    assert len(made[0]) == 16
    assert await keep_secret(topic, OTHER) == made[0]  # the first one counts
    assert await read_or_make_secret(topic) == made[0]


@on_both_brokers
async def test_processes_of_stages_that_start_at_once_make_one_secret(cluster: StreamCluster) -> None:
    """Each is a process of its own, as the workers of a chain are; all are let go at the same moment."""
    without_secret(cluster)
    script = (
        "import asyncio, sys\n"
        "from fraudstream.controls.secret import read_or_make_secret\n"
        "from fraudstream.kafka import Brokers\n"
        "from fraudstream.stream.control_log import controls_topic\n"
        "from fraudstream.stream.settings import StreamSettings\n"
        "settings = StreamSettings(brokers=Brokers(sys.argv[1]), checkpoint_mode=sys.argv[2], stage=sys.argv[3],\n"
        "                          controls_topic=sys.argv[4])\n"
        "print('ready', flush=True)\n"
        "sys.stdin.readline()\n"
        "print(asyncio.run(read_or_make_secret(controls_topic(settings))).hex(), flush=True)\n"
    )
    s = cluster.settings
    arguments = (s.brokers.servers, s.checkpoint_mode)
    processes = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", script, *arguments, stage, s.controls_topic),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        for stage in ("account", "device", "merchant", "counterparty")
    ]
    for process in processes:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
    answers = await asyncio.gather(*(process.communicate(b"go\n") for process in processes))
    made = {out.decode().strip() for out, _ in answers}
    assert [process.returncode for process in processes] == [0] * len(processes)
    kept = await read_secret(controls_topic(s))
    assert kept is not None
    assert made == {kept.hex()}


@on_both_brokers
async def test_a_restarted_worker_continues_under_the_secret_that_the_first_one_made(cluster: StreamCluster) -> None:
    without_secret(cluster)
    async with cluster.worker():
        await cluster.publish(range(100))
        await cluster.decisions(100)
    secret = await read_secret(controls_topic(cluster.settings))
    assert await fingerprints(cluster) == {key_of(secret).fingerprint} != {key_of(None).fingerprint}
    async with cluster.worker():
        await cluster.publish(range(50, 150))  # half of them again
        decisions = await cluster.decisions(150)
    assert sum(decision.repeat for decision in decisions) == 50
    assert_counted_once(await cluster.alerts(130), 150)


@on_both_brokers
async def test_a_worker_with_another_secret_does_not_use_the_state(cluster: StreamCluster) -> None:
    async with cluster.worker():
        await cluster.publish(range(20))
        await cluster.decisions(20)
    [found] = await fingerprints(cluster)
    with_secret(cluster, OTHER)
    ours = key_of(OTHER).fingerprint
    with pytest.raises(PermanentFailure, match=f"under the identifier secret {found}, this worker has {ours}. Give it"):
        await serve(cluster.settings, engine(), stop=asyncio.Event())


async def test_an_export_carries_the_secret_that_controls_keeps(cluster: StreamCluster, tmp_path: Path) -> None:
    without_secret(cluster)
    async with cluster.worker():
        await cluster.publish(range(100))
        await cluster.decisions(100)
    await export_state(cluster.settings, tmp_path / "export")
    secret, file = await read_secret(controls_topic(cluster.settings)), tmp_path / "export" / SECRET_FILE
    assert secret is not None
    assert file.read_text() == f"{secret.hex()}\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600

    await delete_topics(cluster.brokers, cluster.settings.changelog_topic, cluster.settings.controls_topic)
    await cluster.create_topics()
    await import_state(cluster.settings, tmp_path / "export", LAYOUT)
    assert await read_secret(controls_topic(cluster.settings)) == secret
    async with cluster.worker():
        await cluster.publish(range(50, 150))
        decisions = await cluster.decisions(150)
    assert sum(decision.repeat for decision in decisions) == 50


async def test_an_import_that_workers_could_not_use_is_refused(cluster: StreamCluster, tmp_path: Path) -> None:
    async with cluster.worker():
        await cluster.publish(range(20))
        await cluster.decisions(20)
    directory = tmp_path / "export"
    await export_state(cluster.settings, directory)
    assert not (directory / SECRET_FILE).exists()  # the operator gave it, and keeps it
    await delete_topics(cluster.brokers, cluster.settings.changelog_topic)
    await cluster.create_topics()
    with_secret(cluster, OTHER)
    with pytest.raises(OtherSecretError, match=r"the setting has \w+. To import it, give it with identifiers.secret_"):
        await import_state(cluster.settings, directory, LAYOUT)
    without_secret(cluster)
    with pytest.raises(SecretMissingError, match="does not hold: its operator kept it"):
        await import_state(cluster.settings, directory, LAYOUT)
    (directory / SECRET_FILE).write_text(OTHER.hex())
    with pytest.raises(SecretMissingError):
        await import_state(cluster.settings, directory, LAYOUT)
    await keep_secret(controls_topic(cluster.settings), OTHER)
    with pytest.raises(OtherSecretError, match=rf"the topic '\S+' has \w+. To import it, set \S+ to {directory}"):
        await import_state(cluster.settings, directory, LAYOUT)

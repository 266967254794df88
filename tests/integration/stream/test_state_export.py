"""A backup of the memory, taken under load, brings workers back to where they were.

Invariant: changelog deleted, export imported, workers started: every payment has one verdict, and the memory is the one
that an undisturbed reading of the log gives. And: no part of an import is ever taken for the whole.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest
from aiokafka.admin import AIOKafkaAdminClient

from fraudstream.stream.backup import load
from fraudstream.stream.backup.export import export_state
from fraudstream.stream.backup.files import ExportError, read_manifest
from fraudstream.stream.backup.load import import_state
from fraudstream.stream.failure import PermanentFailure
from fraudstream.stream.worker import serve
from tests.integration.stream.restored_states import rows_of, saved_memories, undisturbed_memories
from tests.integration.stream.world import World, assert_counted_once, engine, publish_steadily

LAYOUT = engine().new_state().layout


async def test_an_export_brings_the_memory_back(world: World, tmp_path: Path) -> None:
    await exported_deleted_and_imported(world, tmp_path / "export")


@pytest.mark.kafka
async def test_an_export_brings_the_memory_back_on_kafka(kafka_world: World, tmp_path: Path) -> None:
    await exported_deleted_and_imported(kafka_world, tmp_path / "export")


async def test_an_import_that_broke_off_is_taken_for_whole_by_nobody(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await broken_off(world, tmp_path / "export", monkeypatch)


@pytest.mark.kafka
async def test_an_import_that_broke_off_is_taken_for_whole_by_nobody_on_kafka(
    kafka_world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await broken_off(kafka_world, tmp_path / "export", monkeypatch)


async def test_an_export_goes_into_a_new_state_version(world: World, tmp_path: Path) -> None:
    async with world.worker():
        await world.publish(range(100))
        await world.decisions(100)
    await export_state(world.settings, tmp_path / "export")
    world.settings = msgspec.structs.replace(world.settings, state_version=2)
    await world.create_topics()
    await import_state(world.settings, tmp_path / "export", LAYOUT)
    await world.publish(range(100, 200))
    async with world.worker():
        decisions = await world.decisions(200)
    assert len(decisions) == 200
    assert_counted_once(await world.alerts(180), 200)


async def test_what_does_not_fit_is_refused_before_anything_is_written(world: World, tmp_path: Path) -> None:
    directory = tmp_path / "export"
    with pytest.raises(PermanentFailure, match="has no checkpoint: no worker has had this partition yet"):
        await export_state(world.settings, tmp_path / "too-early")
    async with world.worker():
        await world.publish(range(40))
        await world.decisions(40)
    await export_state(world.settings, directory)
    with pytest.raises(ExportError, match=r"is not empty. Export into a directory of its own"):
        await export_state(world.settings, directory)
    with pytest.raises(PermanentFailure, match=r"is not empty. Stop all workers, then delete the topic"):
        await import_state(world.settings, directory, LAYOUT)
    with pytest.raises(PermanentFailure, match=r"another rules/features.yaml \(layout \w+, now other\)"):
        await import_state(world.settings, directory, "other")
    elsewhere = msgspec.structs.replace(world.settings, payments_topic=world.settings.alerts_topic)
    with pytest.raises(PermanentFailure, match="its offsets mean other payments"):
        await import_state(elsewhere, directory, LAYOUT)
    file = directory / read_manifest(directory).partitions[1].file
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(ExportError, match="missing, or not as it was exported"):
        await import_state(world.settings, directory, LAYOUT)


async def exported_deleted_and_imported(world: World, directory: Path) -> None:
    async with world.worker():
        publishing = asyncio.create_task(publish_steadily(world, exported := asyncio.Event()))
        await world.decisions(200)
        manifest = await export_state(world.settings, directory)
        exported.set()
        published = await publishing
        await world.decisions(published)
    saved = await saved_memories(world.settings, engine())
    behind = [at.next_offset - p.checkpoint.next_offset for p, (_, at) in zip(manifest.partitions, saved, strict=True)]
    assert sum(behind) > 0, "nothing came after the export: the test shows nothing"

    await delete(world, world.settings.changelog_topic)
    await world.create_topics()
    assert await import_state(world.settings, directory, LAYOUT) == manifest
    async with world.worker():
        await world.publish(range(published, published + 20))
        await world.decisions(published + 20)
    assert_counted_once(await world.alerts(published), published + 20)
    expected = await undisturbed_memories(world, engine(), published + 20)
    restored = await saved_memories(world.settings, engine())
    assert [rows_of(state) for state, _ in restored] == [rows_of(state) for state in expected]


async def broken_off(world: World, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with world.worker():
        await world.publish(range(100))
        await world.decisions(100)
    await export_state(world.settings, directory)
    await delete(world, world.settings.changelog_topic)
    await world.create_topics()
    with monkeypatch.context() as patched:
        patched.setattr(load, "_checkpoint", lambda *_: (_ for _ in ()).throw(ConnectionError("cut off")))
        with pytest.raises(ConnectionError):
            await import_state(world.settings, directory, LAYOUT)
    with pytest.raises(PermanentFailure, match="no checkpoint: an import was not finished"):
        await serve(world.settings, engine(), stop=asyncio.Event())
    with pytest.raises(PermanentFailure, match="is not empty"):
        await import_state(world.settings, directory, LAYOUT)


async def delete(world: World, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=world.broker)
    await admin.start()
    await admin.delete_topics([topic])
    while topic in {found["topic"] for found in await admin.describe_topics()}:  # noqa: ASYNC110
        await asyncio.sleep(0.1)
    await admin.close()

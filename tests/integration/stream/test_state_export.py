"""An export of the state, taken under load and imported again, restores the workers' state.

Invariant: after the changelog is deleted, the export imported and workers started, every payment has one verdict, and
the state equals that of an undisturbed replay of the log. An incomplete import is never used as if it were complete.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from fraudstream.operations import state_import
from fraudstream.operations.state_export import NoCheckpointError, export_state
from fraudstream.operations.state_files import ExportError, read_manifest
from fraudstream.operations.state_import import (
    ChangelogNotEmptyError,
    LayoutMismatchError,
    OtherTopicError,
    import_state,
)
from fraudstream.stream.failure import PermanentFailure
from fraudstream.stream.worker import serve
from tests.brokers import on_both_brokers
from tests.integration.stream.cluster import StreamCluster
from tests.integration.stream.payments import assert_counted_once
from tests.integration.stream.restored_states import replayed_states, restored_states, rows_of
from tests.integration.stream.rules import engine
from tests.integration.stream.topic_input import publish_steadily
from tests.integration.topic_admin import delete_topics

LAYOUT = engine().new_state().layout


async def test_an_export_can_be_imported_into_a_new_state_version(cluster: StreamCluster, tmp_path: Path) -> None:
    async with cluster.worker():
        await cluster.publish(range(100))
        await cluster.decisions(100)
    await export_state(cluster.settings, tmp_path / "export")
    cluster.settings = msgspec.structs.replace(cluster.settings, state_version=2)
    await cluster.create_topics()
    await import_state(cluster.settings, tmp_path / "export", LAYOUT)
    await cluster.publish(range(100, 200))
    async with cluster.worker():
        decisions = await cluster.decisions(200)
    assert len(decisions) == 200
    assert_counted_once(await cluster.alerts(180), 200)


async def test_an_export_or_import_that_does_not_fit_is_refused_before_anything_is_written(
    cluster: StreamCluster, tmp_path: Path
) -> None:
    directory = tmp_path / "export"
    with pytest.raises(NoCheckpointError, match="has no checkpoint: no worker has owned this partition yet"):
        await export_state(cluster.settings, tmp_path / "too-early")
    async with cluster.worker():
        await cluster.publish(range(40))
        await cluster.decisions(40)
    await export_state(cluster.settings, directory)
    with pytest.raises(ExportError, match=r"is not empty. Export into a directory of its own"):
        await export_state(cluster.settings, directory)
    with pytest.raises(ChangelogNotEmptyError, match=r"is not empty. Stop all workers, then delete the topic"):
        await import_state(cluster.settings, directory, LAYOUT)
    with pytest.raises(LayoutMismatchError, match=r"another rules/features.yaml \(layout \w+, now other\)"):
        await import_state(cluster.settings, directory, "other")
    elsewhere = msgspec.structs.replace(cluster.settings, payments_topic=cluster.settings.alerts_topic)
    with pytest.raises(OtherTopicError, match="its offsets refer to other payments"):
        await import_state(elsewhere, directory, LAYOUT)
    file = directory / read_manifest(directory).partitions[1].file
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(ExportError, match="missing, or changed since the export"):
        await import_state(cluster.settings, directory, LAYOUT)


@on_both_brokers
async def test_an_imported_export_restores_the_state(cluster: StreamCluster, tmp_path: Path) -> None:
    directory = tmp_path / "export"
    async with cluster.worker():
        publishing = asyncio.create_task(publish_steadily(cluster.publish, exported := asyncio.Event()))
        await cluster.decisions(200)
        manifest = await export_state(cluster.settings, directory)
        exported.set()
        published = await publishing
        await cluster.decisions(published)
    saved = await restored_states(cluster.settings, engine())
    later = [at.next_offset - p.checkpoint.next_offset for p, (_, at) in zip(manifest.partitions, saved, strict=True)]
    assert sum(later) > 0, "no payment came after the export: the test shows nothing"

    await delete_topics(cluster.brokers, cluster.settings.changelog_topic)
    await cluster.create_topics()
    assert await import_state(cluster.settings, directory, LAYOUT) == manifest
    async with cluster.worker():
        await cluster.publish(range(published, published + 20))
        await cluster.decisions(published + 20)
    assert_counted_once(await cluster.alerts(published), published + 20)
    expected = await replayed_states(cluster, engine(), published + 20)
    restored = await restored_states(cluster.settings, engine())
    assert [rows_of(state) for state, _ in restored] == [rows_of(state) for state in expected]


@on_both_brokers
async def test_the_state_of_an_incomplete_import_is_refused(
    cluster: StreamCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = tmp_path / "export"
    async with cluster.worker():
        await cluster.publish(range(100))
        await cluster.decisions(100)
    await export_state(cluster.settings, directory)
    await delete_topics(cluster.brokers, cluster.settings.changelog_topic)
    await cluster.create_topics()
    with monkeypatch.context() as patched:
        patched.setattr(state_import, "_checkpoint", lambda *_: (_ for _ in ()).throw(ConnectionError("cut off")))
        with pytest.raises(ConnectionError):
            await import_state(cluster.settings, directory, LAYOUT)
    with pytest.raises(PermanentFailure, match="no checkpoint: an import was not finished"):
        await serve(cluster.settings, engine(), stop=asyncio.Event())
    with pytest.raises(ChangelogNotEmptyError, match="is not empty"):
        await import_state(cluster.settings, directory, LAYOUT)

"""Files that no case lists leave the store; those that one lists, or may list soon, stay."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fraudstream.cases.agent import CaseAgent
from fraudstream.cases.grouping import case_id_of
from fraudstream.contracts.attached_file import FileDescription
from fraudstream.evidence.directory_store import DirectoryStore, path_of
from fraudstream.operations.unlisted_files import KEPT_MS, UnreadableCaseError, remove_unlisted
from tests.brokers import on_both_brokers
from tests.integration.cases.case_cluster import CaseCluster, eventually
from tests.unit.cases.events import action, alert

pytestmark = on_both_brokers

NOW_MS = 1_772_629_200_000
CASE, ERASED = case_id_of("acc-1", "a1"), case_id_of("acc-2", "b1")


def stored(root: Path, content: bytes, age_ms: int) -> FileDescription:
    """A file that was taken so long ago."""
    with DirectoryStore(root).incoming(100) as file:
        file.write(content)
        sha256, size_bytes = file.keep()
    at_ns = (NOW_MS - age_ms) * 1_000_000
    os.utime(path_of(root, sha256), ns=(at_ns, at_ns))
    return FileDescription(sha256, content.decode(), size_bytes)


async def test_what_no_case_lists_leaves_after_its_time(cluster: CaseCluster, tmp_path: Path) -> None:
    store, old = DirectoryStore(tmp_path), KEPT_MS + 1
    listed, detached, refused, of_erased, of_both = (
        stored(tmp_path, each, old) for each in (b"listed", b"detached", b"refused", b"of erased", b"of both")
    )
    new = stored(tmp_path, b"new", KEPT_MS - 1)
    assert await remove_unlisted(cluster.settings, store, NOW_MS) == 0, "an empty topic says nothing"
    agent = CaseAgent(cluster.settings, view=cluster.view())
    await agent.start()
    await cluster.publish_alerts([alert("a1"), alert("b1", "acc-2")])
    await eventually(cluster.cases_in_view, lambda found: found == {"acc-1", "acc-2"})
    await cluster.publish_actions(
        [
            *(action("attach", CASE, action_id=file.file_name, file=file) for file in (listed, detached, of_both)),
            action("detach", CASE, sha256=detached.sha256, note="of another customer"),
            *(
                action("attach", ERASED, action_id=f"e-{file.file_name}", account_id="acc-2", file=file)
                for file in (of_erased, of_both)
            ),
            action("attach", ERASED, action_id="wrong", file=refused),  # the account is another
            action("erase", ERASED, account_id="acc-2", note="request 4"),
        ]
    )
    await eventually(cluster.cases_in_view, lambda found: found == {"acc-1"})
    view = cluster.view()
    await eventually(lambda: view.case(CASE), lambda found: found is not None and found.version == 5)
    await view.close()
    await agent.stop()
    assert agent.crash_reason is None
    assert await remove_unlisted(cluster.settings, store, NOW_MS) == 3
    assert store.held().keys() == {listed.sha256, of_both.sha256, new.sha256}

    await cluster.publish(cluster.settings.cases_topic, b"no case", b"x")
    stored(tmp_path, b"refused", old)
    with pytest.raises(UnreadableCaseError, match="is not a case, so no file can be removed"):
        await remove_unlisted(cluster.settings, store, NOW_MS)
    assert len(store.held()) == 4

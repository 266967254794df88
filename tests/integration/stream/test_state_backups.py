"""Backups of the state: complete, verified, the newest ones kept, and good for an import."""

from __future__ import annotations

import asyncio
import json
import os
import re
import urllib.request
from pathlib import Path

import msgspec
import pytest

from fraudstream.cli.main import main
from fraudstream.operations.state_backups import back_up_state, backups_of, begun_at_ms, verify_backup
from fraudstream.operations.state_files import ExportError
from fraudstream.operations.state_import import import_state
from tests.integration.stream.cluster import StreamCluster
from tests.integration.stream.payments import assert_counted_once
from tests.integration.stream.process import ChildProcess
from tests.integration.stream.rules import engine

AT_MS = 1_772_625_600_000
HOUR_MS = 3_600_000


@pytest.fixture
async def filled(cluster: StreamCluster) -> StreamCluster:
    """A cluster with a state of 100 payments."""
    async with cluster.worker():
        await cluster.publish(range(100))
        await cluster.decisions(100)
    return cluster


async def test_the_newest_backups_are_kept_and_other_directories_left_alone(
    filled: StreamCluster, tmp_path: Path
) -> None:
    (tmp_path / "notes").mkdir()
    made = [await back_up_state([filled.settings], tmp_path, keep=2, at_ms=AT_MS + n * HOUR_MS) for n in range(3)]
    assert [backup.removed for backup in made] == [(), (), ("2026-03-04T120000Z",)]
    assert [path.name for path in backups_of(tmp_path)] == ["2026-03-04T130000Z", "2026-03-04T140000Z"]
    assert (tmp_path / "notes").is_dir()
    assert made[0].rows > 0


async def test_a_backup_can_be_imported(filled: StreamCluster, tmp_path: Path) -> None:
    backup = await back_up_state([filled.settings], tmp_path, keep=1, at_ms=AT_MS)
    filled.settings = msgspec.structs.replace(filled.settings, state_version=2)
    await filled.create_topics()
    await import_state(filled.settings, Path(backup.directory), engine().new_state().layout)
    await filled.publish(range(100, 200))
    async with filled.worker():
        await filled.decisions(200)
    assert_counted_once(await filled.alerts(180), 200)


async def test_a_failed_backup_removes_none_and_is_none(cluster: StreamCluster, tmp_path: Path) -> None:
    async with cluster.worker():
        await cluster.publish(range(40))
        await cluster.decisions(40)
    await back_up_state([cluster.settings], tmp_path, keep=1, at_ms=AT_MS)
    other = msgspec.structs.replace(cluster.settings, state_version=3)
    with pytest.raises(Exception, match="state-changelog"):
        await back_up_state([other], tmp_path, keep=1, at_ms=AT_MS + HOUR_MS)
    assert [path.name for path in backups_of(tmp_path)] == ["2026-03-04T120000Z"]
    with pytest.raises(ExportError, match="the backup is not complete"):
        verify_backup(tmp_path / "2026-03-04T130000Z")


async def test_an_abandoned_backup_is_removed_after_a_day_and_a_running_one_is_not(
    filled: StreamCluster, tmp_path: Path
) -> None:
    for name, age_s in (("2026-03-01T000000Z", 2 * 86_400), ("2026-03-04T110000Z", 60)):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (AT_MS / 1000 - age_s,) * 2)
    backup = await back_up_state([filled.settings], tmp_path, keep=5, at_ms=AT_MS)
    assert backup.removed == ("2026-03-01T000000Z",)


async def test_verify_names_the_file_that_was_changed(
    filled: StreamCluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for n in range(2):
        await back_up_state([filled.settings], tmp_path, keep=5, at_ms=AT_MS + n * HOUR_MS)
    assert main(["state", "verify", str(tmp_path)]) == 0
    assert capsys.readouterr().out.count("whole") == 2
    file = tmp_path / "2026-03-04T130000Z" / "partition-00001.parquet"
    file.write_bytes(file.read_bytes()[:-1])
    assert main(["state", "verify", str(tmp_path), "--json"]) == 1
    first, second = json.loads(capsys.readouterr().out)
    assert (first["whole"], second["whole"]) == (True, False)
    assert "partition-00001.parquet" in second["why"]


async def test_backups_on_a_schedule_go_on_after_a_failure_count_it_and_end_when_asked_to(
    filled: StreamCluster, tmp_path: Path
) -> None:
    root, aside = tmp_path / "backups", tmp_path / "aside"
    words = ["state", "backup", str(root), "--every", "1s", "--keep", "2", "--metrics-port", "0"]
    schedule = filled.start_command("schedule", words)
    try:
        await schedule.logs(" verified", times=3)
        root.rename(aside)
        root.write_text("no directory")
        await schedule.logs("fraudstream: no backup: ")
        failed = await samples(schedule)
        root.unlink()
        aside.rename(root)
        whole = schedule.log.read_text().count(" verified")
        await schedule.logs(" verified", times=whole + 1)
        after = await samples(schedule)
        await schedule.stop()
    finally:
        schedule.kill()
    assert failed['fraudstream_backups_total{result="failed"}'] >= 1
    assert failed['fraudstream_backups_total{result="whole"}'] >= 3
    success = "fraudstream_backup_success_timestamp_seconds"
    assert failed[success] < after[success]
    assert after["fraudstream_backup_rows"] > 0
    kept = backups_of(root)
    assert len(kept) == 2
    assert after[success] <= begun_at_ms(kept[-1]) / 1000 + 1, "the name has whole seconds"


def test_no_backup_at_all_is_a_failure(tmp_path: Path) -> None:
    assert main(["state", "verify", str(tmp_path)]) == 1
    assert main(["state", "verify", str(tmp_path / "missing")]) == 1


async def samples(process: ChildProcess) -> dict[str, float]:
    """What a process exposes at `/metrics`, by name and labels."""
    await process.logs("metrics at")
    url = re.findall(r"metrics at (http://\S+/metrics)", process.log.read_text())[-1]

    def scrape() -> str:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return str(answer.read().decode())

    lines = (await asyncio.to_thread(scrape)).splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")}

"""A backup of the memory: each partition's rows with the checkpoint that they reach to, read from the changelog.

Workers may go on meanwhile. Each partition is saved as of one checkpoint of its own; restored, it goes on from there in
the log, as a worker does after a crash.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from fraudstream import __version__
from fraudstream.stream.backup.files import FORMAT, ExportedPartition, Manifest, RowFile, prepare, write_manifest
from fraudstream.stream.checkpoints.changelog import ChangelogRestorer
from fraudstream.stream.checkpoints.changelog_reader import ChangelogReader, changelog_reader
from fraudstream.stream.failure import PermanentFailure
from fraudstream.stream.settings import StreamSettings
from fraudstream.stream.topics.cluster import look_once


async def export_state(settings: StreamSettings, directory: Path) -> Manifest:
    """Write an export into `directory`, which must be empty or not there yet.

    Raises `ExportError`, `PermanentFailure`, and what aiokafka raises.
    """
    prepare(directory)
    cluster = await look_once(settings)
    async with changelog_reader(settings) as reader:
        partitions = [
            await _export(reader, number, directory) for number in range(cluster.partitions[settings.changelog_topic])
        ]
    checkpoints = [partition.checkpoint for partition in partitions]
    layouts = sorted({checkpoint.layout for checkpoint in checkpoints})
    if len(layouts) > 1:
        raise PermanentFailure(
            f"The partitions of {settings.changelog_topic} are of several layouts ({', '.join(layouts)}): its workers "
            "run under different rules/features.yaml. Bring them to one first."
        )
    manifest = Manifest(
        format=FORMAT,
        program=f"fraudstream {__version__}",
        exported_at=datetime.now(UTC).isoformat(timespec="seconds"),
        changelog=settings.changelog_topic,
        stage=settings.stage,
        state_version=settings.state_version,
        input_topic=checkpoints[0].input_topic,
        input_id=checkpoints[0].input_id,
        layout=layouts[0],
        rule_sets=tuple(sorted({checkpoint.rule_set for checkpoint in checkpoints})),
        partitions=tuple(partitions),
    )
    write_manifest(directory, manifest)
    return manifest


async def _export(reader: ChangelogReader, number: int, directory: Path) -> ExportedPartition:
    settings = reader.settings
    file = RowFile(directory / f"partition-{number:05}.parquet")
    replay = ChangelogRestorer(file, settings.checkpoint_mode)
    async for records in reader.records(number):
        replay.feed(records)
    digest = file.close()
    if replay.checkpoint is None:
        raise PermanentFailure(
            f"{settings.changelog_topic}-{number} has no checkpoint: no worker has had this partition yet. Export once "
            "workers have taken over all partitions."
        )
    return ExportedPartition(number, file.path.name, file.rows, file.size, digest, replay.checkpoint)

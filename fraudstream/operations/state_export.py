"""Export of the state: each partition's rows with the checkpoint that they reach to, read from the changelog.

Workers may run meanwhile. Each partition is saved as of one checkpoint of its own; after an import, its worker resumes
from that position in the log, as it does after a crash.
"""

from __future__ import annotations

import time
from pathlib import Path

from fraudstream import __version__
from fraudstream.contracts.timestamps import utc_text
from fraudstream.operations.errors import OperationError
from fraudstream.operations.exported_secret import export_secret
from fraudstream.operations.state_files import (
    FORMAT,
    ExportedPartition,
    Manifest,
    RowFile,
    create_export_directory,
    write_manifest,
)
from fraudstream.stream.checkpoints.changelog import ChangelogRestorer
from fraudstream.stream.checkpoints.changelog_reader import ChangelogReader, changelog_reader
from fraudstream.stream.failure import PermanentFailure
from fraudstream.stream.settings import StreamSettings
from fraudstream.stream.topics.cluster import look_once


class UnsuitableClusterError(OperationError):
    """The cluster's topics, or what is in them, do not fit the settings."""


class NoCheckpointError(OperationError):
    """`partition` of the changelog topic `changelog` has no checkpoint: no worker has owned it yet."""

    def __init__(self, changelog: str, partition: int) -> None:
        super().__init__(
            f"{changelog}-{partition} has no checkpoint: no worker has owned this partition yet. Export once workers "
            "have taken over all partitions."
        )
        self.changelog = changelog
        self.partition = partition


class MixedLayoutsError(OperationError):
    """The partitions of `changelog` have states of several `layouts`: their workers run under different features."""

    def __init__(self, changelog: str, layouts: list[str]) -> None:
        super().__init__(
            f"The partitions of {changelog} are of several layouts ({', '.join(layouts)}): its workers run under "
            "different rules/features.yaml. Run all of them with the same one first."
        )
        self.changelog = changelog
        self.layouts = tuple(layouts)


async def export_state(settings: StreamSettings, directory: Path) -> Manifest:
    """Write the state of one stage into `directory`, which must be empty or not exist yet.

    Raises `ExportError`, `UnsuitableClusterError`, `NoCheckpointError`, `MixedLayoutsError`, and what aiokafka raises.
    """
    create_export_directory(directory)
    try:
        cluster = await look_once(settings)
        async with changelog_reader(settings) as reader:
            partitions = [
                await _export(reader, number, directory)
                for number in range(cluster.partitions[settings.changelog_topic])
            ]
    except PermanentFailure as failure:
        raise UnsuitableClusterError(failure.sentence) from failure
    manifest = _manifest(settings, partitions)
    await export_secret(settings, manifest.key_fingerprint, directory)
    write_manifest(directory, manifest)
    return manifest


def _manifest(settings: StreamSettings, partitions: list[ExportedPartition]) -> Manifest:
    checkpoints = [partition.checkpoint for partition in partitions]
    layouts = sorted({checkpoint.layout for checkpoint in checkpoints})
    if len(layouts) > 1:
        raise MixedLayoutsError(settings.changelog_topic, layouts)
    fingerprints = sorted({checkpoint.key_fingerprint for checkpoint in checkpoints})
    if len(fingerprints) > 1:
        raise UnsuitableClusterError(
            f"The partitions of {settings.changelog_topic} were built under several identifier secrets "
            f"({', '.join(fingerprints)}): its workers have different ones. Give all of them the same one first."
        )
    return Manifest(
        format=FORMAT,
        program=f"fraudstream {__version__}",
        exported_at=utc_text(time.time_ns() // 1_000_000),
        changelog=settings.changelog_topic,
        stage=settings.stage,
        state_version=settings.state_version,
        input_topic=checkpoints[0].input_topic,
        input_id=checkpoints[0].input_id,
        layout=layouts[0],
        rule_sets=tuple(sorted({checkpoint.rule_set for checkpoint in checkpoints})),
        partitions=tuple(partitions),
        key_fingerprint=fingerprints[0],
    )


async def _export(reader: ChangelogReader, number: int, directory: Path) -> ExportedPartition:
    settings = reader.settings
    file = RowFile(directory / f"partition-{number:05}.parquet")
    restorer = ChangelogRestorer(file, settings.checkpoint_mode)
    async for records in reader.records(number):
        restorer.feed(records)
    digest = file.close()
    if restorer.checkpoint is None:
        raise NoCheckpointError(settings.changelog_topic, number)
    return ExportedPartition(number, file.path.name, file.rows, file.size, digest, restorer.checkpoint)

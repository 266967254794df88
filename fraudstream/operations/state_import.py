"""Import of a state export into an empty changelog, so that workers resume from where it was taken.

1. Fence all writers of the changelog, then check that it is empty.
2. Mark every partition as being imported: from now on no worker treats it as new. On Apache Kafka all marks are one
   transaction; on the embedded broker the mark itself fences.
3. Write the rows, in transactions of bounded size.
4. Write each partition's checkpoint record.

A crash leaves partitions with a mark and without a checkpoint: workers refuse them, and so does the next import.
"""

from __future__ import annotations

import secrets
from pathlib import Path

import msgspec
from aiokafka import AIOKafkaProducer

from fraudstream.engine.packed_records import pack_pairs
from fraudstream.kafka.closing import close
from fraudstream.operations.errors import OperationError
from fraudstream.operations.exported_secret import import_secret
from fraudstream.operations.state_export import UnsuitableClusterError
from fraudstream.operations.state_files import ExportedPartition, Manifest, read_manifest, rows_of
from fraudstream.stream.checkpoints.changelog import CHECKPOINT_KEY, IMPORT_KEY, Change
from fraudstream.stream.checkpoints.changelog_reader import changelog_reader
from fraudstream.stream.checkpoints.checkpoint_record import encode_checkpoint
from fraudstream.stream.failure import WorkerFailure
from fraudstream.stream.faust.changelog_writers import BatchWriter, TransactionWriter, batch_producer
from fraudstream.stream.ports import ChangelogWriter
from fraudstream.stream.settings import StreamSettings
from fraudstream.stream.topics.cluster import Cluster, look_once


class OtherTopicError(OperationError):
    """The export was made of another input topic: its offsets refer to other payments. `exported` and `found`: (name,
    id) of the topic."""

    def __init__(self, exported: tuple[str, str], found: tuple[str, str]) -> None:
        super().__init__(
            f"The export was made of the topic '{exported[0]}', id {exported[1]}; here is '{found[0]}', id {found[1]}: "
            "its offsets refer to other payments. An export can only be imported for the topic it was made of."
        )
        self.exported = exported
        self.found = found


class PartitionCountError(OperationError):
    """The export has `exported` partitions, the topic `topic` has `found`."""

    def __init__(self, topic: str, exported: int, found: int) -> None:
        super().__init__(
            f"The export has {exported} partitions, '{topic}' has {found}: accounts are in other partitions than their "
            "state."
        )
        self.topic = topic
        self.exported = exported
        self.found = found


class LayoutMismatchError(OperationError):
    """The exported state has the layout `exported`, the workers' features need `found`."""

    def __init__(self, exported: str, found: str) -> None:
        super().__init__(
            f"The export was made under another rules/features.yaml (layout {exported}, now {found}). Import it under "
            "that one."
        )
        self.exported = exported
        self.found = found


class ChangelogNotEmptyError(OperationError):
    """`partition` of the changelog topic `changelog` already holds records."""

    def __init__(self, settings: StreamSettings, partition: int) -> None:
        single_stage = settings.stage_is_first and settings.next_stage is None  # else the log in between belongs to it
        otherwise = ", or raise worker.state_version and run that" if single_stage else ""
        super().__init__(
            f"{settings.changelog_topic}-{partition} is not empty. Stop all workers, then delete the topic and "
            f"run `fraudstream topics apply`{otherwise}; then import again."
        )
        self.changelog = settings.changelog_topic
        self.partition = partition


async def import_state(settings: StreamSettings, directory: Path, layout: str) -> Manifest:
    """Write the export in `directory` into the empty changelog of `settings`; stop all its workers first.

    `layout`: of the state of the workers that are to resume with it. Raises `ExportError`, `OtherTopicError`,
    `PartitionCountError`, `LayoutMismatchError`, `SecretMissingError`, `OtherSecretError`, `ChangelogNotEmptyError` or
    `UnsuitableClusterError` before any state is written, and what aiokafka raises.
    """
    manifest = read_manifest(directory)
    try:
        cluster = await look_once(settings)
        _check(settings, manifest, cluster, layout)
        await import_secret(settings, manifest.key_fingerprint, directory)
        await _write(settings, directory, manifest)
    except WorkerFailure as failure:
        raise UnsuitableClusterError(failure.sentence) from failure
    return manifest


async def _write(settings: StreamSettings, directory: Path, manifest: Manifest) -> None:
    epoch = secrets.token_hex(6)
    producer = batch_producer(settings) if settings.checkpoint_mode == "batch" else None
    writers: list[ChangelogWriter] = []
    try:
        if producer is not None:
            await producer.start()
        for partition in manifest.partitions:
            number = partition.partition
            if producer is None:
                writers.append(TransactionWriter(settings, number))
                await writers[-1].fence(epoch)  # 1
            else:
                writers.append(BatchWriter(settings, number, producer, IMPORT_KEY))
        await _check_empty(settings, len(writers))
        if producer is None:
            await _mark(settings, len(writers), epoch)  # 2
        else:
            for writer in writers:
                await writer.fence(epoch)
        for partition, writer in zip(manifest.partitions, writers, strict=True):
            for rows in rows_of(directory / partition.file):  # 3
                await writer.write([pack_pairs(rows)])
        for partition, writer in zip(manifest.partitions, writers, strict=True):
            await writer.write([pack_pairs([_checkpoint(settings, partition, epoch)])])  # 4
    finally:
        for writer in writers:
            await writer.close()
        if producer is not None:
            await close(producer)


def _check(settings: StreamSettings, manifest: Manifest, cluster: Cluster, layout: str) -> None:
    topic = settings.input_topic
    exported, found = (manifest.input_topic, manifest.input_id), (topic, cluster.input_id)
    if exported != found:
        raise OtherTopicError(exported, found)
    if len(manifest.partitions) != cluster.partitions[topic]:
        raise PartitionCountError(topic, len(manifest.partitions), cluster.partitions[topic])
    if manifest.layout != layout:
        raise LayoutMismatchError(manifest.layout, layout)


async def _check_empty(settings: StreamSettings, partitions: int) -> None:
    async with changelog_reader(settings) as reader:
        for number in range(partitions):
            if await reader.end(number) > 0:
                raise ChangelogNotEmptyError(settings, number)


async def _mark(settings: StreamSettings, partitions: int, epoch: str) -> None:
    topic, value = settings.changelog_topic, epoch.encode()
    marker = AIOKafkaProducer(
        **settings.brokers.options(),
        client_id=f"{settings.app_id}-import",
        transactional_id=f"{settings.app_id}-import",
    )
    async with marker, marker.transaction():
        for number in range(partitions):
            await marker.send(topic, value, IMPORT_KEY, partition=number)


def _checkpoint(settings: StreamSettings, partition: ExportedPartition, epoch: str) -> Change:
    record = msgspec.structs.replace(partition.checkpoint, mode=settings.checkpoint_mode, epoch=epoch)
    return Change(CHECKPOINT_KEY, encode_checkpoint(record))

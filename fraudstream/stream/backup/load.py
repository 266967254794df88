"""A backup of the memory written into an empty changelog, so that workers go on from where it was taken.

1. Fence whoever may write the changelog, then see that it is empty.
2. Mark every partition as being imported: from now on no worker takes it for new. On Apache Kafka all marks are one
   transaction; on the embedded broker a mark is what fences.
3. Write the rows, in transactions of bounded size.
4. Write each partition's checkpoint record.

A crash leaves partitions with a mark and without a checkpoint: workers refuse them, and so does the next import.
"""

from __future__ import annotations

import secrets
from pathlib import Path

import msgspec
from aiokafka import AIOKafkaProducer

from fraudstream.stream.backup.files import ExportedPartition, Manifest, read_manifest, rows_of
from fraudstream.stream.checkpoints.changelog import CHECKPOINT_KEY, IMPORT_KEY, Change, encode_checkpoint
from fraudstream.stream.checkpoints.changelog_reader import changelog_reader
from fraudstream.stream.failure import PermanentFailure
from fraudstream.stream.faust.changelog_writers import BatchWriter, TransactionWriter, batch_producer
from fraudstream.stream.ports import ChangelogWriter
from fraudstream.stream.settings import StreamSettings
from fraudstream.stream.topics.cluster import Cluster, look_once


async def import_state(settings: StreamSettings, directory: Path, layout: str) -> Manifest:
    """Write the export in `directory` into the empty changelog of `settings`. `layout`: of the memory of the workers
    that are to go on with it.

    Raises `ExportError` or `PermanentFailure` before anything is written, and what aiokafka raises.
    """
    manifest = read_manifest(directory)
    cluster = await look_once(settings)
    _check(settings, manifest, cluster, layout)
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
                await writer.write(rows)
        for partition, writer in zip(manifest.partitions, writers, strict=True):
            await writer.write([_checkpoint(settings, partition, epoch)])  # 4
    finally:
        for writer in writers:
            await writer.close()
        if producer is not None:
            await producer.stop()
    return manifest


def _check(settings: StreamSettings, manifest: Manifest, cluster: Cluster, layout: str) -> None:
    topic = settings.input_topic
    if (manifest.input_topic, manifest.input_id) != (topic, cluster.input_id):
        raise PermanentFailure(
            f"The export was made of the topic '{manifest.input_topic}', id {manifest.input_id}; here is '{topic}', id "
            f"{cluster.input_id}: its offsets mean other payments. An export is good for the topic it was made of only."
        )
    if len(manifest.partitions) != cluster.partitions[topic]:
        raise PermanentFailure(
            f"The export has {len(manifest.partitions)} partitions, '{topic}' has {cluster.partitions[topic]}: "
            "accounts stand in other partitions than their memory."
        )
    if manifest.layout != layout:
        raise PermanentFailure(
            f"The export was made under another rules/features.yaml (layout {manifest.layout}, now {layout}). Import "
            "it under that one."
        )


async def _check_empty(settings: StreamSettings, partitions: int) -> None:
    async with changelog_reader(settings) as reader:
        for number in range(partitions):
            if await reader.end(number) > 0:
                alone = settings.stage_is_first and settings.next_stage is None  # else its place is in a version's log
                otherwise = ", or raise worker.state_version and run that" if alone else ""
                raise PermanentFailure(
                    f"{settings.changelog_topic}-{number} is not empty. Stop all workers, then delete the topic and "
                    f"run `fraudstream topics apply`{otherwise}; then import again."
                )


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

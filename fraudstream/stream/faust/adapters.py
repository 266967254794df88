"""The ports of a stage, implemented on the consumer and the producer of its Faust app."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import cast

from aiokafka import AIOKafkaProducer
from faust.tables.manager import TableManager
from faust.types import TP

from fraudstream.kafka.compression import Codec
from fraudstream.kafka.record_batch.ready_batch import ready_batch
from fraudstream.kafka.record_batch.writer import WrittenRecords
from fraudstream.stream.checkpoints.fencing import COMPRESSION
from fraudstream.stream.checkpoints.gap_reader import GapReader
from fraudstream.stream.faust.app import StreamApp
from fraudstream.stream.faust.changelog_follower import ChangelogFollower
from fraudstream.stream.faust.changelog_writers import KafkaChangelogWriters
from fraudstream.stream.faust.transport import BatchConsumer, BatchProducer
from fraudstream.stream.settings import StreamSettings
from fraudstream.stream.stage import StagePorts


class ConsumedTopic:
    """A topic that the app's consumer reads: `InputLog` and `OffsetCommits` of that topic."""

    def __init__(self, app: StreamApp, topic: str) -> None:
        """The app's consumer is created at the first call, not here."""
        self._app, self._topic = app, topic

    async def seek(self, partition: int, offset: int) -> None:
        """See `InputLog.seek`."""
        await consumer_of(self._app).seek_partition(TP(self._topic, partition), offset)

    async def earliest(self, partition: int) -> int:
        """See `InputLog.earliest`."""
        tp = TP(self._topic, partition)
        earliest = await consumer_of(self._app).earliest_offsets(tp)
        return int(earliest[tp])

    async def begins_at_ms(self, partition: int) -> int | None:
        """See `InputLog.begins_at_ms`."""
        return await consumer_of(self._app).begins_at_ms(TP(self._topic, partition))

    async def ends(self, partitions: Collection[int]) -> Mapping[int, int]:
        """See `InputLog.ends`."""
        ends = await consumer_of(self._app).ends([TP(self._topic, number) for number in partitions])
        return {tp.partition: end for tp, end in ends.items()}

    def end_now(self, partition: int) -> int:
        """See `InputLog.end_now`."""
        return consumer_of(self._app).end_now(TP(self._topic, partition))

    def high_watermark_now(self, partition: int) -> int:
        """See `InputLog.high_watermark_now`."""
        return consumer_of(self._app).high_watermark_now(TP(self._topic, partition))

    def records_behind(self, partition: int, end: int, next_offset: int) -> int:
        """See `InputLog.records_behind`."""
        return consumer_of(self._app).behind(TP(self._topic, partition), end, next_offset)

    async def commit(self, offsets: Mapping[int, int]) -> None:
        """See `OffsetCommits.commit`."""
        committed = {TP(self._topic, number): offset for number, offset in offsets.items()}
        await consumer_of(self._app).commit_group_offsets(committed)


class RecoveredChangelog:
    """The changelog topic, which Faust's recovery reads: the port `Changelog`."""

    def __init__(self, app: StreamApp, topic: str) -> None:
        """The app's consumer is created at the first call, not here."""
        self._app, self._topic = app, topic

    async def extents(self, partitions: Collection[int]) -> Mapping[int, tuple[int, int]]:
        """See `Changelog.extents`."""
        extents = await consumer_of(self._app).extents([TP(self._topic, number) for number in partitions])
        return {tp.partition: extent for tp, extent in extents.items()}

    def recovery_ends(self) -> Mapping[int, int]:
        """See `Changelog.recovery_ends`."""
        highwaters = cast(TableManager, self._app.tables).recovery.active_highwaters
        return {
            tp.partition: high + 1 for tp, high in highwaters.items() if tp.topic == self._topic and high is not None
        }


class FaustSender:
    """The app's producer: the port `RecordSender`."""

    def __init__(self, app: StreamApp, settings: StreamSettings) -> None:
        """The app's producer is created at the first call, not here."""
        self._app, self._settings, self._codecs = app, settings, settings.codecs

    @property
    def batch_bytes_max(self) -> int:
        """See `RecordSender.batch_bytes_max`."""
        return self._settings.output_batch_bytes_max

    async def send_batch(self, batch: WrittenRecords, topic: str, partition: int) -> None:
        """See `RecordSender.send_batch`."""
        ready = await ready_batch(batch, self._codec_of(topic))
        await (await self._producer.send_batch(ready, topic, partition=partition))

    def _codec_of(self, topic: str) -> Codec:
        """Of the logs between stages it is `COMPRESSION`."""
        if (codec := self._codecs.get(topic)) is not None:
            return codec
        return self._settings.replies_codec if self._settings.is_reply_topic(topic) else COMPRESSION

    @property
    def _producer(self) -> AIOKafkaProducer:
        return cast(BatchProducer, self._app.producer)._ensure_producer()


def consumer_of(app: StreamApp) -> BatchConsumer:
    """The app's consumer, which our transport has made."""
    return cast(BatchConsumer, app.consumer)


def ports_of(app: StreamApp, settings: StreamSettings) -> StagePorts:
    """All ports of the app's stage."""
    input_topic, labels = ConsumedTopic(app, settings.input_topic), ConsumedTopic(app, settings.labels_topic or "")
    return StagePorts(
        input_log=input_topic,
        input_commits=input_topic,
        label_log=labels,
        label_commits=labels,
        changelog=RecoveredChangelog(app, settings.changelog_topic),
        writers=KafkaChangelogWriters(settings),
        followed=ChangelogFollower(settings),
        gaps=GapReader(settings),
        sender=FaustSender(app, settings),
    )

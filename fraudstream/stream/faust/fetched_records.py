"""What a consumer has fetched, as spans of the response's bytes, without the Python objects that aiokafka makes of it.

aiokafka's fetcher hands those bytes to a parser which shows them to nobody. So two of its attributes are replaced, for
one consumer: `_client`, to see each response, and `_records`, to give each partition's result another `getall`.

    response ─► fetcher._client, which keeps its bytes ─► the fetcher, which makes a FetchResult for each partition
             ─► fetcher._records, which adds the bytes to it ─► getall, which parses them

Everything else stays the fetcher's: positions, errors, seeks, what it fetches and when.
"""

from __future__ import annotations

from collections import OrderedDict
from functools import partial
from typing import Any
from weakref import proxy

from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import READ_COMMITTED, FetchResult
from aiokafka.protocol.fetch import FetchRequest

from fraudstream.engine.records import NO_RECORDS, Record, Records, records_of
from fraudstream.kafka.record_batch.parse import OldFormat, UnreadableBatch, parse
from fraudstream.stream.failure import WorkerFailure

NO_TIMESTAMP = -1  # of a record in Kafka's oldest format


def read_as_spans(fetcher: Any) -> None:
    """Make an aiokafka fetcher return `Records`. Later calls for the same fetcher change nothing."""
    if not isinstance(fetcher._records, PrefetchedRecords):
        responses = FetchResponses(fetcher._client)
        fetcher._client, fetcher._records = responses, PrefetchedRecords(responses, fetcher._records)


class FetchResponses:
    """The fetcher's client, which also keeps the bytes of the last response.

    The fetcher makes its results of a response before anything else runs, so the last one is the one that it handles.
    """

    def __init__(self, client: Any) -> None:
        self._client = client
        self._bytes: dict[TopicPartition, bytes] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def send(self, node_id: int, request: Any) -> Any:
        """Send a request, as the client does."""
        response = await self._client.send(node_id, request)
        if isinstance(request, FetchRequest):
            self._bytes = {
                TopicPartition(topic, number): found[-1]
                for topic, partitions in response.topics
                for number, *found in partitions
            }
        return response

    def take(self, tp: TopicPartition) -> bytes | None:
        """What the last response holds of a partition, once; None if nothing."""
        return self._bytes.pop(tp, None)


class PrefetchedRecords(OrderedDict[TopicPartition, Any]):
    """Replaces the dictionary in which the fetcher keeps what it has fetched ahead of each partition."""

    def __init__(self, responses: FetchResponses, fetched: Any) -> None:
        self._responses = responses
        super().__init__(fetched)

    def __setitem__(self, tp: TopicPartition, result: Any) -> None:
        """Keep the result of a fetch, or an error."""
        if type(result) is FetchResult:
            result._partition_records = PartitionRecords(tp, result._partition_records, self._responses.take(tp))
            result.getall = partial(_getall, proxy(result))
        super().__setitem__(tp, result)


def _getall(result: Any, max_records: int | None = None) -> Records:
    """`FetchResult.getall`, without its loop. Raises `WorkerFailure` for a batch that cannot be read."""
    if not result.has_more() or not result.check_assignment(result._topic_partition):
        return NO_RECORDS
    fetched: PartitionRecords = result._partition_records
    result._partition_records = None  # also after an error: then it is fetched again
    taken = fetched.take(max_records)
    result._partition_records = fetched
    result._update_position()
    if fetched.is_taken:
        result._partition_records = None
    return taken


class PartitionRecords:
    """What one response holds of a partition; for the fetcher in place of aiokafka's class of this name."""

    def __init__(self, tp: TopicPartition, aiokafkas: Any, data: bytes | None) -> None:
        """`aiokafkas`: the object that this one replaces. `data`: the bytes that it reads, None if not known."""
        self.next_fetch_offset: int = aiokafkas.next_fetch_offset
        self.is_taken = False
        self._tp, self._aiokafkas, self._data = tp, aiokafkas, data
        self._left: Records | None = None  # None until it is parsed
        self._end = self.next_fetch_offset

    def take(self, at_most: int | None) -> Records:
        """The next records. Raises `WorkerFailure` for a batch that cannot be read, once those before it are taken."""
        if self._left is None:
            self._left, self._end = self._parsed()
        if at_most is None or at_most >= len(self._left):
            taken, self._left = self._left, NO_RECORDS
        else:
            taken, self._left = self._left[:at_most], self._left[at_most:]
        self.is_taken = not self._left
        self.next_fetch_offset = self._end if self.is_taken else taken.last_offset + 1
        return taken

    def _parsed(self) -> tuple[Records, int]:
        """All records, and the offset of the next fetch."""
        aborted = self._aiokafkas._aborted_transactions
        committed_only = self._aiokafkas._isolation_level == READ_COMMITTED
        try:
            if self._data is None:
                raise OldFormat
            buffer, spans, end = parse(self._data, self.next_fetch_offset, self._tp, aborted, committed_only)
        except OldFormat:
            return records_of(list(map(_plain, self._aiokafkas))), self._aiokafkas.next_fetch_offset
        except UnreadableBatch as error:
            raise WorkerFailure(error.sentence) from error
        self._data = None
        return Records(buffer, spans), end


def _plain(record: Any) -> Record:
    """A record as aiokafka read it."""
    timestamp = NO_TIMESTAMP if record.timestamp is None else record.timestamp
    return Record(record.offset, timestamp, record.key, record.value, record.headers)

"""Labels that came on a topic of their own go into the payments log, so that the log alone decides every verdict.

They are forwarded as they are, keyed by account, with the header `type: label`; what is wrong with one is found where
labels are applied. A list's offsets are committed to the group once it is forwarded, so at least once: a label that
comes twice changes nothing. Faust does not commit them: of lists it leaves gaps after a rebalance, and stops at one.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

import msgspec

from fraudstream.contracts.headers import LABEL_HEADER, TYPE_HEADER
from fraudstream.stream.outputs import Output, OutputRecord

if TYPE_CHECKING:
    from aiokafka import AIOKafkaProducer
    from faust.types import TP

    from fraudstream.stream.faust.transport import RecordBatch

COMMIT_S_MAX = 2.0

log = logging.getLogger(__name__)


class ReadsLabels(Protocol):
    """`BatchConsumer`, as far as labels need it."""

    async def seek_partition(self, tp: TP, offset: int) -> None: ...
    async def commit_group_offsets(self, offsets: Mapping[TP, int]) -> None: ...


class _Account(msgspec.Struct):
    account_id: str


_decode = msgspec.json.Decoder(_Account).decode


class LabelForwarder:
    """Forwards the lists of this worker's partitions of `topic`, each behind the one before it."""

    def __init__(self, topic: str, payments: Output, lists: ReadsLabels) -> None:
        self._topic, self._payments, self._lists = topic, payments, lists
        self._next: dict[TP, int] = {}

    def resume(self, offsets: Mapping[TP, int]) -> None:
        """These are our partitions now, and where each goes on."""
        self._next = {place: offset for place, offset in offsets.items() if place.topic == self._topic}

    async def forward(self, place: TP, fetched: RecordBatch, producer: AIOKafkaProducer) -> int:
        """Forward a list, wait until it is acknowledged, commit; returns how many records that were.

        A rebalance may drop a list on its way: one that begins beyond its place is not taken, and fetching goes back.
        """
        expected = self._next.get(place)
        if expected is None or fetched.next <= expected:
            return 0
        if fetched.first > expected:
            log.info("%s-%d: going back from %d to %d", place.topic, place.partition, fetched.first, expected)
            await self._lists.seek_partition(place, expected)
            return 0
        output_record: list[OutputRecord] = [
            (
                _key(record.key, record.value),
                record.value or b"",
                [*(header for header in record.headers if header[0] != TYPE_HEADER), LABEL_HEADER],
            )
            for record in fetched.records
            if record.offset >= expected
        ]
        await asyncio.gather(*self._payments.send(producer, None, output_record, int(time.time() * 1000)))
        if place in self._next:
            self._next[place] = max(self._next[place], fetched.next)
        await self._commit(place, fetched.next)
        return len(output_record)

    async def _commit(self, place: TP, offset: int) -> None:
        """The next owner goes on behind the list. Where this fails, it forwards the list again."""
        try:
            async with asyncio.timeout(COMMIT_S_MAX):
                await self._lists.commit_group_offsets({place: offset})
        except Exception as error:
            log.warning("%s-%d: forwarded labels were not committed: %r", place.topic, place.partition, error)


def _key(key: bytes | None, value: bytes | None) -> bytes | None:
    if key is not None:
        return key
    try:
        return _decode(value or b"").account_id.encode()
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None

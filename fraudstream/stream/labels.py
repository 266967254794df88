"""Labels that came on a topic of their own go into the payments log, so that the log alone decides every verdict.

They are forwarded as they are, keyed by account, with the header `type: label`; what is wrong with one is found where
labels are applied. A list's offsets are committed to the group once it is forwarded, so at least once: a label that
comes twice changes nothing. Faust does not commit them: of lists it leaves gaps after a rebalance, and stops at one.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

import msgspec

from fraudstream.contracts.headers import LABEL_HEADER, TYPE_HEADER
from fraudstream.stream.outputs import Outgoing, Output

if TYPE_CHECKING:
    from aiokafka import AIOKafkaProducer
    from faust.types import TP

    from fraudstream.stream.micro_batch import FetchedList, ListConsumer

COMMIT_S_MAX = 2.0

log = logging.getLogger(__name__)


class _Account(msgspec.Struct):
    account_id: str


_decode = msgspec.json.Decoder(_Account).decode


async def forward(fetched: FetchedList, payments: Output, producer: AIOKafkaProducer) -> int:
    """Forward a list and wait until it is acknowledged; returns how many records that were."""
    outgoing: list[Outgoing] = [
        (
            _key(record.key, record.value),
            record.value or b"",
            [*(header for header in record.headers if header[0] != TYPE_HEADER), LABEL_HEADER],
        )
        for record in fetched.records
    ]
    await asyncio.gather(*payments.send(producer, None, outgoing, int(time.time() * 1000)))
    return len(outgoing)


async def commit(fetched: FetchedList, place: TP, lists: ListConsumer) -> None:
    """The next owner goes on behind the list. Where this fails, it forwards the list again."""
    try:
        async with asyncio.timeout(COMMIT_S_MAX):
            await lists.commit_group_offsets({place: fetched.next})
    except Exception as error:
        log.warning("%s-%d: forwarded labels were not committed: %r", place.topic, place.partition, error)


def _key(key: bytes | None, value: bytes | None) -> bytes | None:
    if key is not None:
        return key
    try:
        return _decode(value or b"").account_id.encode()
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None

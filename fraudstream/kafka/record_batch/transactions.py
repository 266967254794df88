"""Which batches of a fetch response hold no records for a reader: markers of transactions, and aborted records.

The broker names the aborted transactions that the response overlaps: each by its producer and the offset at which it
began. Their records are skipped until that producer's abort marker.
"""

from __future__ import annotations

from collections.abc import Iterable
from struct import error as StructError

import numpy as np
import numpy.typing as npt
from aiokafka.errors import KafkaError
from aiokafka.record.control_record import ABORT_MARKER, ControlRecord
from aiokafka.record.default_records import DefaultRecordBatch

from fraudstream.kafka.record_batch.batch_header import (
    ATTRIBUTES,
    BASE_OFFSET,
    BEGIN,
    CONTROL,
    END,
    PRODUCER_ID,
    SKIPPED,
    TRANSACTIONAL,
)


def mark_skipped(
    data: bytes, batches: npt.NDArray[np.int64], aborted: Iterable[tuple[int, int]], committed_only: bool
) -> int:
    """Set `SKIPPED` in the batches whose records a reader does not receive; returns how many batches can be read: all,
    or those before a marker that cannot.

    `data`: the response. `batches`: its headers, see `read_headers`. `aborted`: producer id and first offset of the
    aborted transactions. `committed_only`: whether the reader wants committed records only; markers it never receives.
    """
    waiting = sorted(aborted, key=lambda transaction: transaction[1], reverse=True)
    producers: set[int] = set()  # those whose records are aborted
    for k, batch in enumerate(batches.tolist()):
        attributes, producer = batch[ATTRIBUTES], batch[PRODUCER_ID]
        if committed_only:
            while waiting and waiting[-1][1] <= batch[BASE_OFFSET]:
                producers.add(waiting.pop()[0])
            if attributes & CONTROL:
                try:
                    if _is_abort_marker(data[batch[BEGIN] : batch[END]]):
                        producers.discard(producer)
                except (KafkaError, StopIteration, StructError, TypeError):  # what aiokafka raises: no record, no key
                    return k
        is_aborted = bool(attributes & TRANSACTIONAL) and producer in producers
        batches[k, SKIPPED] = is_aborted or bool(attributes & CONTROL)
    return len(batches)


def _is_abort_marker(control_batch: bytes) -> bool:
    """Whether a transaction was aborted. Markers are rare, so aiokafka reads them."""
    marker = next(iter(DefaultRecordBatch(control_batch)))
    return bool(ControlRecord.parse(marker.key) == ABORT_MARKER)

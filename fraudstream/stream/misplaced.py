"""Records of the payments log that are not in the partition of their key: counted, logged, and copied to it.

A copy is the record unchanged, its timestamp included, with a header that names where it was (`engine.placement`).
Copies are sent in the order of the log and awaited by the next checkpoint, so a crash repeats some and loses none; the
state of their partition drops the repeated ones. Among that partition's other records, a copy counts when it arrives.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, Protocol, get_args

import numpy as np

from fraudstream.engine.partitioners import Partitioner, partitions_for
from fraudstream.engine.placement import Misplaced, Placement
from fraudstream.kafka.record_batch.outgoing import pack_records

if TYPE_CHECKING:
    from fraudstream.contracts.log_record import LogRecord
    from fraudstream.engine.copies import CopyMarks
    from fraudstream.stream.outputs import Output
    from fraudstream.stream.partition import Partition

LOG_S: Final = 60.0  # between two log messages

log = logging.getLogger(__name__)


class ObservesMisplaced(Protocol):
    """The part of `StageObserver` that misplaced records need."""

    def on_misplaced(self, partition: int, *, records: int, policy: str) -> None:
        """`records` records belong to other partitions."""


class MisplacedRecords:
    """What the first stage does about misplaced records after a batch has been applied."""

    def __init__(
        self,
        *,
        topic: str,
        state_version: int,
        marks: CopyMarks,
        payments: Output | None,
        observer: ObservesMisplaced,
    ) -> None:
        """`topic`: of the payments, for log messages. `marks`: of the copies. `payments`: the topic as an output; None
        unless records are to be copied."""
        self._topic, self._payments, self._observer = topic, payments, observer
        self._state_version, self._marks = state_version, marks
        self._logged_at, self._unlogged = -LOG_S, 0

    def handle(
        self, partition: Partition, records: Sequence[LogRecord], misplaced: Sequence[Misplaced], decided: bool
    ) -> None:
        """Report the misplaced ones of `records`, and start to copy them if the policy says so.

        `decided`: this state version decides the records; else the one that does copies them. The acknowledgements are
        added to the partition's pending ones.
        """
        placement = partition.state.placement
        assert placement is not None, f"partition {partition.number}: misplaced records without a placement"
        self._observer.on_misplaced(partition.number, records=len(misplaced), policy=placement.policy)
        self._log(placement, records, misplaced)
        if placement.policy == "repartition" and decided:
            self._copy(partition, records, misplaced)

    def _copy(self, partition: Partition, records: Sequence[LogRecord], misplaced: Sequence[Misplaced]) -> None:
        assert self._payments is not None, "a stage that repartitions records has the payments log as an output"
        for found in misplaced:
            if found.says_copy:
                continue
            record = records[found.position]
            mark = self._marks.header(partition.number, record.offset, self._state_version, record)
            copy = pack_records([(record.key, record.value or b"", [*record.headers, mark])], record.timestamp)
            partition.pending |= self._payments.send_to(found.due, copy)

    def _log(self, placement: Placement, records: Sequence[LogRecord], misplaced: Sequence[Misplaced]) -> None:
        """Name one record and the partitioner that its neighbours were published with, once in `LOG_S`."""
        self._unlogged += len(misplaced)
        now = time.monotonic()
        if now - self._logged_at < LOG_S:
            return
        position, due, _ = misplaced[0]
        log.warning(
            "%s-%d: %d records belong to other partitions under the partitioner %s, such as offset %d, which belongs "
            "to partition %d%s (policy: %s). Give all publishers one partitioner: `fraudstream topics check` shows "
            "which they use",
            self._topic,
            placement.partition,
            self._unlogged,
            placement.partitioner,
            records[position].offset,
            due,
            _used_instead(placement, [records[found.position].key for found in misplaced]),
            placement.policy,
        )
        self._logged_at, self._unlogged = now, 0


def _used_instead(placement: Placement, keys: Sequence[bytes | None]) -> str:
    """Which partitioner explains where all these keys are, as part of a sentence; "" if none does."""
    for partitioner in get_args(Partitioner):
        numbers = partitions_for(keys, placement.partitions, partitioner)
        if partitioner != placement.partitioner and np.all(numbers == placement.partition):
            return f"; {partitioner} would put all of them here"
    return ""

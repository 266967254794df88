"""The decisions on a span of records, as records for the topic `decisions`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from fraudstream.contracts.headers import SOURCE_HEADER, version_header
from fraudstream.engine.decision_writer import DecisionWriter
from fraudstream.engine.records import Records
from fraudstream.kafka.record_batch.headers import header_pieces, numbered_headers
from fraudstream.kafka.record_batch.outgoing import OutgoingRecord, OutgoingRecords, join_records, pack_records

if TYPE_CHECKING:
    from fraudstream.contracts.log_record import LogRecord
    from fraudstream.engine.arrays import Int64Array
    from fraudstream.engine.verdict import Verdicts


class DecisionRecords:
    """Makes the decisions of one partition."""

    def __init__(self, partition: int, state_version: int) -> None:
        """`partition`: of the stage's input."""
        further = (version_header(state_version),) if state_version > 1 else ()
        self._writer = DecisionWriter()
        self._pieces = header_pieces(SOURCE_HEADER, b"%d:" % partition, further=(further,))

    def records(
        self, records: Sequence[LogRecord], verdicts: Verdicts, positions: Int64Array, timestamp_ms: int
    ) -> OutgoingRecords:
        """A record for each payment, keyed by its account. `positions`: indices of their records among `records`."""
        return OutgoingRecords(
            verdicts.account_ids,
            self._writer.values(verdicts),
            numbered_headers(self._pieces, offsets_of(records, positions)),
            timestamp_ms,
        )


def offsets_of(records: Sequence[LogRecord], positions: Int64Array) -> Int64Array:
    """Offsets of the records at some positions: int64, shape (len(positions),)."""
    if isinstance(records, Records):
        return records.spans.offset[positions]
    return np.fromiter((records[position].offset for position in positions.tolist()), np.int64, len(positions))


def in_order_of_log(
    judged: OutgoingRecords, positions: Int64Array, others: Sequence[tuple[int, OutgoingRecord]]
) -> OutgoingRecords:
    """The `judged` records, which answer those at `positions`, and `others`, each with its position, in the order of
    the log."""
    joined = join_records([judged, pack_records([record for _, record in others], judged.timestamp_ms)])
    return joined.rows(np.argsort([*positions.tolist(), *(position for position, _ in others)], kind="stable"))

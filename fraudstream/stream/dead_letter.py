"""Sends invalid records to the topic `dead-letters`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from fraudstream.contracts import DeadLetter
from fraudstream.contracts.dead_letter import dead_letter
from fraudstream.contracts.headers import source_header
from fraudstream.kafka.record_batch.outgoing import OutgoingRecord, pack_records
from fraudstream.stream.outputs import Output

if TYPE_CHECKING:
    from fraudstream.contracts.log_record import LogRecord
    from fraudstream.engine.columns import Rejection
    from fraudstream.stream.partition import Partition

_encode = msgspec.json.Encoder().encode


class DeadLetterSender:
    """Sends the dead letters of one stage."""

    def __init__(self, output: Output, input_topic: str) -> None:
        """`input_topic`: the topic of the invalid records, named in each dead letter."""
        self._output, self._input_topic = output, input_topic

    def send(self, partition: Partition, records: Sequence[LogRecord], refused: Sequence[Rejection]) -> None:
        """Send a dead letter for each rejection; its `position` is an index into `records`.

        The acknowledgements are added to the partition's pending ones.
        """
        if not refused:
            return
        number, topic = partition.number, self._input_topic
        letters = [dead_letter(records[r.position], topic, number, r.reason, r.sentence, r.path) for r in refused]
        packed = pack_records(map(output_record, letters), int(time.time() * 1000))
        partition.pending |= self._output.send(number, packed)


def output_record(letter: DeadLetter) -> OutgoingRecord:
    """The dead letter as a record, under the key of the record it holds."""
    return letter.key, _encode(letter), [source_header(letter.partition, letter.offset)]

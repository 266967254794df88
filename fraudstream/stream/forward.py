"""From a stage to the next one: each payment and label as it came, with what is known of it so far.

The value is the publisher's bytes, the key that of the next stage's entity. What a partition of this stage sends to one
of the next arrives there in the order of its log, each record once or several times, none left out: so the next stage
can drop all that is not higher than the highest offset it has seen of its source.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from fraudstream.contracts.headers import BACKFILLED_HEADER, FEATURES_HEADER, LABEL_HEADER, source_header
from fraudstream.stream.outputs import Acknowledgement, Output, OutputRecord

if TYPE_CHECKING:
    from aiokafka import AIOKafkaProducer

    from fraudstream.engine.log import ForwardedSpan
    from fraudstream.stream.faust.raw_records import FetchedRecord
    from fraudstream.stream.settings import StreamSettings


def forward_records(
    output: Output,
    producer: AIOKafkaProducer,
    settings: StreamSettings,
    number: int,
    records: Sequence[FetchedRecord],
    span: ForwardedSpan,
    now_ms: int,
) -> set[Acknowledgement]:
    """Put what goes on of `records`, which stand in partition `number`, on its way."""
    result = span.result
    positions, keys, forwarded = (
        result.positions,
        result.forwarded.keys,
        result.forwarded.features,
    )
    backfilled = [] if span.decided else [BACKFILLED_HEADER]
    kept = [LABEL_HEADER] if result.forwarded.labels > 0 else []
    if settings.state_version > 1 and not settings.stage_is_first:
        kept.append(BACKFILLED_HEADER)

    def output_record(at: Sequence[int]) -> Iterator[OutputRecord]:
        for i in at:
            record = records[positions[i]]
            headers = [source_header(number, record.offset), (FEATURES_HEADER, forwarded[i]), *backfilled]
            if kept:
                headers += [header for header in kept if header in record.headers]
            yield keys[i], record.value or b"", headers

    return output.spread(producer, keys, output_record, now_ms) if keys else set()

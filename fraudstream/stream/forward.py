"""From a stage to the next one: each payment and label as it came, with what is known of it so far.

The value is the publisher's bytes, the key that of the next stage's entity. What a partition of this stage sends to one
of the next arrives there in the order of its log, each record once or several times, none left out: so the next stage
can drop all that is not higher than the highest offset it has seen of its source.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from fraudstream.contracts.headers import FEATURES_HEADER, LABEL_HEADER, LEARNT_HEADER, source_header
from fraudstream.stream.outputs import Acknowledgement, Outgoing, Output

if TYPE_CHECKING:
    from aiokafka import AIOKafkaProducer

    from fraudstream.engine.log import HandedSpan
    from fraudstream.stream.as_parsed import FetchedRecord
    from fraudstream.stream.settings import StreamSettings


def send_on(
    output: Output,
    producer: AIOKafkaProducer,
    settings: StreamSettings,
    number: int,
    records: Sequence[FetchedRecord],
    span: HandedSpan,
    now_ms: int,
) -> set[Acknowledgement]:
    """Put what goes on of `records`, which stand in partition `number`, on its way."""
    handed = span.handed
    positions, keys, carried = handed.positions, handed.passed.keys, handed.passed.carried
    learnt = [] if span.decided else [LEARNT_HEADER]
    kept = [LABEL_HEADER] if handed.passed.labels > 0 else []
    if settings.state_version > 1 and not settings.stage_is_first:
        kept.append(LEARNT_HEADER)

    def outgoing(at: Sequence[int]) -> Iterator[Outgoing]:
        for i in at:
            record = records[positions[i]]
            headers = [source_header(number, record.offset), (FEATURES_HEADER, carried[i]), *learnt]
            if kept:
                headers += [header for header in kept if header in record.headers]
            yield keys[i], record.value or b"", headers

    return output.spread(producer, keys, outgoing, now_ms) if keys else set()

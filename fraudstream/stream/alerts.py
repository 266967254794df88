"""The alerts on a span of records, as records for the topic `alerts`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fraudstream.compiled.packed import pack
from fraudstream.contracts.headers import SOURCE_HEADER, origin_header, version_header
from fraudstream.engine.alert_writer import alert_values
from fraudstream.kafka.record_batch.headers import header_pieces, numbered_headers
from fraudstream.kafka.record_batch.outgoing import OutgoingRecords
from fraudstream.stream.decisions import offsets_of

if TYPE_CHECKING:
    from fraudstream.contracts.log_record import LogRecord
    from fraudstream.engine.arrays import Int64Array
    from fraudstream.engine.verdict import Verdicts
    from fraudstream.stream.settings import StreamSettings


class AlertRecords:
    """Makes the alerts of one stage."""

    def __init__(self, settings: StreamSettings) -> None:
        version = settings.state_version
        self._version = (version_header(version),) if version > 1 else ()
        self._names_origin = settings.stage_is_first

    def records(
        self,
        partition: int,
        records: Sequence[LogRecord],
        verdicts: Verdicts,
        positions: Int64Array,
        timestamp_ms: int,
    ) -> OutgoingRecords:
        """A record for each payment that is alerted, keyed by its account. `partition`: of the stage's input.
        `positions`: indices of the payments' records among `records`."""
        further = (*self._version, origin_header(partition)) if self._names_origin else self._version
        pieces = header_pieces(SOURCE_HEADER, b"%d:" % partition, further=(further,))
        alerted = verdicts.alert_rows
        return OutgoingRecords(
            verdicts.account_ids.rows(alerted),
            pack(alert_values(verdicts)),
            numbered_headers(pieces, offsets_of(records, positions[alerted])),
            timestamp_ms,
        )

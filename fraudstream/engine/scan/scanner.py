"""The scanner: records of a batch to the columns of a frame, as far as they are plain."""

from __future__ import annotations

import numpy as np

from fraudstream.compiled.direct import Direct
from fraudstream.engine.arrays import UInt8Array
from fraudstream.engine.digest import DigestKey
from fraudstream.engine.expression import Symbols
from fraudstream.engine.frame import Frame, FrameLayout
from fraudstream.engine.records import Records, Spans
from fraudstream.engine.scan.fields import PLACE_COLUMNS, Fields
from fraudstream.engine.scan.record import scan_records
from fraudstream.engine.scan.tables import make_tables, new_follows


class Scanner:
    """Scans the records of one engine.

    `layout`: of the frames. `attributes`: the declared attributes with their types. `digest_key`: of the frame's
    digests. `too_far_ahead_ms`: how long after its record was published a payment may claim to have occurred.
    `keyed`: a plain record is keyed by its account; False, for records of the previous stage: keys are not looked at.
    Nor are headers: the caller flags the records whose headers say that they are something else than a payment.
    """

    def __init__(
        self,
        layout: FrameLayout,
        attributes: Symbols,
        digest_key: DigestKey,
        too_far_ahead_ms: int,
        keyed: bool = True,
    ) -> None:
        self._tables = make_tables(layout, attributes, digest_key)
        self._too_far_ahead_ms, self._keyed = too_far_ahead_ms, keyed
        # Two threads may scan at once: a guess that the other one overwrites is wrong at worst.
        self._follows = new_follows(self._tables)
        self._scan = Direct(scan_records)

    def scan(self, records: Records, frame: Frame, flagged: UInt8Array) -> int:
        """Fill column i of `frame` from record i. `flagged[i]` becomes 1 where that was not done, and the column is
        undefined; else 0. Returns how many are flagged.

        Written: the frame's arrays of one row, and the rows of its matrices whose names are fields of a payment or
        declared attributes (`attributes.…`). `frame`: of `records` and of the scanner's layout. `flagged`: uint8, shape
        (n,). Raises `ValueError` if sizes do not fit, or a record lies outside its buffer.
        """
        known = self._tables.undeclared + 1
        fields = Fields(np.empty((known, PLACE_COLUMNS), np.int64), np.empty(known, np.float64))
        spans = records.spans
        if not spans.offset.flags.c_contiguous:  # as those of a slice with a step
            spans = Spans(*map(np.ascontiguousarray, spans))
        return self._scan(
            _read_only(records.buffer),
            spans,
            self._too_far_ahead_ms,
            self._keyed,
            self._tables,
            self._follows,
            fields,
            frame,
            flagged,
        )


def _read_only(buffer: UInt8Array) -> UInt8Array:
    """A view that cannot be written to, so that all buffers are of one type of numba's."""
    if not buffer.flags.writeable:
        return buffer
    view = buffer.view()
    view.flags.writeable = False
    return view

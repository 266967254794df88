"""The headers of records, without an object for each of them."""

from __future__ import annotations

import numpy as np

from fraudstream.compiled.direct import Direct
from fraudstream.engine.arrays import Int64Array
from fraudstream.engine.header_fields import RecordHeaders, read_headers
from fraudstream.engine.records import Records

_read = Direct(read_headers)


def headers_of(records: Records) -> RecordHeaders:
    """The headers of records, read once: several steps ask for those of a batch. Not to be written."""
    if records.headers_read is None:
        records.headers_read = _read_headers(records)
    return records.headers_read


def _read_headers(records: Records) -> RecordHeaders:
    n = len(records)
    headers = RecordHeaders(np.zeros(n, np.uint8), *(np.empty(n, np.int64) for _ in range(6)))
    buffer = records.buffer.view()
    buffer.flags.writeable = False  # one type for numba
    spans = records.spans
    _read(buffer, np.ascontiguousarray(spans.headers_at), np.ascontiguousarray(spans.headers_count), headers)
    return headers


def indices_of(records: Records, kind: int) -> Int64Array:
    """Indices of the records of a kind, one of the bits: int64."""
    headed = np.flatnonzero(records.spans.headers_count)
    if not len(headed):
        return headed
    return np.flatnonzero(headers_of(records).are(kind))

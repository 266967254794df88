"""Where the records of a buffer lie: what the Kafka record format is parsed to and what the engine reads."""

from __future__ import annotations

from typing import Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

Int64Array: TypeAlias = npt.NDArray[np.int64]

MISSING: Final = -1  # the length of a key or a value that a record does not have


class Spans(NamedTuple):
    """Where the parts of `n` records lie in a buffer. All arrays: int64, shape (n,).

    `offset`: in the partition. `timestamp_ms`: ms since the epoch. `…_at`, `…_length`: the first byte and the number
    of bytes; `MISSING` as the length of a part that is missing. `headers_at`: the first byte after the count of
    headers, as Kafka's record format has them; `headers_count`: how many follow.
    """

    offset: Int64Array
    timestamp_ms: Int64Array
    key_at: Int64Array
    key_length: Int64Array
    value_at: Int64Array
    value_length: Int64Array
    headers_at: Int64Array
    headers_count: Int64Array


# The same, as rows of one matrix: int64, shape (8, n).
OFFSET, TIMESTAMP_MS, KEY_AT, KEY_LENGTH, VALUE_AT, VALUE_LENGTH, HEADERS_AT, HEADERS_COUNT = range(8)

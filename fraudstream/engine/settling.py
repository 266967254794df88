"""What the verdicts of a batch come to: which payments are repeats, the finding of each, and the first verdicts."""

from __future__ import annotations

import numpy as np

from fraudstream.compiled.jit import entry_point
from fraudstream.engine.arrays import (
    BoolArray,
    Float64Array,
    Int8Array,
    Int32Array,
    Int64Array,
    UInt64Array,
)
from fraudstream.engine.finding_table import NONE, number_of
from fraudstream.engine.kernel_types import ALTERED, EXACT, LATE, REPEAT
from fraudstream.engine.ledger import UNKNOWN

SETTLED, REPEAT_OF_REPEAT, OUT_OF_RANGE = -1, -2, -3


@entry_point
def mark_repeats(
    status: Int8Array,
    first_score: Int32Array,
    number: Float64Array,
    error: Int8Array,
    repeat: BoolArray,
    late: BoolArray,
    altered: BoolArray,
) -> None:
    """Write which of n payments are repeats, late and altered, as in `Verdicts`; the features of repeats are missing.

    A repeat whose first verdict is no longer held is decided as a late payment. `status`: as of `kernel_types`, int8;
    `first_score`: as of `ledger.FirstVerdicts`, int32. `number`: `Frame.number`, features first; `error`: int8, shape
    (features, n). `repeat`, `late`, `altered`: output, bool, shape (n,).
    """
    n = len(status)
    assert len(first_score) == len(repeat) == len(late) == len(altered) == number.shape[1] == error.shape[1] == n
    assert len(error) <= len(number), "sizes differ"
    for i in range(n):
        seen_before = status[i] == REPEAT or status[i] == ALTERED
        repeat[i] = seen_before and first_score[i] != UNKNOWN
        late[i] = (status[i] == LATE or seen_before) and not repeat[i]
        altered[i] = repeat[i] and status[i] == ALTERED
        if repeat[i]:
            for feature in range(len(error)):
                number[feature, i], error[feature, i] = np.nan, EXACT


@entry_point
def settle(
    begin: int,
    repeat: BoolArray,
    first_score: Int32Array,
    first_verdict: Int32Array,
    threshold: int,
    points_max: int,
    keys: UInt64Array,
    numbers: Int64Array,
    fired: UInt64Array,
    score: Int32Array,
    finding: Int64Array,
) -> int:
    """Write the finding of each of n payments from index `begin` on, and of a repeat its first verdict.

    Returns the index of the first payment whose finding `keys` and `numbers`, a `FindingTable`, do not hold; `SETTLED`
    at the end. Errors of ours: `REPEAT_OF_REPEAT` if a repeat refers to one; `OUT_OF_RANGE` if a score lies outside 0
    to `points_max`.

    `first_score`, `first_verdict`: of the repeats, as of `ledger.FirstVerdicts`, references to payments; int32.
    `threshold`, `points_max`: millionths. `fired`: bits of the rules; uint64, shape (words, n); a repeat fires
    none. `score`: millionths, that of a repeat is replaced; int32. `finding`: output, int64.
    """
    n = len(repeat)
    assert len(first_score) == len(first_verdict) == len(score) == len(finding) == fired.shape[1] == n, "sizes differ"
    assert len(keys) == len(numbers), "sizes differ"
    assert keys.shape[1] == len(fired) + 1, "sizes differ"
    for i in range(begin, n):
        if not repeat[i]:
            if score[i] < 0 or score[i] > points_max:
                return OUT_OF_RANGE
            found = number_of(fired, i, score[i] >= threshold, keys, numbers)
            if found == NONE:
                return i
            finding[i] = found
            continue
        for word in range(len(fired)):
            fired[word, i] = np.uint64(0)
        if first_score[i] >= 0:
            score[i], finding[i] = first_score[i], first_verdict[i]
            continue
        source = -(first_score[i] + 1)
        if repeat[source]:
            return REPEAT_OF_REPEAT
        score[i], finding[i] = score[source], finding[source]
    return SETTLED

"""The columns of a frame as the kernel's input for one entity. Compiled."""

from __future__ import annotations

import numpy as np

from fraudstream.compiled.jit import entry_point, jit
from fraudstream.engine.arena import COUNTED, FIELDS_MAX
from fraudstream.engine.arrays import BoolArray, Float32Array, Int8Array, Int64Array, UInt32Array, UInt64Array
from fraudstream.engine.frame import Frame
from fraudstream.engine.kernel_types import ALTERED, ASK, EXACT, FRESH, LATE, PAYMENT, REPEAT, UNRELATED, Answers


@entry_point
def write_events(
    frame: Frame,
    codes: Int64Array,
    lat: int,
    lon: int,
    status: Int8Array,
    is_first: bool,
    passed: UInt64Array,
    kind: Int8Array,
    mask: UInt32Array,
    code: UInt32Array,
    location: Float32Array,
    answers: Answers,
) -> None:
    """Write the kernel's input for n payments, and missing answers.

    `codes`: rows of `Frame.digest` whose codes slots hold; `lat`, `lon`: rows of `Frame.number`, -1 if locations are
    not used. `status`: as the first entity found it, not read if `is_first`. `passed`: the bits of the filters, empty
    if there are none. Output: `kind`, `mask`, `code`, `location`, `answers`, all as in `kernel_types`.
    """
    n = len(kind)
    assert len(frame.relation) == n, "the frame has another number of payments"
    assert len(mask) == len(code) == len(location) == len(status) == len(answers.status) == n, "sizes differ"
    assert len(passed) == 0 or len(passed) == n, "sizes differ"
    assert len(answers.value) == len(answers.error), "sizes differ"
    for i in range(n):
        repeated = not is_first and (status[i] == REPEAT or status[i] == ALTERED or status[i] == LATE)
        kind[i] = ASK if repeated else PAYMENT
        mask[i] = np.uint32(passed[i]) if len(passed) else np.uint32(0)
        if frame.relation[i] == UNRELATED:
            mask[i] |= COUNTED
        location[i, 0] = np.float32(frame.number[lat, i]) if lat >= 0 else np.float32(np.nan)
        location[i, 1] = np.float32(frame.number[lon, i]) if lon >= 0 else np.float32(np.nan)
        answers.first_score[i], answers.first_verdict[i], answers.unmatched[i] = 0, 0, False
    for column in range(FIELDS_MAX):
        for i in range(len(kind)):
            code[i, column] = _code(frame.digest[codes[column], i]) if column < len(codes) else np.uint32(0)
    for feature in range(len(answers.value)):
        for i in range(len(kind)):
            answers.value[feature, i] = np.nan
            answers.error[feature, i] = EXACT
    for i in range(len(kind)):
        answers.status[i] = FRESH


@jit
def _code(digest: np.uint64) -> np.uint32:
    """The 32-bit code of a text: as `code_tables.codes_of`."""
    half = np.uint32(digest & np.uint64(0xFFFFFFFF))
    return np.uint32(0) if digest == np.uint64(0) else max(half, np.uint32(1))


@entry_point
def add_unmatched(of_entity: BoolArray, bit: np.uint64, unmatched: UInt64Array) -> None:
    """Set the entity's bit in `unmatched`, as in `Verdicts`, where `of_entity` is set; both of shape (n,)."""
    assert len(of_entity) == len(unmatched), "sizes differ"
    for i in range(len(unmatched)):
        if of_entity[i]:
            unmatched[i] |= np.uint64(1) << bit

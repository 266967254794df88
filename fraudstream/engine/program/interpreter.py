"""The interpreter: all lines of a program over a batch, one block of payments after another.

A new rule set needs no compiling: its lines are data, and only this module and its operations are machine code. A line
costs some nanoseconds, and the loop over a block's rows does the rest.
"""

from __future__ import annotations

import numpy as np

from fraudstream.compiled.jit import entry_point, jit
from fraudstream.engine.arrays import BoolArray, Float64Array, Int32Array, Int64Array, UInt8Array, UInt64Array
from fraudstream.engine.program.arithmetic import compute, to_minor_units
from fraudstream.engine.program.logic import compare, connect, has_text, one_of, same_text
from fraudstream.engine.program.operations import (
    ARGUMENT,
    BIT,
    BLOCK,
    FIRST_COMPARISON,
    FIRST_CONNECTIVE,
    FIRST_OF_TEXTS,
    FIRST_OUTPUT,
    FLAG,
    HAS_TEXT,
    LEFT,
    MINOR_UNITS,
    ONE_OF,
    OPERATION,
    OUTSIDE,
    RIGHT,
    SAME_TEXT,
    TARGET,
    Code,
)


@entry_point
def run(
    code: Code,
    number: Float64Array,
    digest: UInt64Array,
    minor_per_major: Float64Array,
    outside: BoolArray,
    scratch_number: Float64Array,
    scratch_truth: UInt8Array,
    true: UInt64Array,
    points: Int32Array,
    n: int,
) -> None:
    """Run a program for the first `n` payments of a frame.

    `number`, `digest`, `minor_per_major`: of the frame; the rows of derived features in `number` are written.
    `outside`: where each of `Program.outside` holds; bool, shape (outside, n). `scratch_number`, `scratch_truth`:
    float64 and uint8, shapes (rows, min(n, BLOCK)), of any content; rows as `code` says. `true`: output; uint64, shape
    (words, n): bit `k % 64` of word `k // 64` says whether condition k is true. `points`: output; int32, shape
    (parts, n). All arrays may be larger. Raises `ValueError` if one is too small.
    """
    _check(code, number, digest, minor_per_major, outside, scratch_number, scratch_truth, true, points, n)
    for k in range(len(code.constants)):
        scratch_number[k, : min(n, BLOCK)] = code.constants[k]
    for start in range(0, n, BLOCK):
        end = min(start + BLOCK, n)
        true[:, start:end] = np.uint64(0)
        for line in code.lines:
            operation = line[OPERATION]
            if operation < FIRST_CONNECTIVE:
                _compute(line, number, minor_per_major, scratch_number, scratch_truth, start, end)
            elif operation < FIRST_OF_TEXTS:
                left, right = scratch_truth[line[LEFT], : end - start], scratch_truth[line[RIGHT], : end - start]
                connect(operation, scratch_truth[line[TARGET], : end - start], left, right, line[ARGUMENT])
            elif operation < FIRST_OUTPUT:
                _look_up(line, code.words, digest, outside, scratch_truth, start, end)
            else:
                _give(line, number, scratch_number, scratch_truth, true, points, start, end)


@jit
def _check(
    code: Code,
    number: Float64Array,
    digest: UInt64Array,
    minor_per_major: Float64Array,
    outside: BoolArray,
    scratch_number: Float64Array,
    scratch_truth: UInt8Array,
    true: UInt64Array,
    points: Int32Array,
    n: int,
) -> None:
    """Raise `ValueError` if an array is too small for the program or for `n` payments."""
    if number.shape[0] < code.numbers or number.shape[1] < n or len(minor_per_major) < n:
        raise ValueError("the frame has too few numbers for this program")
    if digest.shape[0] < code.digests or digest.shape[1] < n:
        raise ValueError("the frame has too few digests for this program")
    if outside.shape[0] < code.outside or outside.shape[1] < n:
        raise ValueError("there are too few answers of outside conditions for this program")
    if scratch_number.shape[0] < code.scratch_numbers or scratch_number.shape[1] < min(n, BLOCK):
        raise ValueError("the scratch has too few numbers for this program")
    if scratch_truth.shape[0] < code.scratch_truths or scratch_truth.shape[1] < min(n, BLOCK):
        raise ValueError("the scratch has too few truths for this program")
    if true.shape[0] * 64 < code.bits or true.shape[1] < n:
        raise ValueError("there are too few words for the conditions of this program")
    if points.shape[0] < code.parts or points.shape[1] < n:
        raise ValueError("there are too few rows for the points of this program")


@jit
def _compute(
    line: Int64Array,
    number: Float64Array,
    minor_per_major: Float64Array,
    scratch: Float64Array,
    truth: UInt8Array,
    start: int,
    end: int,
) -> None:
    """A line that reads numbers: of the frame, or of the scratch where the row is negative."""
    operation, target, first, second, size = line[OPERATION], line[TARGET], line[LEFT], line[RIGHT], end - start
    left = number[first, start:end] if first >= 0 else scratch[~first, :size]
    right = number[second, start:end] if second >= 0 else scratch[~second, :size]
    if operation >= FIRST_COMPARISON:
        compare(operation, truth[target, :size], left, right)
        return
    out = number[target, start:end] if target >= 0 else scratch[~target, :size]
    if operation == MINOR_UNITS:
        to_minor_units(out, left, minor_per_major[start:end])
    else:
        compute(operation, out, left, right)


@jit
def _look_up(
    line: Int64Array,
    words: UInt64Array,
    digest: UInt64Array,
    outside: BoolArray,
    scratch: UInt8Array,
    start: int,
    end: int,
) -> None:
    """A line that makes a truth of texts, or takes it over from a condition that Python has evaluated."""
    operation, left, right, out = line[OPERATION], line[LEFT], line[RIGHT], scratch[line[TARGET], : end - start]
    if operation == HAS_TEXT:
        has_text(out, digest[left, start:end])
    elif operation == SAME_TEXT:
        same_text(out, digest[left, start:end], digest[right, start:end])
    elif operation == ONE_OF:
        one_of(out, digest[left, start:end], words[right : right + line[ARGUMENT]])
    elif operation == OUTSIDE:
        for i in range(end - start):
            out[i] = outside[left, start + i]


@jit
def _give(
    line: Int64Array,
    number: Float64Array,
    scratch_number: Float64Array,
    scratch_truth: UInt8Array,
    true: UInt64Array,
    points: Int32Array,
    start: int,
    end: int,
) -> None:
    """A line that writes a result of the program."""
    operation, target = line[OPERATION], line[TARGET]
    if operation == FLAG:
        holds, fails, flag = scratch_truth[line[LEFT]], scratch_truth[line[RIGHT]], number[target, start:end]
        for i in range(end - start):
            flag[i] = 1.0 if holds[i] else (0.0 if fails[i] else np.nan)
    elif operation == BIT:
        holds, word, bit = scratch_truth[line[LEFT]], true[target >> 6, start:end], np.uint64(target & 63)
        for i in range(end - start):
            word[i] |= np.uint64(holds[i]) << bit
    else:
        row, holds = line[LEFT], scratch_truth[line[RIGHT]]
        share = number[row, start:end] if row >= 0 else scratch_number[~row, : end - start]
        of_part, points_max = points[target, start:end], np.float64(line[ARGUMENT])
        for i in range(end - start):
            of_part[i] = np.int32(np.rint(share[i] * points_max)) if holds[i] else np.int32(0)

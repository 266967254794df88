"""A program gives, to the bit, what its rule set's nodes give: derived features, rules that fire, points of parts.

Method: rule sets are drawn as nodes, and frames with gaps, infinities, both zeros and numbers near the limits of
float64, with as many payments as fill a block of the interpreter, one less and one more. Limits: the sign of a NaN is
not compared, as no result depends on it.
"""

from __future__ import annotations

from random import Random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fraudstream.engine.arrays import BoolArray, Float64Array
from fraudstream.engine.digest import PUBLIC_KEY
from fraudstream.engine.program import Results, filter_program, verdict_program
from fraudstream.engine.program.operations import BLOCK, OPERATION, POINTS
from tests.property.drawn_programs import (
    LAYOUT,
    DrawnRules,
    drawn_condition,
    drawn_frame,
    drawn_rules,
    slow_results,
)
from tests.property.profile import EXAMPLES

SIZES = (0, 1, 2, 20, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 7)
RANDOMS = st.randoms(use_true_random=False)


def conditions_of(results: Results, count: int) -> BoolArray:
    """Where each condition is true, from the bits of a program: bool, shape (count, n)."""
    rows = [results.true[k // 64] >> np.uint64(k % 64) & np.uint64(1) for k in range(count)]
    return np.array(rows, np.bool_).reshape(count, results.true.shape[1])


def bits_of(values: Float64Array) -> list[int]:
    return np.where(np.isnan(values), np.nan, values).view(np.uint64).ravel().tolist()


def assert_equal(drawn: DrawnRules, seed: int, n: int) -> None:
    """The program of drawn rules and their nodes agree on a drawn frame."""
    fast, slow = drawn_frame(seed, n), drawn_frame(seed, n)
    due = slow_results(drawn, slow)
    results = verdict_program(drawn.derived, drawn.rules, drawn.parts, LAYOUT, PUBLIC_KEY).run(fast.frame, fast)
    assert conditions_of(results, len(drawn.rules)).tolist() == due.fired.tolist()
    assert results.points.tolist() == due.points.tolist()
    written = [LAYOUT.numbers.index(feature.name) for feature in drawn.derived]
    assert bits_of(fast.frame.number[written]) == bits_of(due.derived)
    others = np.setdiff1d(np.arange(len(LAYOUT.numbers)), written)
    assert bits_of(fast.frame.number[others]) == bits_of(slow.frame.number[others])


@EXAMPLES
@given(RANDOMS, st.integers(0, 1 << 32), st.sampled_from(SIZES), st.integers(0, 6), st.integers(0, 4))
def test_a_program_gives_what_the_nodes_give(random: Random, seed: int, n: int, rules: int, parts: int) -> None:
    assert_equal(drawn_rules(random, rules, parts), seed, n)


@EXAMPLES
@given(RANDOMS, st.integers(0, 1 << 32), st.sampled_from(SIZES), st.integers(0, 29))
def test_the_bits_of_a_filter_program_are_its_filters(random: Random, seed: int, n: int, count: int) -> None:
    filters, frame = [drawn_condition(random) for _ in range(count)], drawn_frame(seed, n)
    results = filter_program(filters, LAYOUT, PUBLIC_KEY).run(frame.frame, frame)
    assert conditions_of(results, count).tolist() == [filter_.true(frame).tolist() for filter_ in filters]


def test_more_rules_than_a_word_has_bits_are_as_their_nodes() -> None:
    for count in (63, 64, 65, 200):
        assert_equal(drawn_rules(Random(count), count, 50), count, BLOCK + 1)


def test_a_payment_is_decided_alone_as_in_a_batch() -> None:
    drawn = drawn_rules(Random(7), 30, 10)
    program = verdict_program(drawn.derived, drawn.rules, drawn.parts, LAYOUT, PUBLIC_KEY)
    batch = drawn_frame(7, BLOCK + 3)
    together = program.run(batch.frame, batch)
    for at in (0, 1, BLOCK - 1, BLOCK, BLOCK + 2):
        one = drawn_frame(7, BLOCK + 3)
        alone = one.frame._replace(
            number=one.frame.number[:, at : at + 1].copy(),
            digest=one.frame.digest[:, at : at + 1].copy(),
            minor_per_major=one.frame.minor_per_major[at : at + 1].copy(),
        )
        answers = program.outside_answers(one.n, one)[:, at : at + 1].copy()
        results = program.run_with(alone, answers)
        assert results.true.ravel().tolist() == together.true[:, at].tolist()
        assert results.points.ravel().tolist() == together.points[:, at].tolist()


def test_the_draws_reach_every_operation_and_both_answers() -> None:
    """Guard: an operation that no draw reaches would not be compared."""
    operations, answers = set(), set()
    for seed in range(100):
        drawn, frame = drawn_rules(Random(seed), 6, 3), drawn_frame(seed, 20)
        program = verdict_program(drawn.derived, drawn.rules, drawn.parts, LAYOUT, PUBLIC_KEY)
        operations |= set(program.code.lines[:, OPERATION].tolist())
        answers |= set(conditions_of(program.run(frame.frame, frame), 6).ravel().tolist())
    assert operations == set(range(POINTS + 1))
    assert answers == {True, False}

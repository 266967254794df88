"""The kernel of the evidence score equals its definition, whatever the log, its split into batches, and restarts.

Method: drawn logs of payments and labels, late and corrected ones among them, through the kernel and through
`slow_score`. Every number is compared: codes, contributions, points, counts, weights.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fraudstream.engine.arrays import Int64Array
from fraudstream.engine.fixed_log import log2_fixed
from fraudstream.engine.learned_score.counts import DOUBLINGS, MISSING_CODE, RARITY, DefinitionArrays
from fraudstream.engine.learned_score.fixed_odds import points_of_log_odds
from fraudstream.engine.learned_score.kernel import score_log
from fraudstream.engine.learned_score.score_state import ScoreState
from fraudstream.engine.scorer import POINTS_MAX
from tests.oracle.slow_score import SlowPart, SlowScore

Event = tuple[Any, ...]  # a payment with its values and whether it is counted, or a label
ONE = 65_536
GUESS = [max(code - 24, 0) * ONE // 24 for code in range(256)]
RISK_GUESS = [(code - 8) * ONE * 7 // 10 for code in range(256)]
PARTS = [SlowPart(GUESS, -4.0, 0.5, 20), SlowPart(GUESS, 0.0, 1.0, 200), SlowPart(RISK_GUESS, floor=0.001)]
PULL, ONE_IN, RATE, DECAY = 3, 20, 6_554, 3_277

value = st.one_of(
    st.just(math.nan),
    st.integers(-20, 20).map(lambda k: k / 4),
    st.sampled_from([-math.inf, math.inf, 1e300, 0.0005, 0.002, 0.3]),
)
payment = st.tuples(st.just("payment"), st.tuples(value, value, value), st.booleans())
label = st.tuples(st.just("label"), st.integers(0, 1_000), st.sampled_from([True, False, False, False, False]))
logs = st.lists(st.one_of(payment, payment, label), min_size=1, max_size=60)


@dataclass
class Walked:
    """What a kernel gave for the payments of a log, with the state after it."""

    code: Int64Array
    contribution: Int64Array
    points: Int64Array
    state: ScoreState


def definition() -> DefinitionArrays:
    return DefinitionArrays(
        kind=np.array([RARITY if part.floor is None else DOUBLINGS for part in PARTS], np.int8),
        start=np.array([part.start if part.floor is None else part.floor for part in PARTS]),
        step=np.array([part.step for part in PARTS]),
        bins=np.array([part.bins for part in PARTS], np.int64),
        guess=np.array([part.guess for part in PARTS], np.int64),
        pull=PULL,
        log_pull=int(log2_fixed(PULL)),
        one_in=ONE_IN,
        rate=RATE,
        decay=DECAY,
    )


def walk(log: list[Event], splits: list[int], restarts: bool = False, learns: bool = True) -> Walked:
    """The log through the kernel, in batches that end at `splits`. Payments are held at their number in the log."""
    state = ScoreState(definition())
    held, before = np.zeros((len(log) + 1, len(PARTS)), np.uint8), dict[int, int]()
    results = []
    ends = sorted({min(split, len(log)) for split in splits} | {len(log)})
    for begin, end in zip([0, *ends], ends, strict=False):
        batch = log[begin:end]
        at = [k for k, event in enumerate(batch) if event[0] == "payment"]
        n = len(at)
        index, slot = np.full(len(batch), -1, np.int64), np.full(len(batch), -1, np.int64)
        index[at], slot[at] = np.arange(n), np.array(at, np.int64) + begin
        labels, earlier = np.zeros(len(batch), np.int8), np.zeros(len(batch), np.int8)
        for k, event in enumerate(batch):
            if event[0] == "label" and (named := named_by(log, begin + k, event[1])) is not None:
                slot[k], labels[k], earlier[k] = named, 1 + event[2], before.get(named, 0)
                before[named] = 1 + event[2]
        values = np.array([batch[k][1] for k in at], np.float64).reshape(n, len(PARTS)).T.copy()
        counted = np.array([batch[k][2] for k in at], np.bool_)
        code, contribution = np.zeros((n, len(PARTS)), np.uint8), np.zeros((n, len(PARTS) + 1), np.int64)
        points = np.zeros(n, np.int32)
        score_log(
            state.definition, state.counts, learns, POINTS_MAX, index, slot, labels, earlier, values, counted, held,
            code, contribution, points,
        )  # fmt: skip
        state.touch()
        results.append((code, contribution, points))
        if restarts:
            state = restarted(state)
    codes, contributions, totals = (np.concatenate(arrays).astype(np.int64) for arrays in zip(*results, strict=True))
    return Walked(codes, contributions, totals, state)


def named_by(log: list[Event], position: int, number: int) -> int | None:
    """The position of the payment that a label names: one of those before it."""
    payments = [k for k in range(position) if log[k][0] == "payment"]
    return payments[number % len(payments)] if payments else None


def restarted(state: ScoreState) -> ScoreState:
    """A state that was restored from what this one saves."""
    other = ScoreState(definition())
    for key, content in state.records().items():
        other.restore(key, content)
    other.restored()
    return other


def slow(log: list[Event]) -> tuple[SlowScore, list[list[int]], list[list[int]]]:
    score = SlowScore(PARTS, PULL, ONE_IN, RATE, DECAY)
    codes, contributions = [], []
    for position, event in enumerate(log):
        if event[0] == "payment":
            scored = score.payment(position, list(event[1]), event[2])
            codes.append([MISSING_CODE if code is None else code for code in scored.codes])
            contributions.append(scored.contributions)
        elif (named := named_by(log, position, event[1])) is not None:
            score.label(named, event[2])
    return score, codes, contributions


@given(logs)
@settings(max_examples=150)
def test_the_kernel_is_the_definition(log: list[Event]) -> None:
    found, (score, codes, contributions) = walk(log, []), slow(log)
    assert found.code.tolist() == codes
    assert found.contribution.tolist() == contributions
    assert found.state.counts.weight.tolist() == score.weights
    assert found.state.counts.square.tolist() == score.squares
    assert found.state.counts.bias.tolist() == [score.bias]


@given(logs, st.lists(st.integers(0, 60), max_size=6), st.booleans())
@settings(max_examples=100)
def test_neither_batches_nor_restarts_change_a_bit(log: list[Event], splits: list[int], restarts: bool) -> None:
    whole, parts = walk(log, []), walk(log, splits, restarts)
    for one, other in zip(
        (whole.code, whole.contribution, whole.points), (parts.code, parts.contribution, parts.points), strict=True
    ):
        assert one.tolist() == other.tolist()
    assert whole.state.records() == parts.state.records()
    for one, other in zip(whole.state.counts[:-3], parts.state.counts[:-3], strict=True):
        assert (one == other).all()


@given(logs, logs)
@settings(max_examples=50)
def test_what_comes_later_changes_no_earlier_score(log: list[Event], later: list[Event]) -> None:
    n = sum(event[0] == "payment" for event in log)
    assert walk(log + later, []).points[:n].tolist() == walk(log, []).points.tolist()


@given(logs)
@settings(max_examples=50)
def test_the_points_are_those_of_the_sum_of_contributions(log: list[Event]) -> None:
    found = walk(log, [])
    sums, points = found.contribution.sum(axis=1), np.zeros(len(found.points), np.int32)
    points_of_log_odds(sums, POINTS_MAX, points)
    assert points.tolist() == found.points.tolist()
    order = np.argsort(sums, kind="stable")
    assert (np.diff(found.points[order]) >= 0).all()


@given(logs)
@settings(max_examples=30)
def test_a_score_that_does_not_learn_keeps_its_counts(log: list[Event]) -> None:
    found = walk(log, [], learns=False)
    assert found.state.records() == ScoreState(definition()).records()


def test_changes_are_the_records_that_changed() -> None:
    log = [("payment", (1.0, math.nan, math.nan), True)]
    state = walk(log, []).state
    assert [key for key, _ in state.changes()] == [b"0", b"1", b"2", b"totals"]
    assert state.changes() == []
    state.touch()
    assert state.changes() == []


@pytest.mark.parametrize("key", [b"3", b"-1", b"x"])
def test_a_record_of_no_part_is_refused(key: bytes) -> None:
    content = ScoreState(definition()).records()[b"0"]
    with pytest.raises(ValueError, match=r"3 parts|invalid literal"):
        ScoreState(definition()).restore(key, content)


def test_labels_of_frauds_alone_tell_frauds_from_other_payments_and_leave_the_base() -> None:
    """A bank that reports frauds at once and nothing else must not have every payment alerted."""
    usual, unusual = (0.25, 1.0, 0.002), (4.0, 5.0, 0.3)
    payments: list[Event] = [("payment", unusual if k % 20 == 0 else usual, True) for k in range(400)]
    frauds: list[Event] = [("label", number, True) for number in range(0, 400, 20)]
    before, common, suspicious = (
        walk([*payments, *labels, ("payment", probe, True)], []).contribution[-1]
        for labels, probe in (([], usual), (frauds, usual), (frauds, unusual))
    )
    assert common[0] == suspicious[0] == before[0]
    assert common[1:].sum() <= before[1:].sum()
    assert suspicious[1:].sum() > common[1:].sum() + 2 * ONE

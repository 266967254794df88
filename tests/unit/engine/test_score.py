"""The score: parts in millionths that add up, each of them explained."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraudstream.engine.document import read_document
from fraudstream.engine.expression import PAYMENT_FIELDS, Type
from fraudstream.engine.score import PartsScorer, read_score
from fraudstream.engine.scorer import names_read, threshold
from tests.unit.engine.table import Row, Table

SYMBOLS = {**PAYMENT_FIELDS, "mean": Type.MONEY, "count": Type.NUMBER, "new": Type.BOOL, "since": Type.DURATION}
RISING = "{part: rising, weight: 0.3, value: count, from: 2, to: 10}"


def model(*parts: str) -> PartsScorer:
    root = read_document(f"threshold: 0.8\nparts: [{', '.join(parts)}]", "score.yaml")
    score = read_score(root, SYMBOLS, {})
    assert root.faults == []
    return score


def points(part: str, *rows: Row) -> list[int]:
    return [int(value) for value in model(part).score(Table(rows, SYMBOLS)).points]


def test_points_rise_from_none_to_the_weight() -> None:
    rows = [{"count": value} for value in (0, 2, 4, 10, 99)]
    assert points(RISING, *rows) == [0, 0, 75_000, 300_000, 300_000]


def test_points_fall_where_to_is_less_than_from() -> None:
    rows = [{"since": value} for value in (0, 60_000, 120_000, 999_999)]
    assert points("{part: falling, weight: 0.2, value: since, from: 2m, to: 0s}", *rows) == [200_000, 100_000, 0, 0]


def test_bounds_beside_money_are_major_units() -> None:
    part = "{part: large, weight: 1, value: amount, from: 100, to: 200}"
    assert points(part, {"amount": 15_000}, {"amount": 150, "exponent": 0}) == [500_000, 500_000]


def test_a_missing_value_has_no_points() -> None:
    assert points(RISING, {}) == [0]
    assert points("{part: new, weight: 0.1, value: new}", {}, {"new": False}, {"new": True}) == [0, 0, 100_000]


def test_a_guard_that_is_not_true_leaves_no_points() -> None:
    guarded = "{part: guarded, weight: 0.3, value: count, from: 2, to: 10, when: new}"
    assert points(guarded, {"count": 10}, {"count": 10, "new": False}, {"count": 10, "new": True}) == [0, 0, 300_000]


@given(st.lists(st.floats(min_value=-1e12, max_value=1e12) | st.none(), min_size=1, max_size=20))
def test_every_part_stays_within_its_weight_and_a_batch_is_as_its_rows(counts: list[float | None]) -> None:
    rows = [{"count": count} for count in counts]
    together = points(RISING, *rows)
    assert all(0 <= value <= 300_000 for value in together)
    assert together == [points(RISING, row)[0] for row in rows]


def test_points_and_their_names_are_kept_for_the_explanation() -> None:
    score = model("{part: a, weight: 0.25, value: amount / mean, normal: mean, from: 1, to: 3}", RISING)
    assert [part.points_max for part in score.parts] == [250_000, 300_000]
    assert names_read(score) == {"amount", "mean", "count"}
    assert (threshold(score), score.threshold_points) == (0.8, 800_000)


@pytest.mark.parametrize(
    ("part", "sentence"),
    [
        ("{part: a, weight: 0.3, value: count, from: 2}", "needs 'from' (no points) and 'to'"),
        ("{part: a, weight: 0.3, value: count, from: 2, to: 2}", "'from' and 'to' are equal"),
        ("{part: a, weight: 0.3, value: count, from: 2, to: 3h}", "but a plain number is expected"),
        ("{part: a, weight: 0.3, value: since, from: 2, to: 3h}", "but a duration is expected"),
        ("{part: a, weight: 0.3, value: count, from: count, to: 3}", "no field or feature 'count'"),
        ("{part: a, weight: 0.3, value: new, from: 0, to: 1}", "the value is true or false"),
        ("{part: a, weight: 0.3, value: kind}", "but a plain number or"),
        ("{part: a, weight: 0.3000001, value: new}", "at most six decimals"),
        ("{part: a, weight: -1, value: new}", "above 0"),
        ("{part: a, weight: NaN, value: new}", "above 0"),
        ("{part: a, weight: 1e999999, value: new}", "above 0"),
        ("{part: a b, weight: 1, value: new}", "one word"),
        ("{part: a, weight: 0.6, value: new}, {part: b, weight: 0.6, value: new}", "more than 1"),
        ("{part: a, weight: 0.2, value: new}, {part: a, weight: 0.2, value: new}", "another part 'a'"),
        ("{part: a, weight: 0.2, valeu: new}", "Nearest: 'value'"),
    ],
)
def test_a_fault_in_a_part_says_what_was_wrong(part: str, sentence: str) -> None:
    root = read_document(f"threshold: 0.8\nparts: [{part}]", "score.yaml")
    read_score(root, SYMBOLS, {})
    assert any(sentence in fault.sentence for fault in root.faults), root.faults

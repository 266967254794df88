"""Repeats are answered with the first verdict; findings are looked up by the rules that fired."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest

from fraudstream.engine.finding_table import FindingTable
from fraudstream.engine.kernel_types import ALTERED, FRESH, LATE, PANE, REPEAT
from fraudstream.engine.ledger import UNKNOWN
from fraudstream.engine.settling import OUT_OF_RANGE, REPEAT_OF_REPEAT, SETTLED, mark_repeats, settle

POINTS_MAX, THRESHOLD = 10_000, 500


class Settled(NamedTuple):
    returned: int
    score: list[int]
    finding: list[int]
    fired: list[list[int]]


def settled(
    repeat: list[bool],
    first: list[tuple[int, int]],
    score: list[int],
    table: FindingTable,
    fired: list[list[int]] | None = None,
    begin: int = 0,
) -> Settled:
    """`first`: score and finding of each payment's first verdict. `fired`: by word."""
    n = len(repeat)
    scores, bits = np.array(score, np.int32), np.array(fired or [[0] * n], np.uint64)
    first_score, first_verdict = (np.array([pair[k] for pair in first], np.int32) for k in (0, 1))
    finding = np.full(n, -7, np.int64)
    returned = settle(
        begin,
        np.array(repeat, np.bool_),
        first_score,
        first_verdict,
        THRESHOLD,
        POINTS_MAX,
        table.keys,
        table.numbers,
        bits,
        scores,
        finding,
    )
    return Settled(returned, scores.tolist(), finding.tolist(), bits.tolist())


def table_of(numbers: dict[tuple[int, bool], int]) -> FindingTable:
    table = FindingTable(1)
    for (fired, above), number in numbers.items():
        table.add(np.array([fired], np.uint64), above, number)
    return table


PLAIN = table_of({(0, False): 1, (0, True): 2, (5, False): 3})


def test_repeats_get_the_verdict_of_this_batch_or_of_an_earlier_one() -> None:
    """
    row                0      1          2             3
                     fresh  repeat     fresh        repeat
    first verdict      -    stored       -      ◄── that of row 2
    """
    found = settled([False, True, False, True], [(0, 0), (700, 5), (0, 0), (-3, 0)], [100, 0, 600, 0], PLAIN)
    assert found == (SETTLED, [100, 700, 600, 600], [1, 5, 2, 2], [[0, 0, 0, 0]])


def test_a_repeat_fires_no_rule() -> None:
    found = settled([False, True], [(0, 0), (-1, 0)], [0, 0], PLAIN, fired=[[5, 5]])
    assert found == (SETTLED, [0, 0], [3, 3], [[5, 0]])


def test_a_repeat_of_a_repeat_is_an_error_of_ours() -> None:
    assert settled([True, True], [(700, 0), (-1, 0)], [0, 0], PLAIN).returned == REPEAT_OF_REPEAT


@pytest.mark.parametrize("score", [-1, POINTS_MAX + 1])
def test_a_score_outside_its_range_is_an_error_of_ours(score: int) -> None:
    assert settled([False], [(0, 0)], [score], PLAIN).returned == OUT_OF_RANGE


def test_it_stops_at_a_combination_that_the_table_does_not_hold_and_goes_on_there() -> None:
    arguments = ([False, False], [(0, 0), (0, 0)], [0, 0])
    assert settled(*arguments, table_of({(0, False): 1}), fired=[[0, 9]]).returned == 1
    both = table_of({(0, False): 1, (9, False): 4})
    assert settled(*arguments, both, fired=[[0, 9]], begin=1).finding == [-7, 4]


def test_arrays_of_different_sizes_are_refused() -> None:
    with pytest.raises(AssertionError):
        settled([False, False], [(0, 0)], [0, 0], PLAIN)


def test_a_table_that_grows_keeps_what_it_holds() -> None:
    table = FindingTable(2)
    combinations = [(1 << k % 60, k // 60, above) for k in range(300) for above in (False, True)]
    for number, (low, high, above) in enumerate(combinations):
        table.add(np.array([low, high], np.uint64), above, number)
    n = len(combinations)
    fired = [[low for low, _, _ in combinations], [high for _, high, _ in combinations]]
    scores = [THRESHOLD - 1 + above for _, _, above in combinations]
    found = settled([False] * n, [(0, 0)] * n, scores, table, fired)
    assert (found.returned, found.finding) == (SETTLED, list(range(n)))


def test_a_repeat_without_a_first_verdict_is_late_and_keeps_its_features() -> None:
    status = np.array([FRESH, LATE, REPEAT, ALTERED, REPEAT, ALTERED], np.int8)
    first_score = np.array([0, 0, UNKNOWN, UNKNOWN, -1, 300], np.int32)
    number, error = np.ones((3, 6)), np.full((2, 6), PANE, np.int8)
    repeat, late, altered = (np.empty(6, np.bool_) for _ in range(3))
    mark_repeats(status, first_score, number, error, repeat, late, altered)
    assert repeat.tolist() == [False, False, False, False, True, True]
    assert late.tolist() == [False, True, True, True, False, False]
    assert altered.tolist() == [False, False, False, False, False, True]
    assert np.isnan(number).tolist() == [[False] * 4 + [True] * 2] * 2 + [[False] * 6]
    assert error.tolist() == [[PANE] * 4 + [0] * 2] * 2

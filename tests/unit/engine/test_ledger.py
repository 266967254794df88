"""The ledger of first verdicts: what it answers is a function of the order in which payments came."""

from __future__ import annotations

import numpy as np
import pytest

from fraudstream.engine.kernel_types import FRESH, LATE, REPEAT
from fraudstream.engine.ledger import UNKNOWN, Ledger

SIZE = 512


def enter(ledger: Ledger, events: list[tuple[int, int]]) -> list[int]:
    """Enter (event, status); the score of each fresh one is its event's number. Returns the scores of the repeats."""
    event = np.array([event for event, _ in events], np.uint64)
    status = np.array([status for _, status in events], np.int8)
    first = ledger.enter(event, status)
    fresh = event[status == FRESH].astype(np.int32)
    ledger.judged(fresh, fresh % 7)
    scores = []
    for row in np.flatnonzero(status == REPEAT).tolist():
        score = int(first.score[row])
        scores.append(score if score >= 0 or score == UNKNOWN else int(event[-score - 1]))
        assert score < 0 or first.verdict[row] == score % 7
    return scores


def fresh(begin: int, end: int) -> list[tuple[int, int]]:
    return [(event, FRESH) for event in range(begin, end)]


@pytest.mark.parametrize("batch", [1, 3, 100, 10_000])
def test_a_repeat_is_answered_as_long_as_the_last_payments_are_held(batch: int) -> None:
    events = fresh(1, 800)
    events += [
        (799, REPEAT),
        (800 - SIZE, REPEAT),
        (799 - SIZE, REPEAT),
        (5_000, REPEAT),
        (9_000, LATE),
        (9_000, REPEAT),
    ]
    ledger, scores = Ledger(SIZE), []
    for begin in range(0, len(events), batch):
        scores += enter(ledger, events[begin : begin + batch])
    assert scores == [799, 800 - SIZE, UNKNOWN, UNKNOWN, UNKNOWN]


def test_a_payment_forgotten_within_the_batch_was_known_before() -> None:
    ledger = Ledger(SIZE)
    assert enter(ledger, [*fresh(1, 3), (1, REPEAT), *fresh(3, 1_000), (1, REPEAT)]) == [1, UNKNOWN]


@pytest.mark.parametrize("count", [0, 1, 255, 256, 257, 511, 512, 513, 2_000])
def test_what_is_saved_in_pieces_and_compacted_is_restored(count: int) -> None:
    ledger = Ledger(SIZE)
    kept: dict[int, bytes] = {}
    for begin in range(1, count + 1, 100):
        enter(ledger, fresh(begin, min(begin + 100, count + 1)))
        kept |= dict(ledger.changes())
    assert ledger.changes() == []
    restored = Ledger(SIZE)
    restored.restore(sorted(kept.items(), reverse=True), ledger.count)
    assert restored.changes() == []
    kernel_types = [(event, REPEAT) for event in range(1, count + 1)]
    assert enter(restored, kernel_types) == enter(ledger, kernel_types)
    more = [*fresh(3_000, 3_100), (count, REPEAT), (3_001, REPEAT)]
    assert enter(restored, more) == enter(ledger, more)
    assert restored.changes() == ledger.changes()

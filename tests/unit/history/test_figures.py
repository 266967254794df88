"""Figures over all payments: each payment once, with its first decision and its newest label."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fraudstream.history.figures import SCORE, FigureReader, LabelledScore, LabelledSource, SourceDay
from fraudstream.history.reader import HistoryReader
from tests.unit.history.filled_store import fill
from tests.unit.history.log_records import DAY, T0, decision, label, payment

LIMIT_S = 30.0
FIRST = T0 // DAY
ALERT = "f" * 32


@pytest.fixture
def figures(tmp_path: Path) -> Iterator[FigureReader]:
    """A reader of the store at `tmp_path`."""
    reader = HistoryReader(tmp_path)
    yield reader.figures
    reader.close()


def some_history(root: Path) -> None:
    fill(
        root,
        [
            payment(0, amount="1.00", channel="app"),
            payment(1, amount="2.00", channel="partner", partner_id="w"),
            payment(2, amount="4.00", channel="partner", partner_id="w", at_ms=T0 + 1),
            payment(3, amount="8.00", currency="USD", at_ms=T0 + 2),
            payment(4, amount="16.00", channel="app", at_ms=T0 + DAY),
            payment(5, "acct-1", event_id="p-1", amount="2.00", channel="partner", partner_id="w"),  # again
            label(6, "p-1", label="genuine"),
            label(7, "p-1", at_ms=T0 + 2 * DAY, source="case"),  # the newest: fraud
            label(8, "p-2", label="genuine", source="case"),
            label(9, "p-4", source="chargeback", payment_occurred_at=T0 + DAY),
            label(10, "p-unknown"),
        ],
        [
            decision(0, "p-0", score=0.0),
            decision(1, "p-1", score=0.9, rules=["a/b", "a/c"], alert_id=ALERT, shadow_scores={"trees": 0.5}),
            decision(2, "p-2", score=0.6, rules=["a/b"], alert_id=ALERT, shadow_rules=["a/s"]),
            decision(3, "p-4", score=0.2, at_ms=T0 + DAY, rule_set="0" * 16),
            decision(4, "p-1", score=0.9, rules=["a/b"], alert_id=ALERT, repeat=True),
        ],
    )


def test_a_days_payments_by_channel_partner_and_currency(tmp_path: Path, figures: FigureReader) -> None:
    some_history(tmp_path)
    assert set(figures.sources(FIRST, limit_s=LIMIT_S)) == {
        SourceDay("app", None, "EUR", 1, 100, 0, 0),
        SourceDay("partner", "w", "EUR", 2, 600, 2, 600),
        SourceDay(None, None, "USD", 1, 800, 0, 0),
    }
    assert figures.sources(FIRST + 1, limit_s=LIMIT_S) == (SourceDay("app", None, "EUR", 1, 1600, 0, 0),)
    assert figures.sources(FIRST - 1, limit_s=LIMIT_S) == ()


def test_a_days_decisions_by_score_rule_and_rule_set(tmp_path: Path, figures: FigureReader) -> None:
    some_history(tmp_path)
    found = figures.decided(FIRST, (0.0, 0.6), limit_s=LIMIT_S)
    assert found.scores == {(SCORE, 0): (1, 0), (SCORE, 1): (1, 1), (SCORE, 2): (1, 1), ("trees", 1): (1, 1)}
    assert (found.rules, found.shadow_rules) == ({"a/b": 2, "a/c": 1}, {"a/s": 1})
    assert figures.decided(FIRST, (), limit_s=LIMIT_S).scores[SCORE, 0] == (3, 2)
    assert found.rule_sets == {"9a55d30f6c1b7e02": (3, 2)}


def test_labelled_payments_by_source_rule_and_score(tmp_path: Path, figures: FigureReader) -> None:
    some_history(tmp_path)
    found = figures.labelled(FIRST, limit_s=LIMIT_S)
    assert set(found.sources) == {
        LabelledSource("partner", "w", "EUR", FIRST, True, True, 1, 200),
        LabelledSource("partner", "w", "EUR", FIRST, True, False, 1, 400),
        LabelledSource("app", None, "EUR", FIRST + 1, False, True, 1, 1600),
    }
    assert found.rules == {("a/b", FIRST, True): 1, ("a/b", FIRST, False): 1, ("a/c", FIRST, True): 1}
    assert found.shadow_rules == {("a/s", FIRST, False): 1}
    assert sorted(found.scores) == [
        LabelledScore(SCORE, "case", False, 1, pytest.approx(0.36)),  # type: ignore[arg-type]
        LabelledScore(SCORE, "case", True, 1, pytest.approx(0.01)),  # type: ignore[arg-type]
        LabelledScore(SCORE, "chargeback", True, 1, pytest.approx(0.64)),  # type: ignore[arg-type]
        LabelledScore("trees", "case", True, 1, pytest.approx(0.25)),  # type: ignore[arg-type]
    ]


def test_a_store_that_is_not_there_has_no_figures(figures: FigureReader) -> None:
    assert figures.last_day() == -1
    assert figures.sources(FIRST, limit_s=LIMIT_S) == ()
    assert figures.decided(FIRST, (0.5,), limit_s=LIMIT_S).scores == {}
    assert figures.labelled(FIRST, limit_s=LIMIT_S).sources == ()


def test_the_files_of_a_day_change_with_its_payments_alone(tmp_path: Path, figures: FigureReader) -> None:
    some_history(tmp_path)
    before = [figures.files_of_day(day) for day in (FIRST, FIRST + 1)]
    fill(tmp_path, [payment(20, at_ms=T0 + DAY), label(21, "p-0")])
    after = [figures.files_of_day(day) for day in (FIRST, FIRST + 1)]
    assert (after[0] == before[0], after[1] == before[1]) == (True, False)

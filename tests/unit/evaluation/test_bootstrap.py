"""The bootstrap draws accounts with a fixed seed, and measures each draw as the whole is measured."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fraudstream.evaluation.alert_budget import RankedPayments
from fraudstream.evaluation.bootstrap import SEED, bootstrap, interval
from fraudstream.evaluation.payments import EvaluatedPayments
from fraudstream.evaluation.ranking import area_under_roc, average_precision, score_counts
from tests.unit.evaluation.drawn import Row, evaluated, rows


def drawn_again(payments: EvaluatedPayments, accounts: list[int]) -> EvaluatedPayments:
    """The payments of some accounts, those of an account that was drawn twice twice."""
    return payments.select(np.concatenate([np.flatnonzero(payments.account == account) for account in accounts]))


@settings(max_examples=60)
@given(rows, st.integers(1, 60))
def test_a_draw_measures_the_payments_of_the_accounts_drawn(drawn: list[Row], alerts: int) -> None:
    payments = evaluated(drawn)
    score = payments.scores["score"]
    found = bootstrap(payments, score, alerts=alerts, currency=0, draws=3)
    rng, accounts = np.random.default_rng(SEED), sorted({row[1] for row in drawn})
    for draw in range(3):
        chosen = [accounts[at] for at in rng.integers(0, len(accounts), len(accounts)).tolist()]
        again = drawn_again(payments, chosen)
        counts = score_counts(again.scores["score"], again.label)
        caught = RankedPayments(again, again.scores["score"], 1.0).at(alerts).caught
        expected = {
            "auc": area_under_roc(counts.genuine, counts.frauds),
            "average_precision": average_precision(counts.genuine, counts.frauds),
            "precision": caught.precision,
            "recall": caught.recall,
        }
        for name, value in expected.items():
            assert found[name][draw] == pytest.approx(np.nan if value is None else value, nan_ok=True), name


def test_the_same_payments_give_the_same_interval() -> None:
    payments = evaluated([(0, n % 6, int(n % 7 == 0), n % 5, 10, 0, 0) for n in range(60)])
    score = payments.scores["score"]
    first, second = (bootstrap(payments, score, alerts=10, currency=0, draws=50)["average_precision"] for _ in range(2))
    assert interval(first) == interval(second)
    low, high = interval(first) or (0.0, 0.0)
    assert low < np.nanmean(first) < high


def test_an_undefined_measure_has_no_interval() -> None:
    payments = evaluated([(0, n, 0, n % 5, 10, 0, 0) for n in range(5)])
    found = bootstrap(payments, payments.scores["score"], alerts=2, currency=0, draws=5)
    assert interval(found["auc"]) is None
    assert interval(found["precision"]) == (0.0, 0.0)

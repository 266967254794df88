"""The seam for scores: another scorer than the parts score decides, raises alerts and is explained by the same engine.

Method: a scorer that looks amounts up in a table and adds fixed-point int64 addends, one of them negative, as decision
trees will. It computes contributions only when they are asked for.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
import pytest

from fraudstream.contracts.alert import ScorePart
from fraudstream.contracts.payment import Payment
from fraudstream.engine.alert_writer import decoded_alerts
from fraudstream.engine.arrays import Int32Array, Int64Array
from fraudstream.engine.engine import Engine
from fraudstream.engine.expression import ColumnSource
from fraudstream.engine.payment_row import PaymentRow
from fraudstream.engine.rule_set import compile_rule_set
from fraudstream.engine.scorer import POINTS_MAX, names_read, threshold
from fraudstream.engine.trial import trial_of

NOON = 1_750_000_000_000
FEATURES = """\
version: 1
entities: {account: {key: account_id, slots: 8}}
features:
  account.payments_1h: {aggregate: count, window: 1h}
"""
BOUNDS_MINOR = np.array([1_000, 10_000])
AMOUNT_POINTS = np.array([0, 300_000, 900_000])  # below 10.00, below 100.00, from there on
BUSY_POINTS = -50_000  # a payment that is not the first of its hour is less suspicious


class TableScores:
    """Keeps the columns, and computes contributions of the rows that are asked for."""

    def __init__(self, columns: ColumnSource) -> None:
        self._amount = columns.column("amount")
        self._payments = columns.column("account.payments_1h")
        self.computed = 0
        points = self._contributions(np.arange(columns.n)).sum(axis=0)
        self._points: Int32Array = np.maximum(points, 0).astype(np.int32)

    @property
    def points(self) -> Int32Array:
        return self._points

    def contributions(self, rows: Int64Array) -> Int64Array:
        self.computed += len(rows)
        return self._contributions(rows)

    def rarities(self, rows: Int64Array) -> list[Mapping[str, int]]:
        return [{}] * len(rows)

    def points_of(self, sums: Int64Array) -> Int32Array:
        return np.maximum(sums, 0).astype(np.int32)

    def _contributions(self, rows: Int64Array) -> Int64Array:
        of_amount = AMOUNT_POINTS[np.searchsorted(BOUNDS_MINOR, self._amount[rows], side="right")]
        busy = np.where((self._payments[rows] > 1) & (of_amount > 0), BUSY_POINTS, 0)
        return np.stack([of_amount, busy]).astype(np.int64)


class TableScorer:
    """As `fraudstream.engine.scorer.Scorer`."""

    threshold_points = 900_000

    def __init__(self, version: int = 1) -> None:
        self._version = version

    @property
    def inputs(self) -> Mapping[str, frozenset[str]]:
        return {"amount": frozenset({"amount"}), "busy": frozenset({"account.payments_1h"})}

    @property
    def digest_content(self) -> object:
        return {"table": self._version}

    def score(self, columns: ColumnSource) -> TableScores:
        return TableScores(columns)

    def explain(self, contributions: Sequence[int], row: PaymentRow, *, include_zero: bool) -> list[ScorePart]:
        return [
            ScorePart(name, points / POINTS_MAX, 0.9, row.payment.amount if name == "amount" else None)
            for name, points in zip(self.inputs, contributions, strict=True)
            if points or include_zero
        ]


def pay(number: int, amount: str, account: str = "a") -> Payment:
    return Payment(f"e-{number}", NOON + number, account, amount, "EUR", "debit")


@pytest.fixture
def engine() -> Engine:
    return Engine(dataclasses.replace(compile_rule_set({"features.yaml": FEATURES}), scorer=TableScorer()))


def test_any_scorer_decides_by_its_points_and_threshold(engine: Engine) -> None:
    verdicts = engine.judge([pay(1, "9.99"), pay(2, "10"), pay(3, "100", "b"), pay(4, "100")], engine.new_state(), None)
    assert verdicts.score_points.tolist() == [0, 250_000, 900_000, 850_000]
    assert [decision.outcome for decision in verdicts.decisions()] == ["allow", "allow", "review", "allow"]


def test_an_alert_shows_the_parts_of_any_scorer_and_they_add_up(engine: Engine) -> None:
    verdicts = engine.judge([pay(1, "100")], engine.new_state())
    [alert] = decoded_alerts(verdicts)
    assert (alert.score, alert.score_threshold) == (0.9, 0.9)
    assert alert.score_parts == (ScorePart("amount", 0.9, 0.9, "100"),)
    assert alert.features == ()  # the part that scored reads a field, no feature


def test_contributions_are_computed_for_explained_payments_alone(engine: Engine) -> None:
    verdicts = engine.judge([pay(i, "100" if i == 7 else "1", f"a-{i}") for i in range(20)], engine.new_state())
    assert len(decoded_alerts(verdicts)) == 1
    assert isinstance(verdicts.scores, TableScores)
    assert verdicts.scores.computed == 1


def test_a_trial_shows_parts_without_points_and_what_the_others_read(engine: Engine) -> None:
    state = engine.new_state()
    engine.judge([pay(1, "1")], state)
    trial = trial_of(engine.judge([pay(2, "50")], state))
    assert trial.score_parts == (ScorePart("amount", 0.3, 0.9, "50"), ScorePart("busy", -0.05, 0.9))
    assert sum(round(part.points * POINTS_MAX) for part in trial.score_parts) == 250_000
    assert (trial.score_threshold, trial.read) == (0.9, ("account.payments_1h",))


def test_how_payments_are_cut_into_batches_changes_no_alert_of_any_scorer(engine: Engine) -> None:
    log = [pay(i, amount, f"a-{i % 4}") for i, amount in enumerate(["5", "100", "20", "150", "100", "7"])]
    whole = engine.judge(log, engine.new_state())
    state = engine.new_state()
    pieces = [engine.judge([payment], state) for payment in log]
    assert [d for piece in pieces for d in piece.decisions()] == whole.decisions()
    encoded = [msgspec.json.encode(alert) for alert in decoded_alerts(whole)]
    assert [msgspec.json.encode(alert) for piece in pieces for alert in decoded_alerts(piece)] == encoded
    assert len(encoded) == 2


def test_a_repeat_is_answered_with_the_first_score_of_any_scorer(engine: Engine) -> None:
    verdicts = engine.judge([pay(1, "100"), pay(1, "100")], engine.new_state())
    assert verdicts.score_points.tolist() == [900_000, 900_000]
    assert len(decoded_alerts(verdicts)) == 1


def test_a_score_outside_its_range_stops_the_batch(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TableScores, "points", property(lambda self: self._points - 1))
    with pytest.raises(AssertionError, match="scores lie outside 0 to 1000000"):
        engine.judge([pay(1, "1")], engine.new_state())


def test_contributions_that_do_not_add_up_stop_the_alert(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    verdicts = engine.judge([pay(1, "100")], engine.new_state())
    monkeypatch.setattr(TableScores, "contributions", lambda self, rows: np.full((2, len(rows)), 1))
    with pytest.raises(AssertionError, match="parts give"):
        decoded_alerts(verdicts)


def test_the_threshold_and_the_names_that_a_scorer_reads_are_known_without_scoring() -> None:
    assert threshold(TableScorer()) == 0.9
    assert names_read(TableScorer()) == {"amount", "account.payments_1h"}

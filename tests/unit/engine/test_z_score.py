"""Deviations above the mean: exact sums, drawn towards the prior, and the same value from ring and panes."""

from __future__ import annotations

import math

import pytest

from fraudstream.contracts.payment import Payment
from fraudstream.engine.engine import Engine
from fraudstream.engine.kernel_types import EXACT, PANE
from fraudstream.engine.rule_set import compile_rule_set
from tests.property.payment_logs import BEGIN_MS, DAY_MS

FEATURES = """
features:
  account.z: {aggregate: z_score, of: log_amount, window: 30d, prior: 2, strength: 3}
  account.z_amount: {aggregate: z_score, of: amount, window: 30d, prior: 0.5, strength: 3}
"""
EXACT_RING = f"version: 1\nentities: {{account: {{key: account_id, slots: 64}}}}\n{FEATURES}"
BY_PANE = (
    f"version: 1\nentities: {{account: {{key: account_id, slots: 4, panes: {{width: 1d, count: 32}}}}}}\n{FEATURES}"
)


def payments(amounts: list[str], step_ms: int = DAY_MS // 4) -> list[Payment]:
    return [Payment(f"e-{n}", BEGIN_MS + n * step_ms, "a", amount, "EUR", "debit") for n, amount in enumerate(amounts)]


def answers(catalogue: str, amounts: list[str]) -> tuple[dict[str, list[float]], dict[str, list[int]]]:
    engine = Engine(compile_rule_set({"features.yaml": catalogue}))
    verdicts = engine.judge(payments(amounts), engine.new_state())
    features = {name: values.tolist() for name, values in verdicts.features.items()}
    return features, {name: errors.tolist() for name, errors in verdicts.errors.items()}


def test_logarithms_of_powers_of_two_are_exact() -> None:
    """Cents: 2**4, 2**6 and 2**8; the mean is 6, the squared distances 4, 0, 4."""
    features, _ = answers(EXACT_RING, ["0.16", "0.64", "2.56", "10.24"])
    variance = (8 + 3 * 2**2) / (3 + 3)
    assert features["account.z"][3] == pytest.approx(3 / 6 * (10 - 6) / math.sqrt(variance), rel=1e-15)


def test_a_payment_of_whom_nothing_is_known_has_the_score_0() -> None:
    features, errors = answers(EXACT_RING, ["5000.00", "5000.00"])
    assert (features["account.z"], features["account.z_amount"]) == ([0.0, 0.0], [0.0, 0.0])
    assert errors["account.z"] == [EXACT, EXACT]


def test_a_score_grows_with_what_is_known() -> None:
    usual = ["10.00", "12.00", "9.00", "11.00", "10.50", "9.50", "10.00", "12.00", "11.00", "9.00"]
    scores = [answers(EXACT_RING, [*usual[:known], "100.00"])[0]["account.z"][-1] for known in (1, 2, 5, 10)]
    assert scores == sorted(scores)
    assert scores[-1] > 2 > scores[0] > 0


def test_without_any_amount_but_0_there_is_no_deviation() -> None:
    features, _ = answers(EXACT_RING, ["0", "0", "3.00"])
    assert math.isnan(features["account.z_amount"][2])
    assert features["account.z"][2] > 0


def test_panes_hold_exact_sums_of_logarithms() -> None:
    """No payment is near the end of the window, so panes and ring agree to the last rounding."""
    amounts = [f"{1 + n * 37 % 101}.{n * 13 % 100:02d}" for n in range(40)]
    exact, _ = answers(EXACT_RING, amounts)
    paned, errors = answers(BY_PANE, amounts)
    assert errors["account.z"][-1] == PANE
    assert paned["account.z"] == pytest.approx(exact["account.z"], rel=1e-12)
    assert paned["account.z_amount"] == pytest.approx(exact["account.z_amount"], rel=1e-9)

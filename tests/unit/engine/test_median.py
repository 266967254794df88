"""The median of amounts: the lower of two middle ones, exact over the ring, and marked where payments have left it."""

from __future__ import annotations

import random

import numpy as np

from fraudstream.contracts.payment import Payment
from fraudstream.engine.alert_writer import decoded_alerts
from fraudstream.engine.engine import Engine
from fraudstream.engine.kernel_types import AT_LEAST, EXACT
from fraudstream.engine.rule_set import compile_rule_set

START_MS = 1_750_000_000_000
MINUTE_MS = 60_000
RULE = """
id: 0b6f6c1e-6a55-4c3b-9a0e-5d1f0f1d7a42
title: Far above the median
status: live
severity: high
when: amount > 3 * account.median_1h
message: "{amount} against {account.median_1h}"
"""


def engine(slots: int, includes: str = "false", rules: dict[str, str] | None = None) -> Engine:
    features = f"""
version: 1
entities:
  account: {{key: account_id, slots: {slots}}}
features:
  account.median_1h: {{aggregate: median, of: amount, window: 1h, includes: {includes}}}
"""
    return Engine(compile_rule_set({"features.yaml": features, **(rules or {})}))


def payments(amounts: list[int], currency: str = "EUR") -> list[Payment]:
    """One a second; amounts in cents."""
    return [
        Payment(f"{currency}{n}", START_MS + 1000 * n, "a", f"{cents // 100}.{cents % 100:02d}", currency, "debit")
        for n, cents in enumerate(amounts)
    ]


def medians(judge: Engine, log: list[Payment]) -> list[float]:
    found: list[float] = judge.judge(log, judge.new_state()).features["account.median_1h"].tolist()
    return found


def test_of_an_even_number_the_lower_middle_amount_is_the_median() -> None:
    assert medians(engine(8, "true"), payments([500, 100, 300, 200])) == [500.0, 100.0, 300.0, 200.0]


def test_the_median_of_no_payments_is_missing() -> None:
    assert np.isnan(medians(engine(8), payments([500]))[0])


def test_only_amounts_in_the_currency_of_the_payment_count() -> None:
    log = [*payments([100, 200, 300]), *payments([900, 5], "USD")]
    found = medians(engine(8), log[:4])
    assert np.isnan(found[3])


def test_the_median_is_that_of_the_sorted_amounts() -> None:
    draw = random.Random(7)
    for n in range(1, 60):
        amounts = [draw.choice((draw.randint(0, 5), draw.randint(0, 10**9))) for _ in range(n)]
        assert medians(engine(64, "true"), payments(amounts))[-1] == sorted(amounts)[(n - 1) // 2], amounts


def test_a_window_that_outgrows_the_ring_is_marked() -> None:
    judge = engine(4, rules={"test/far.yaml": RULE})
    verdicts = judge.judge(payments([100, 200, 300, 400, 500, 90_000]), judge.new_state())
    assert verdicts.errors["account.median_1h"].tolist() == [EXACT] * 5 + [AT_LEAST]
    [alert] = [alert for alert in decoded_alerts(verdicts) if alert.event_id == "EUR5"]
    [value] = alert.features
    assert value.value == "3.00 EUR"
    assert alert.rules[0].message == "900.00 EUR against 3.00 EUR"
    assert value.window_error == "not exact: the window reaches back beyond the 4 payments held"

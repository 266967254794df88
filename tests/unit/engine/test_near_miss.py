"""What is a near miss: every quantity in the way within a quarter of its threshold, nothing else in the way."""

from __future__ import annotations

import math

import pytest

from fraudstream.engine.expression import PAYMENT_FIELDS, Origin, Type, compile_expression
from fraudstream.engine.near_miss import NEAR
from tests.unit.engine.table import Row, Table

SYMBOLS = {**PAYMENT_FIELDS, "mean": Type.MONEY, "count": Type.NUMBER, "new": Type.BOOL, "since": Type.DURATION}
NEVER = math.inf


def shortfall(source: str, row: Row) -> float:
    expression = compile_expression(source, SYMBOLS, Type.BOOL, Origin("rule.yaml"))
    return float(expression.shortfall(Table([row], SYMBOLS))[0])


@pytest.mark.parametrize(
    ("source", "row", "lacks"),
    [
        ("amount > 100", {"amount": 12_000}, 0.0),
        ("amount > 100", {"amount": 8_000}, 0.2),
        ("amount > 100", {"amount": 10_000}, 0.0),  # at the threshold, and yet not above it
        ("since < 2h", {"since": 9_000_000}, 0.25),
        ("amount > 100 and new", {"amount": 8_000, "new": True}, 0.2),
        ("amount > 100 and new", {"amount": 8_000, "new": False}, NEVER),
        ("amount > 100 and count >= 10", {"amount": 8_000, "count": 9}, 0.2),  # the worst of what is in the way
        ("amount > 100 or count >= 10", {"amount": 8_000, "count": 9}, 0.1),  # the nearest alternative
        ("amount > 100 or new", {"amount": 8_000, "new": None}, 0.2),
        ("not (amount <= 100 or count < 10)", {"amount": 8_000, "count": 9}, 0.2),
        ("not (amount <= 100 and not new)", {"amount": 8_000, "new": False}, 0.2),
        ("amount > mean", {"amount": 8_000, "mean": None}, NEVER),
        ("count > 0", {"count": 0}, NEVER),  # no share of zero
        ("count == 4", {"count": 3}, NEVER),
        ("channel == 'app'", {"channel": "web"}, NEVER),
        ("channel in ('app', 'web') and amount > 100", {"channel": "web", "amount": 9_000}, 0.1),
        ("mean is missing", {"mean": 1}, NEVER),
    ],
)
def test_what_a_condition_lacks(source: str, row: Row, lacks: float) -> None:
    assert shortfall(source, row) == pytest.approx(lacks)


def test_a_condition_that_is_true_lacks_nothing_and_one_of_quantities_alone_that_is_not_has_a_distance() -> None:
    source = "amount > 100 and (count >= 4 or since < 1h)"
    expression = compile_expression(source, SYMBOLS, Type.BOOL, Origin("rule.yaml"))
    rows = [
        {"amount": amount, "count": count, "since": since}
        for amount in (5_000, 10_000, 15_000)
        for count in (3, 4, 5)
        for since in (1_800_000, 3_600_000, 7_200_000)
    ]
    table = Table(rows, SYMBOLS)
    lacks, fires = expression.shortfall(table), expression.true(table)
    assert (lacks[fires] == 0.0).all()
    assert (lacks[~fires] < NEVER).all()
    assert fires.any()


def test_near_is_a_quarter() -> None:
    assert NEAR == 0.25

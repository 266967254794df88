"""Evidence: the comparisons that held, as a person reads them."""

from __future__ import annotations

import msgspec
import pytest

from fraudstream.contracts.alert import Evidence
from fraudstream.contracts.payment import Payment
from fraudstream.engine.evidence import evidence_of, proofs_of
from fraudstream.engine.expression import PAYMENT_FIELDS, Origin, Type, compile_expression
from fraudstream.engine.payment_row import PaymentRow
from fraudstream.engine.plain_text import plain
from tests.unit.engine.table import Row, Table

SYMBOLS = {**PAYMENT_FIELDS, "mean": Type.MONEY, "count": Type.NUMBER, "new": Type.BOOL, "since": Type.DURATION}


def evidence(source: str, row: Row, **fields: str) -> tuple[Evidence, ...]:
    payment = Payment("event", 0, "account", "1", "EUR", "debit", **fields)  # type: ignore[arg-type]
    expression = compile_expression(source, SYMBOLS, Type.BOOL, Origin("rule.yaml"))
    found = evidence_of(proofs_of(expression.comparisons, {}), PaymentRow(Table([row], SYMBOLS), 0, payment))
    return msgspec.json.decode(found, type=tuple[Evidence, ...])


def test_money_is_shown_with_value_threshold_and_margin() -> None:
    [found] = evidence("amount > 3 * mean", {"amount": 60_000, "mean": 10_000})
    assert found == Evidence("amount", ">", "3 * mean", "600.00 EUR", "300.00 EUR", 1.0)


def test_a_margin_below_a_threshold_counts_downward() -> None:
    [found] = evidence("since < 2h", {"since": 1_800_000})
    assert found == Evidence("since", "<", "2h", "30m", "2h", 0.75)


def test_a_threshold_of_zero_has_no_margin() -> None:
    assert evidence("count > 0", {"count": 3})[0].margin is None


def test_text_is_shown_in_words() -> None:
    row = {"channel": "app", "kind": "transfer"}
    first, second = evidence("channel == 'app' and kind in ('transfer', 'fee')", row, channel="app", kind="transfer")
    assert (first.value, first.threshold, first.margin) == ("app", "app", None)
    assert (second.operator, second.right, second.value) == ("in", "('transfer', 'fee')", "transfer")


def test_under_not_the_comparison_is_shown_as_it_held() -> None:
    found = evidence("not (count > 5) and not new", {"count": 2, "new": False})
    assert [(e.left, e.operator, e.right, e.value) for e in found] == [
        ("count", "<=", "5", "2"),
        ("new", "is", "false", "false"),
    ]


def test_of_an_or_only_the_side_that_held_is_shown() -> None:
    found = evidence("count > 5 or amount > 1", {"count": 2, "amount": 500})
    assert [e.left for e in found] == ["amount"]


@pytest.mark.parametrize(
    ("value", "type_", "currency", "text"),
    [
        (1250.0, Type.MONEY, "JPY", "1250 JPY"),
        (1250.4, Type.MONEY, "KWD", "1.250 KWD"),
        (0.123456, Type.NUMBER, "EUR", "0.1235"),
        (12.3456, Type.NUMBER, "EUR", "12.35"),
        (-0.00001, Type.NUMBER, "EUR", "0"),
        (1e6, Type.NUMBER, "EUR", "1000000"),
        (float("nan"), Type.MONEY, "EUR", "missing"),
        (-1.0, Type.BOOL, "EUR", "missing"),
        (1.0, Type.BOOL, "EUR", "true"),
        (float("inf"), Type.NUMBER, "EUR", "infinite"),
    ],
)
def test_a_value_has_one_plain_text(value: float, type_: Type, currency: str, text: str) -> None:
    assert plain(value, type_, currency) == text

"""The reasons of a case: rules once each, comparisons with the account's normal, score parts that add up."""

from __future__ import annotations

import re

import pytest
from msgspec.structs import replace

from fraudstream.console.plots.comparison_plot import WIDTH, comparison_plot
from fraudstream.console.plots.score_bars import score_bars
from fraudstream.console.reasons import ScoreReason, reasons_of
from fraudstream.contracts import Alert, Case, CaseAlert, Evidence, FeatureValue, RuleHit, ScorePart
from tests.unit.cases.events import alert
from tests.unit.console.console_app import case


def hit(name: str, severity: str = "medium", *evidence: Evidence, shadow: bool = False) -> RuleHit:
    return RuleHit(name, name, name, severity, "", evidence, shadow=shadow)  # type: ignore[arg-type]


def case_of(*alerts: Alert) -> tuple[Case, dict[str, Alert]]:
    lines = tuple(
        CaseAlert(each.alert_id, each.event_id, each.occurred_at_ms, each.severity, each.score, "10.00", "EUR", ())
        for each in alerts
    )
    return case(alerts=lines, alert_count=len(lines)), {each.alert_id: each for each in alerts}


def test_a_rule_is_shown_once_with_the_newest_values_and_how_often_it_fired() -> None:
    old, new = (
        Evidence("amount", ">", "5", "6.00 EUR", "5.00 EUR"),
        Evidence("amount", ">", "5", "9.00 EUR", "5.00 EUR"),
    )
    found = reasons_of(
        *case_of(
            replace(alert("a2", occurred_at_ms=2_000), rules=(hit("x", "medium", new),)),
            replace(alert("a1", occurred_at_ms=1_000), rules=(hit("x", "medium", old), hit("y", "critical"))),
        )
    )
    assert [(rule.rule, rule.alerts) for rule in found.rules] == [("y", 1), ("x", 2)]
    assert [each.value for each in found.rules[1].measured] == ["9.00 EUR"]


def test_rules_in_shadow_come_last() -> None:
    found = reasons_of(*case_of(replace(alert("a1"), rules=(hit("s", "critical", shadow=True), hit("x", "low")))))
    assert [rule.rule for rule in found.rules] == ["x", "s"]


@pytest.mark.parametrize(
    ("evidence", "normal"),
    [
        (Evidence("amount", ">", "max(200, 4 * account.amount_mean_30d)", "526.26 EUR", "240.60 EUR"), "60.15 EUR"),
        (Evidence("amount", ">=", "500", "526.26 EUR", "500.00 EUR"), "60.15 EUR"),  # of an amount, its mean
        (Evidence("account.payments_30d", ">=", "5", "8", "5"), None),
    ],
)
def test_a_comparison_has_the_accounts_normal_where_the_alert_tells_it(evidence: Evidence, normal: str | None) -> None:
    features = (FeatureValue("account.amount_mean_30d", "60.15 EUR"), FeatureValue("account.payments_30d", "8"))
    (rule,) = reasons_of(*case_of(replace(alert("a1"), rules=(hit("x", "high", evidence),), features=features))).rules
    (measured,) = rule.measured
    assert (measured.normal and measured.normal[1]) == normal


def test_what_is_no_comparison_of_numbers_is_a_condition() -> None:
    conditions = (
        Evidence("direction", "==", '"debit"', "debit", "debit"),
        Evidence("account.idle", ">", "2", "3h", "2"),
    )
    (rule,) = reasons_of(*case_of(replace(alert("a1"), rules=(hit("x", "high", *conditions),)))).rules
    assert (rule.measured, rule.conditions) == ((), conditions)


def test_a_plot_puts_value_and_threshold_on_one_scale() -> None:
    evidence = Evidence("amount", ">", "2 * account.amount_mean_30d", "100.00 EUR", "50.00 EUR")
    features = (FeatureValue("account.amount_mean_30d", "25.00 EUR"),)
    (rule,) = reasons_of(*case_of(replace(alert("a1"), rules=(hit("x", "high", evidence),), features=features))).rules
    plot = comparison_plot(rule.measured[0], "<title>")
    assert "&lt;title&gt;" in plot
    patterns = (r'width="([\d.]+)" height="6"', r'x1="([\d.]+)"', r'cx="([\d.]+)"')
    width, threshold, normal = (float(re.findall(pattern, plot)[-1]) for pattern in patterns)
    assert width == pytest.approx(WIDTH - 8)
    assert threshold == pytest.approx(4 + width / 2, abs=0.1)
    assert normal == pytest.approx(4 + width / 4, abs=0.1)


def spans(bars: tuple[str, ...]) -> list[tuple[float, float]]:
    """Left and right of each bar, in pixels."""
    found = [re.search(r'<rect x="([\d.]+)" y="2" width="([\d.]+)"', bar) for bar in bars]
    return [(float(each[1]), float(each[1]) + float(each[2])) for each in found if each is not None]


def test_each_part_of_a_score_begins_where_the_one_before_it_ends() -> None:
    parts = tuple(ScorePart(name, points, 1.0) for name, points in (("a", 0.25), ("b", 0.15), ("c", 0.1)))
    bars = score_bars(
        ScoreReason(0.6, 0.4, parts, (ScorePart("d", 0.04, 1.0), ScorePart("e", 0.06, 1.0)), in_bits=False), "{points}"
    )
    (a, b, c), (rest, whole) = spans(bars.parts), spans((bars.others, bars.sum))
    assert bars.total == pytest.approx(0.6)
    assert a[1] == pytest.approx(b[0], abs=0.2)
    assert b[1] == pytest.approx(c[0], abs=0.2)
    assert rest[0] == pytest.approx(c[1], abs=0.2)
    assert whole == pytest.approx((a[0], rest[1]), abs=0.2)


def test_bits_that_lower_the_score_lead_back() -> None:
    parts = tuple(ScorePart(name, bits, 0.0, unit="bits") for name, bits in (("a", 6.0), ("b", -4.0)))
    bars = score_bars(ScoreReason(0.8, 0.8, parts, (), in_bits=True), "{points} bits, threshold {threshold} bits")
    (a, b), (whole,) = spans(bars.parts), spans((bars.sum,))
    assert bars.total == 2.0
    assert "<title>-4.0000 bits, threshold 2.0000 bits</title>" in bars.parts[1]
    assert b == pytest.approx((whole[1], a[1]), abs=0.2)


def test_the_score_shown_is_that_of_the_alert_with_the_highest() -> None:
    parts = (ScorePart("small", 0.1, 1.0), ScorePart("large", 0.3, 1.0))
    low, high = (replace(alert(name), score=score, score_parts=parts) for name, score in (("a1", 0.2), ("a2", 0.4)))
    found = reasons_of(*case_of(high, low)).score
    assert found is not None
    assert (found.score, [part.part for part in found.parts]) == (0.4, ["large", "small"])


def test_of_many_parts_the_heaviest_are_shown_and_the_others_summed() -> None:
    parts = tuple(ScorePart(f"part_{number}", number / 100, 1.0) for number in range(1, 13))
    found = reasons_of(*case_of(replace(alert("a1"), score=0.78, score_parts=parts))).score
    assert found is not None
    assert [part.part for part in found.parts] == [f"part_{number}" for number in range(12, 2, -1)]
    assert found.others_points == pytest.approx(0.03)
    assert score_bars(found, "{points}").total == pytest.approx(0.78)


def test_payments_have_the_columns_that_one_of_them_has() -> None:
    first, second = alert("a1", occurred_at_ms=1_000), alert("a2", occurred_at_ms=2_000)
    first = replace(first, payment=replace(first.payment, device_id="dev-1", card_present=False))
    second = replace(second, payment=replace(second.payment, attributes={"purpose": "rent"}))
    table = reasons_of(*case_of(first, second)).payments
    assert table.columns == ("direction", "device_id", "attributes.purpose", "card_present")
    assert [line.fields.get("attributes.purpose") for line in table.lines] == ["rent", None]
    assert [line.fields.get("card_present") for line in table.lines] == [None, "no"]


def test_a_payment_whose_alert_cannot_be_read_stays_in_the_table() -> None:
    found, _ = case_of(alert("a1"))
    table = reasons_of(found, {}).payments
    assert [(line.alert.event_id, line.fields) for line in table.lines] == [("event-of-a1", {})]

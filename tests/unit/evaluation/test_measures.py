"""Each measure against its definition, written out slowly, on drawn payments with ties, days and unlabelled rows."""

from __future__ import annotations

import doctest
from dataclasses import replace
from fractions import Fraction
from importlib import import_module

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraudstream.evaluation.alert_budget import RankedPayments, caught_by
from fraudstream.evaluation.calibration import calibration
from fraudstream.evaluation.card_precision import TIE_SEED, card_precision
from fraudstream.evaluation.label_sources import by_label_source
from fraudstream.evaluation.payments import DAY_MS, not_known_before
from fraudstream.evaluation.ranking import area_under_roc, average_precision, curve, score_counts
from fraudstream.evaluation.rule_quality import rule_quality
from tests.unit.evaluation.drawn import RULES, Row, evaluated, rows

MODULES = ("ranking", "calibration", "drift", "alert_budget", "lowest_threshold", "report.markup")


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    result = doctest.testmod(import_module(f"fraudstream.evaluation.{name}"))
    assert result.failed == 0
    assert result.attempted > 0


@given(rows)
def test_the_curve_has_every_threshold_and_ends_where_all_is_alerted(drawn: list[Row]) -> None:
    payments = evaluated(drawn)
    counts = score_counts(payments.scores["score"], payments.label)
    labelled = [(row[3] / 10, row[2]) for row in drawn if row[2] >= 0]
    frauds, genuine = [s for s, y in labelled if y], [s for s, y in labelled if not y]
    points = curve(counts)
    if not frauds or not genuine:
        assert points == []
        return
    assert [point.threshold for point in points] == sorted({s for s, _ in labelled}, reverse=True)
    for point in points:
        caught = sum(s >= point.threshold for s in frauds)
        false = sum(s >= point.threshold for s in genuine)
        assert point.recall == pytest.approx(caught / len(frauds))
        assert point.false_positive_rate == pytest.approx(false / len(genuine))
        assert point.precision == pytest.approx(caught / (caught + false))
    area = sum(
        (b.false_positive_rate - a[0]) * (b.recall + a[1]) / 2
        for a, b in zip([(0.0, 0.0)] + [(p.false_positive_rate, p.recall) for p in points], points, strict=False)
    )
    assert area_under_roc(counts.genuine, counts.frauds) == pytest.approx(area)
    recalls = [0.0] + [point.recall for point in points]
    steps = sum((p.recall - before) * p.precision for before, p in zip(recalls, points, strict=False))
    assert average_precision(counts.genuine, counts.frauds) == pytest.approx(steps)


@given(rows, st.integers(1, 4))
def test_card_precision_is_that_of_the_handbook(drawn: list[Row], k: int) -> None:
    payments = evaluated(drawn)
    found = card_precision(payments.scores["score"], payments.account, payments.fraud, payments.day, k)
    accounts = max(row[1] for row in drawn) + 1
    order = np.random.default_rng(TIE_SEED).permutation(accounts)
    detected: set[int] = set()
    for result, day in zip(found, sorted({row[0] for row in drawn}), strict=True):
        today = [row for row in drawn if row[0] == day and row[1] not in detected]
        highest = {account: max(row[3] for row in today if row[1] == account) for account in {row[1] for row in today}}
        compromised = {row[1] for row in today if row[2] == 1}
        first = sorted(highest, key=lambda account: (-highest[account], order[account]))[:k]
        hits = compromised & {*first}
        detected |= hits
        assert result == (day, len(highest), len(compromised), len(hits), len(hits) / k)


@given(rows, st.integers(1, 12))
def test_a_budget_takes_the_highest_scores_and_its_share_of_ties(drawn: list[Row], per_day: int) -> None:
    payments = evaluated(drawn)
    point = RankedPayments(payments, payments.scores["score"], 10.0).at(per_day / 10)
    alerts = min(per_day, len(drawn))
    ranked = sorted(drawn, key=lambda row: -row[3])
    last = ranked[alerts - 1][3]
    above, tied = [row for row in drawn if row[3] > last], [row for row in drawn if row[3] == last]
    share = Fraction(alerts - len(above), len(tied))

    def expected(wanted: int) -> Fraction:
        return Fraction(sum(row[2] == wanted for row in above)) + share * sum(row[2] == wanted for row in tied)

    kept = [row for row in drawn if sum(other[3] >= row[3] for other in drawn) <= alerts]
    assert point.alerts_at_threshold == len(kept)
    assert point.threshold == (min(row[3] for row in kept) / 10 if kept else None)
    assert point.caught.alerts == alerts
    for wanted, count in ((1, point.caught.frauds), (0, point.caught.genuine), (-1, point.caught.unlabelled)):
        assert count == pytest.approx(float(expected(wanted)))
    labelled = expected(1) + expected(0)
    assert point.caught.precision == (pytest.approx(float(expected(1) / labelled)) if labelled else None)
    for currency, money in enumerate(point.caught.money):

        def fraud_of(some: list[Row], currency: int = currency) -> int:
            return sum(row[4] for row in some if row[2] == 1 and row[5] == currency)

        assert money.fraud_minor == fraud_of(drawn)
        assert money.caught_minor == fraud_of(above) + fraud_of(tied) * (alerts - len(above)) // len(tied)


@given(rows)
def test_alerts_and_rules_are_counted_as_defined(drawn: list[Row]) -> None:
    payments = evaluated(drawn)
    caught = caught_by(payments, payments.alerted, 10.0)
    alerted = [row for row in drawn if row[6] & 3]
    assert (caught.alerts, caught.frauds) == (len(alerted), sum(row[2] == 1 for row in alerted))
    assert [money.caught_minor for money in caught.money] == [
        sum(row[4] for row in alerted if row[2] == 1 and row[5] == currency) for currency in (0, 1)
    ]
    found = {rule.rule: rule for rule in rule_quality(payments)}
    for number, (name, status) in enumerate(RULES):
        fired = [row for row in drawn if row[6] >> number & 1]
        frauds = [row for row in fired if row[2] == 1]
        others = 3 & ~(1 << number)
        rule = found[name]
        assert (rule.status, rule.fired, rule.on_fraud) == (status, len(fired), len(frauds))
        assert rule.unique_frauds == sum(not row[6] & others for row in frauds)
        assert rule.not_alerted == sum(not row[6] & 3 for row in fired)
        assert rule.not_alerted_frauds == sum(not row[6] & 3 for row in frauds)


@given(rows)
def test_the_bins_of_a_calibration_hold_every_labelled_payment_once(drawn: list[Row]) -> None:
    payments = evaluated(drawn)
    result = calibration(payments.scores["score"], payments.label)
    labelled = [(row[3] / 10, row[2]) for row in drawn if row[2] >= 0]
    if not labelled:
        assert (result.brier, result.bins) == (None, ())
        return
    assert result.brier == pytest.approx(sum((s - y) ** 2 for s, y in labelled) / len(labelled))
    assert sum(each.payments for each in result.bins) == len(labelled)
    for each in result.bins:
        inside = [y for s, y in labelled if each.low <= s <= each.high]
        assert (each.payments, each.frauds) == (len(inside), sum(inside))
        assert each.fraud_share_low <= each.fraud_share <= each.fraud_share_high


@given(rows, st.integers(0, 9), st.integers(0, 4))
def test_accounts_leave_the_day_after_a_fraud_is_known(drawn: list[Row], since_day: int, delay_days: int) -> None:
    payments = evaluated(drawn)
    kept = not_known_before(payments, since_day * DAY_MS, delay_days * DAY_MS)
    for row, keep in zip(drawn, kept.tolist(), strict=True):
        known = any(
            other[1] == row[1] and other[2] == 1 and since_day <= other[0] <= row[0] - delay_days - 1 for other in drawn
        )
        assert keep != known


@given(rows)
def test_calibration_by_the_source_of_the_label_counts_each_label_once(drawn: list[Row]) -> None:
    payments = evaluated(drawn)
    found = by_label_source(payments, payments.scores["score"])
    assert sum(each.labels for each in found) == sum(row[2] >= 0 for row in drawn)
    for each in found:
        code = -1 if each.source is None else payments.label_sources.index(each.source)
        of = [row for row in drawn if row[2] >= 0 and row[1] % 3 - 1 == code]
        assert (each.labels, each.frauds) == (len(of), sum(row[2] for row in of))
        assert each.brier == pytest.approx(sum((row[3] / 10 - row[2]) ** 2 for row in of) / len(of))
        sure = [row[3] / 4 for row in of if row[1] % 2]
        assert each.confidence == (pytest.approx(sum(sure) / len(sure)) if sure else None)


def test_rare_sources_are_one() -> None:
    payments = replace(
        evaluated([(0, 0, 1, 4, 5, 0, 0)] * 61),
        label_source=np.array([*range(30), *range(30), 29]),
        label_sources=tuple(f"case-{number:02}" for number in range(30)),
    )
    found = by_label_source(payments, payments.scores["score"])
    assert [(each.source, each.labels) for each in found[:2]] == [("case-29", 3), ("case-00", 2)]
    assert (len(found), found[-1].others, found[-1].labels) == (21, True, 20)

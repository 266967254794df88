"""The report and the JSON of an evaluation say the same, load nothing, and escape what comes from data."""

from __future__ import annotations

import json
import re
import statistics
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings

from fraudstream.evaluation.drift import reference_histogram
from fraudstream.evaluation.evaluate import DriftInput, NoPaymentsError, evaluate
from fraudstream.evaluation.options import Options
from fraudstream.evaluation.payments import DAY_MS, EvaluatedPayments, EvaluatedRule
from fraudstream.evaluation.report.chart import Axis
from fraudstream.evaluation.report.page import report_page
from fraudstream.evaluation.results import Evaluation, encode
from tests.unit.evaluation.drawn import Row, evaluated, rows

OPTIONS = Options(alerts_per_day=2.0, k=2, draws=10)
SAMPLE: list[Row] = [(n % 10, n % 6, (0, 1, 0, -1)[n % 4], n * 7 % 5, n + 1, n % 2, n % 8) for n in range(200)]


class Tags(HTMLParser):
    """Collects the tags of a page with their attributes, and checks that each is closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self._open: list[str] = []
        self.feed(page)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag != "meta":
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag


def with_drift(payments: EvaluatedPayments) -> Evaluation:
    reference = reference_histogram("score", payments.scores["score"] / 2)
    return evaluate(payments, OPTIONS, DriftInput([reference], lambda name: payments.scores[name], "last month"))


@settings(max_examples=25, deadline=None)
@given(rows)
def test_any_payments_give_a_whole_page_that_loads_nothing(drawn: list[Row]) -> None:
    page = report_page(with_drift(evaluated(drawn)), "drawn").decode()
    tags = Tags(page.removeprefix("<!doctype html>")).found
    assert not {tag for tag, _ in tags} & {"script", "link", "img", "iframe", "object"}
    assert all(value.startswith("#") for _, given in tags for key, value in given.items() if key == "href" and value)
    assert "nan" not in re.sub(r"<[^>]*>", " ", page).lower().split()
    for picture in re.findall(r"<svg.*?</svg>", page, re.DOTALL):
        ElementTree.fromstring(picture)
        assert "nan" not in picture


def test_names_from_data_are_escaped() -> None:
    payments = evaluated(SAMPLE)
    evil = '<script>alert("x")</script>'
    payments = replace(
        payments,
        typologies=(evil, "mule"),
        currencies=(evil, "USD"),
        rules=(EvaluatedRule(evil, "live"), *payments.rules[1:]),
        scores={evil: payments.scores["score"]},
    )
    page = report_page(evaluate(payments, OPTIONS, rule_set=evil), evil).decode()
    assert "<script" not in page
    assert page.count("&lt;script&gt;") > 4
    assert "&quot;x&quot;" in page


def test_the_json_has_the_figures_of_the_report() -> None:
    evaluation = with_drift(evaluated(SAMPLE))
    found = json.loads(encode(evaluation))
    page = report_page(evaluation, "sample").decode()
    first = found["scorers"][0]
    assert first["name"] == "score"
    for figure in (first["auc"], first["average_precision"], first["card_precision"]["mean"]):
        assert f">{figure:.3f}<" in page
    assert f"{found['alerts']['precision'] * 100:.1f} %" in page
    assert {rule["rule"]: rule["status"] for rule in found["rules"]} == {"a": "live", "b": "live", "c": "shadow"}
    assert found["drift"][0]["reference"]["name"] == "score"
    assert found["scorers"][1]["difference"]["auc"]["low"] <= found["scorers"][1]["difference"]["auc"]["high"]
    assert first["difference"] == {}


def test_a_period_measures_its_payments_alone() -> None:
    payments = evaluated(SAMPLE)
    chosen = (payments.day >= 2) & (payments.day < 5)
    part = evaluate(payments, OPTIONS._replace(from_ms=2 * DAY_MS, until_ms=5 * DAY_MS))
    alone = evaluate(payments.select(chosen), OPTIONS)
    assert part == alone
    assert part.period.days == 3
    assert part.period.payments == int(chosen.sum())


def test_known_accounts_are_left_out_and_counted() -> None:
    found = evaluate(evaluated(SAMPLE), OPTIONS._replace(known_since_ms=0, label_delay_ms=DAY_MS))
    assert found.period.left_out > 0
    assert found.period.left_out + found.period.payments == len(SAMPLE)


def test_each_fold_is_the_period_shifted_by_its_length() -> None:
    payments = evaluated(SAMPLE)
    options = OPTIONS._replace(
        from_ms=3 * DAY_MS, until_ms=5 * DAY_MS, known_since_ms=3 * DAY_MS, label_delay_ms=0, folds=3
    )
    found = evaluate(payments, options)
    for scorer in found.folds:
        for number, fold in enumerate(scorer.folds):
            shift = number * 2 * DAY_MS
            alone = evaluate(
                payments,
                options._replace(
                    from_ms=3 * DAY_MS + shift, until_ms=5 * DAY_MS + shift, known_since_ms=3 * DAY_MS + shift, folds=1
                ),
            )
            quality = next(each for each in alone.scorers if each.name == scorer.name)
            assert (fold.payments, fold.frauds) == (alone.period.payments, alone.period.frauds)
            assert (fold.auc, fold.average_precision) == (quality.auc, quality.average_precision)
            assert fold.card_precision == pytest.approx(quality.card_precision.mean)
            assert (fold.precision, fold.recall) == (quality.budget.caught.precision, quality.budget.caught.recall)
        values = [fold.average_precision for fold in scorer.folds if fold.average_precision is not None]
        assert scorer.mean["average_precision"] == pytest.approx(statistics.mean(values))
        assert scorer.deviation["average_precision"] == pytest.approx(statistics.stdev(values))
    assert "mean ± deviation" in report_page(found, "sample").decode()


def test_an_empty_period_is_an_error() -> None:
    with pytest.raises(NoPaymentsError):
        evaluate(evaluated(SAMPLE), OPTIONS._replace(from_ms=99 * DAY_MS))


def test_weeks_begin_on_monday_and_kinds_of_fraud_are_counted() -> None:
    found = evaluate(evaluated(SAMPLE), OPTIONS).scorers[0]
    assert [week.first_day for week in found.weeks] == [-3, 4]  # 1970-01-01 was a Thursday
    assert sum(week.payments for week in found.weeks) == len(SAMPLE)
    assert sum(kind.frauds for kind in found.typologies) == sum(row[2] == 1 for row in SAMPLE)


def test_ticks_are_round_and_within_the_axis() -> None:
    assert Axis("share", 0.0, 1.0, percent=True).ticks() == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert Axis("alerts", 1.0, 1000.0, logarithmic=True).ticks() == [1.0, 10.0, 100.0, 1000.0]
    assert [Axis("s", 0.0, 1.0, percent=True).tick_text(value) for value in (0.25, 1.0)] == ["25 %", "100 %"]

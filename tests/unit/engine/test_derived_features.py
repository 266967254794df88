"""Features derived from other features: computed in order when a payment is decided, and as exact as what they read."""

from __future__ import annotations

import pytest

from fraudstream.contracts.payment import Payment
from fraudstream.engine.alert_writer import decoded_alerts
from fraudstream.engine.catalogue_reading import parse_catalogue
from fraudstream.engine.document import DocumentErrors
from fraudstream.engine.engine import Engine
from fraudstream.engine.expression import Bounds
from fraudstream.engine.feature_domains import domains_of
from fraudstream.engine.forwarded_features import ForwardedFeatures
from fraudstream.engine.rule_set import compile_rule_set
from tests.property.payment_logs import BEGIN_MS, HOUR_MS

CATALOGUE = """
version: 1
entities:
  account: {key: account_id, slots: 4}
  group: {key: [mcc, hour], slots: 4, panes: {width: 1h, count: 26}}
features:
  rare_group: {derive: 'rarity(group.payments_1d, account.payments_1d)'}
  account.payments_1d: {aggregate: count, window: 1d, includes: false}
  group.payments_1d: {aggregate: count, window: 1d, includes: false}
  doubled: {derive: 2 * rare_group}
  quiet: {derive: account.payments_1d < 3}
"""
SCORE = "threshold: 0.5\nparts:\n  - {part: p, weight: 1, value: doubled, from: 0, to: 1}\n"


def payments(count: int) -> list[Payment]:
    return [
        Payment(f"e-{n}", BEGIN_MS + n * HOUR_MS, "a", "1.00", "EUR", "debit", mcc="5411" if n else None)
        for n in range(count)
    ]


def test_they_are_computed_in_their_order() -> None:
    engine = Engine(compile_rule_set({"features.yaml": CATALOGUE}))
    features = engine.judge(payments(4), engine.new_state()).features
    assert features["rare_group"].tolist()[1:] == pytest.approx([1.0, 1.58496, 2.0], abs=1e-4)
    assert features["rare_group"][0] != features["rare_group"][0]  # no mcc, so no group
    assert features["doubled"].tolist()[1:] == (2 * features["rare_group"][1:]).tolist()
    assert features["quiet"].tolist() == [1.0, 1.0, 1.0, 0.0]


def test_one_that_reads_a_later_one_is_refused() -> None:
    text = "version: 1\nentities: {a: {key: account_id}}\nfeatures: {x: {derive: y + 1}, y: {derive: hour + 1}}"
    with pytest.raises(DocumentErrors) as failure:
        parse_catalogue(text, "f.yaml")
    assert str(failure.value).startswith("f.yaml:3:24: no field or feature 'y'.")


def test_its_bounds_follow_from_what_it_reads() -> None:
    domains = domains_of(parse_catalogue(CATALOGUE))
    assert domains["rare_group"] == Bounds(0.0, float("inf"))
    assert domains["doubled"] == Bounds(0.0, float("inf"))


def test_an_alert_says_that_what_it_reads_is_not_exact() -> None:
    engine = Engine(compile_rule_set({"features.yaml": CATALOGUE, "score.yaml": SCORE}))
    verdicts = engine.judge(payments(9), engine.new_state())
    early, late = decoded_alerts(verdicts)[0], decoded_alerts(verdicts)[-1]
    assert [(shown.feature, shown.window_error) for shown in early.features] == [("doubled", None)]
    assert [(shown.feature, shown.window_error) for shown in late.features] == [
        (
            "doubled",
            "rare_group: account.payments_1d: not exact: the window reaches back beyond the 4 payments held",
        )
    ]


def test_a_chain_of_stages_derives_what_one_process_does() -> None:
    rule_set = compile_rule_set({"features.yaml": CATALOGUE, "score.yaml": SCORE})
    whole, first, last = Engine(rule_set), Engine(rule_set, "account"), Engine(rule_set, "group")
    log = payments(6)
    forwarded = first.forward(log, first.new_state(), [p.occurred_at for p in log])  # type: ignore[misc]
    features: ForwardedFeatures = last.codec_in.unpack_spans(*forwarded.features)
    found = last.judge(log, last.new_state(), None, features)
    expected = whole.judge(log, whole.new_state())
    assert forwarded.keys.present() == [b"a", *(b"5411\x1f%d" % ((BEGIN_MS // HOUR_MS + n) % 24) for n in range(1, 6))]
    assert found.score_points.tolist() == expected.score_points.tolist()
    assert [a.verdict_digest for a in decoded_alerts(found)] == [a.verdict_digest for a in decoded_alerts(expected)]

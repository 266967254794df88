"""Replay of a small generated file with test rules."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pyarrow.parquet as pq
import pytest

from fraudstream.backtest.label_order import in_order
from fraudstream.backtest.replay import Summary, replay
from fraudstream.backtest.replay_output import features_schema
from fraudstream.contracts import Alert
from fraudstream.contracts.currency import amount_text
from fraudstream.engine.alert_writer import decoded_alerts
from fraudstream.engine.engine import Engine
from fraudstream.engine.expression import Type
from fraudstream.engine.expression.types import WORDS_OF
from fraudstream.engine.rule_set import RuleSet, compile_rule_set
from fraudstream.generator.plan import GeneratorPlan
from fraudstream.generator.stream import GeneratedBatch, stream

PLAN = GeneratorPlan(1_735_689_600_000, seed=3, accounts=300, fraud_share=0.02)
N = 4_000
DAY_MS = 86_400_000
FEATURES = """
version: 1
entities:
  account: {key: account_id, slots: 64}
  terminal: {key: terminal_id, slots: 64}
features:
  account.payments_1d: {aggregate: count, window: 1d}
  account.amount_mean_7d: {aggregate: mean, of: amount, window: 7d, includes: false}
  account.new_device: {aggregate: first_seen, of: device_id, window: 30d}
  account.since_last: {aggregate: since_last}
  account.last_channel: {aggregate: last, of: channel}
  terminal.fraud_share_7d: {aggregate: share, of: fraud, window: 7d, delay: 1d}
  night: {derive: hour < 6}
"""
SCORE = """
threshold: 0.5
parts:
  - {part: amount, weight: 0.6, value: amount / account.amount_mean_7d, from: 2, to: 10}
  - {part: busy, weight: 0.4, value: account.payments_1d, from: 2, to: 12}
"""
RULE = """
id: 11111111-2222-4333-8444-555555555555
title: Many payments in a day
status: live
severity: high
tags: [typology.test]
references: [docs/typologies.md]
when: account.payments_1d >= 8
message: "{account.payments_1d} payments in a day"
blind_spots: [slow thieves]
false_positives: [busy people]
"""


@pytest.fixture(scope="module")
def rule_set() -> RuleSet:
    return compile_rule_set({"features.yaml": FEATURES, "score.yaml": SCORE, "velocity/busy.yaml": RULE})


def run(rule_set: RuleSet, out: Path, batch_size: int) -> Summary:
    return replay(
        rule_set,
        stream(PLAN, N),
        out,
        label_delay_ms=DAY_MS,
        batch_size=batch_size,
        features_out=out / "features.parquet",
    )


def test_results_do_not_depend_on_the_batch_size(rule_set: RuleSet, tmp_path: Path) -> None:
    found = set()
    for size in (1, 7, 1_000, 100_000):
        summary = run(rule_set, tmp_path / str(size), size)
        assert summary.alerts > 10
        files = [tmp_path / str(size) / name for name in ("alerts.jsonl", "decisions.parquet", "features.parquet")]
        found.add(tuple(hashlib.sha256(file.read_bytes()).hexdigest() for file in files))
    assert len(found) == 1


def test_alerts_are_the_bytes_the_stream_would_publish(rule_set: RuleSet, tmp_path: Path) -> None:
    run(rule_set, tmp_path, 500)
    engine = Engine(rule_set)
    state = engine.new_state()
    expected = [
        msgspec.json.encode(alert)
        for piece in in_order(stream(PLAN, N), DAY_MS)
        for alert in decoded_alerts(engine.judge(piece.events, state))
    ]
    assert (tmp_path / "alerts.jsonl").read_bytes().splitlines() == expected
    assert msgspec.json.decode(expected[0], type=Alert).rule_set == rule_set.digest


def test_every_payment_has_a_decision_and_its_features(rule_set: RuleSet, tmp_path: Path) -> None:
    summary = run(rule_set, tmp_path, 500)
    decisions = pq.read_table(tmp_path / "decisions.parquet")
    payments = [payment for batch in stream(PLAN, N) for payment in batch.payments]
    assert decisions.column("event_id").to_pylist() == [payment.event_id for payment in payments]
    assert decisions.column("label").to_pylist().count("fraud") == summary.frauds > 0
    amounts = zip(decisions.column("amount_minor").to_pylist(), decisions.column("currency").to_pylist(), strict=True)
    assert [amount_text(*amount) for amount in amounts] == [payment.amount for payment in payments]
    alerted = [alert_id for alert_id in decisions.column("alert_id").to_pylist() if alert_id]
    alerts = (tmp_path / "alerts.jsonl").read_bytes().splitlines()
    assert alerted == [msgspec.json.decode(line, type=Alert).alert_id for line in alerts]
    features = pq.read_table(tmp_path / "features.parquet")
    assert features.num_rows == N
    assert features.schema.field("night").type == "bool"
    assert features.column("account.amount_mean_7d").null_count > 0  # nothing before the first payment: missing
    channels = set(features.column("account.last_channel").to_pylist())
    assert None in channels
    assert channels - {None} <= set(WORDS_OF["channel"])
    assert len(channels) > 1


def test_the_summary_counts_and_measures(rule_set: RuleSet, tmp_path: Path) -> None:
    summary = run(rule_set, tmp_path, 500)
    assert summary.payments == summary.labels == N
    assert summary.labels_unmatched == 0
    assert summary.outcomes["review"] == summary.alerts == summary.alert.fired
    assert sum(summary.outcomes.values()) == N
    (rule,) = summary.rules
    assert rule.rule == "velocity/busy"
    assert 0 < rule.fired <= summary.alerts
    assert summary.shadow_rules == []
    assert summary.auc is not None
    assert 0.5 < summary.auc < 1
    written = msgspec.json.decode((tmp_path / "summary.json").read_bytes())
    assert written["payments"] == N
    assert written["rules"][0]["rule"] == "velocity/busy"


def test_without_a_score_there_is_no_ranking_to_measure(tmp_path: Path) -> None:
    summary = run(compile_rule_set({"features.yaml": FEATURES}), tmp_path, 500)
    assert (summary.auc, summary.average_precision, summary.alerts) == (None, None, 0)


def test_a_failed_replay_leaves_no_output_files(rule_set: RuleSet, tmp_path: Path) -> None:
    def broken() -> Iterator[GeneratedBatch]:
        yield from stream(PLAN, 1_000)
        raise ValueError("the file ends in the middle")

    with pytest.raises(ValueError, match="in the middle"):
        replay(rule_set, broken(), tmp_path / "out", label_delay_ms=0, batch_size=100)
    assert list((tmp_path / "out").iterdir()) == []


def test_the_features_file_has_units_in_its_schema() -> None:
    schema = features_schema({"a": Type.MONEY, "b": Type.DURATION, "c": Type.NUMBER})
    assert schema.field("a").metadata == {b"unit": b"minor_units"}
    assert schema.field("b").metadata == {b"unit": b"ms"}
    assert schema.field("c").metadata is None

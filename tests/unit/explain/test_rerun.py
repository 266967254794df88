"""A payment can be decided again without the other accounts of its partition: the bytes are the same.

A log of one partition, generated, with the rules of accounts alone; each alert again from its account's records alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

import msgspec
import pytest
from aiokafka import ConsumerRecord

from fraudstream.cli.rule_files import load_rule_set
from fraudstream.contracts import Label
from fraudstream.contracts.control import ListEntry, RuleSwitch
from fraudstream.contracts.headers import CONTROL_HEADER, LABEL_HEADER
from fraudstream.engine.alert_writer import decoded_alerts
from fraudstream.engine.apply import apply
from fraudstream.engine.engine import Engine
from fraudstream.engine.trial import trial_of
from fraudstream.explain.rerun import bears_on
from fraudstream.generator.plan import GeneratorPlan
from fraudstream.generator.stream import stream

NOW_MS = 1_750_000_000_000
PAYMENTS = 4_000

Record: TypeAlias = ConsumerRecord[bytes, bytes]


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(load_rule_set(Path("examples/account_only")))


@pytest.fixture(scope="module")
def log() -> list[Record]:
    records: list[Record] = []
    for batch in stream(
        GeneratorPlan(NOW_MS, seed=3, accounts=100, history_ms=30 * 86_400_000, fraud_share=0.05), PAYMENTS
    ):
        for payment, at_ms, is_fraud in zip(batch.payments, batch.occurred_at_ms.tolist(), batch.labels, strict=True):
            key = payment.account_id.encode()
            records.append(record(len(records), key, msgspec.json.encode(payment), at_ms))
            if len(records) % 7 == 0:
                label = Label(payment.event_id, payment.account_id, "fraud" if is_fraud else "genuine", at_ms)
                records.append(record(len(records), key, msgspec.json.encode(label), at_ms, (LABEL_HEADER,)))
    return records


def record(offset: int, key: bytes, value: bytes, at_ms: int, headers: tuple[tuple[str, bytes], ...] = ()) -> Record:
    return ConsumerRecord("payments", 0, offset, at_ms, 0, key, value, None, len(key), len(value), headers)


def test_an_accounts_own_records_give_its_alerts_byte_for_byte(engine: Engine, log: list[Record]) -> None:
    result = apply(engine, engine.new_state(), log)
    alerts = decoded_alerts(result.verdicts)
    assert len({alert.account_id for alert in alerts}) > 10
    position_of = {payment.event_id: at for payment, at in zip(result.verdicts.payments, result.positions, strict=True)}
    for alert in alerts[::4]:
        position = position_of[alert.event_id]
        before = [record for record in log[:position] if bears_on(log[position].key, record)]
        assert len(before) < position / 5
        state = engine.new_state()
        if before:
            apply(engine, state, before)
        trial = trial_of(apply(engine, state, [log[position]]).verdicts)
        assert msgspec.json.encode(trial.alert) == msgspec.json.encode(alert)
        assert [rule.rule for rule in trial.rules if rule.closeness == "fired"] == [hit.rule for hit in alert.rules]
        assert {part.part for part in alert.score_parts} == {part.part for part in trial.score_parts if part.points}
        assert {value.feature for value in alert.features} <= set(trial.read)


def test_list_entries_apply_to_every_account_and_rule_set_switches_to_none() -> None:
    entry = ListEntry(list="stolen_devices", value="dev-8", by="r.holm", issued_at_ms=0)
    switch = RuleSwitch(rule_set="0" * 16, by="r.holm", issued_at_ms=0)
    assert bears_on(b"a1", record(0, b"", msgspec.json.encode(entry), 0, (CONTROL_HEADER,)))
    assert not bears_on(b"a1", record(0, b"", msgspec.json.encode(switch), 0, (CONTROL_HEADER,)))
    assert bears_on(b"a1", record(0, b"a1", b"{}", 0))
    assert not bears_on(b"a1", record(0, b"a2", b"{}", 0, (LABEL_HEADER,)))
    assert not bears_on(b"a1", record(0, b"a2", b"{}", 0))

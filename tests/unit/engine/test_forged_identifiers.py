"""Identifiers that somebody chose to have the digest of another: under a keyed digest such a choice has no effect.

The pairs collide under FNV-1a, which digests once were.
"""

from __future__ import annotations

from typing import Any

import pytest

from fraudstream.contracts import Label, Payment
from fraudstream.engine.digest import PUBLIC_KEY
from fraudstream.engine.engine import Engine
from fraudstream.engine.identifier_key import key_of
from fraudstream.engine.rule_set import compile_rule_set
from fraudstream.engine.verdict import Verdicts

FEATURES = """
version: 1
attributes: {tier: text}
entities:
  account: {key: account_id, slots: 16}
  counterparty: {key: counterparty_id, slots: 16}
features:
  account.payees_1h: {aggregate: distinct, of: counterparty_id, window: 1h}
  account.to_payee_1h: {aggregate: count, window: 1h, same: counterparty_id}
  account.last_country: {aggregate: last, of: country}
  counterparty.payments_1h: {aggregate: count, window: 1h}
"""
LISTS = "lists:\n  trusted: {of: counterparty_id, kind: allow, description: known}\n"
RULE = """
id: 0b6f6c1e-6a55-4c3b-9a0e-5d1f0f1d7a42
title: Not trusted
status: live
severity: high
when: counterparty_id not in lists.trusted and (device_id != "KNOWN" or attributes.tier != country)
message: "{counterparty_id}"
"""
ONE, OTHER = "8yn0iYCKYHlIj4-BwPqk", "GReLUrM4wMqfg9yzV3KQ"
NOON_MS = 1_772_625_600_000
FILES = {"features.yaml": FEATURES, "lists.yaml": LISTS, "test/untrusted.yaml": RULE.replace("KNOWN", ONE)}
RULES = compile_rule_set(FILES)
KEYS = {"the public key": PUBLIC_KEY, "a secret": key_of(bytes.fromhex("5e" * 16))}


def judged(key: str, *events: Payment | Label, trusted: str | None = None) -> Verdicts:
    engine = Engine(RULES, digest_key=KEYS[key])
    state = engine.new_state()
    if trusted is not None:
        state.lists.put("trusted", trusted, None)
    return engine.judge(events, state)


def pay(event_id: str, counterparty_id: str | None = None, **fields: Any) -> Payment:
    return Payment(event_id, NOON_MS, "a", "1.00", "EUR", "debit", counterparty_id=counterparty_id, **fields)


@pytest.fixture(params=KEYS)
def key(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def test_a_forged_event_id_is_not_judged_as_a_repeat(key: str) -> None:
    verdicts = judged(key, pay(ONE), pay(OTHER), pay(ONE))
    assert verdicts.repeat.tolist() == [False, False, True]


def test_a_forged_event_id_does_not_take_the_label_of_another(key: str) -> None:
    label = Label(event_id=OTHER, account_id="a", label="fraud", labelled_at=NOON_MS)
    assert judged(key, pay(ONE), label).labels_unmatched == 1


def test_a_forged_payee_is_not_on_the_list_of_trusted_ones(key: str) -> None:
    verdicts = judged(key, pay("e1", ONE, device_id="d"), pay("e2", OTHER, device_id="d"), trusted=ONE)
    assert verdicts.fired[:, 0].tolist() == [False, True]


def test_a_forged_payee_shares_no_history(key: str) -> None:
    features = judged(key, pay("e1", ONE), pay("e2", OTHER), pay("e3", ONE)).features
    assert features["account.payees_1h"].tolist() == [1.0, 2.0, 2.0]
    assert features["account.to_payee_1h"].tolist() == [1.0, 1.0, 2.0]
    assert features["counterparty.payments_1h"].tolist() == [1.0, 1.0, 2.0]


def test_a_forged_device_is_not_the_one_that_a_rule_names(key: str) -> None:
    same = {"country": "DE", "attributes": {"tier": "DE"}}
    verdicts = judged(key, pay("e1", "x", device_id=ONE, **same), pay("e2", "x", device_id=OTHER, **same))
    assert verdicts.fired[:, 0].tolist() == [False, True]


def test_the_state_of_another_key_is_not_used() -> None:
    state = Engine(RULES, digest_key=KEYS["a secret"]).new_state()
    with pytest.raises(AssertionError, match="the state's digests have another key"):
        Engine(RULES).judge([pay("e1")], state)

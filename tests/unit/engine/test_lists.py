"""Lists in rules: how they are declared and asked, what a fault says, what an alert shows."""

from __future__ import annotations

import pytest

from fraudstream.contracts import Alert, Payment
from fraudstream.engine.alert_writer import decoded_alerts
from fraudstream.engine.catalogue_difference import catalogue_difference
from fraudstream.engine.engine import Engine
from fraudstream.engine.rule_set import RuleSet, RuleSetErrors, compile_rule_set

FEATURES = """
version: 1
attributes: {trusted: bool}
entities:
  account: {key: account_id, slots: 16}
features:
  account.payments_1h: {aggregate: count, window: 1h, where: attributes.trusted}
"""
LISTS = """
lists:
  stolen_devices: {of: device_id, kind: deny, description: gone}
  trusted_payees: {of: counterparty_id, kind: allow, description: known to be good}
"""
RULE = """
id: 0b6f6c1e-6a55-4c3b-9a0e-5d1f0f1d7a42
title: Asks lists
status: live
severity: high
when: WHEN
message: "{device_id}"
"""
ASKING = "device_id in lists.stolen_devices and counterparty_id not in lists.trusted_payees"
NOON_MS = 1_772_625_600_000  # 2026-03-04T12:00:00Z


def rules(when: str, features: str = FEATURES, lists: str = LISTS) -> RuleSet:
    files = {"features.yaml": features, "lists.yaml": lists, "test/asks.yaml": RULE.replace("WHEN", when)}
    return compile_rule_set(files)


def alerts(when: str, until_ms: int | None = None, **fields: str) -> list[Alert]:
    """Of one payment at noon, from a device on the list of stolen ones."""
    engine = Engine(rules(when))
    state = engine.new_state()
    state.lists.put("stolen_devices", "dev-8", until_ms)
    state.lists.put("trusted_payees", "tax-office", None)
    payment = Payment("e", NOON_MS, "a", "1.00", "EUR", "debit", **fields)  # type: ignore[arg-type]
    return decoded_alerts(engine.judge([payment], state))


@pytest.mark.parametrize(
    ("when", "sentence"),
    [
        ("device_id in lists.stolen_device", "asks.yaml:6:20: no list 'lists.stolen_device': declare it in lists.yaml. "
         "Nearest: 'lists.stolen_devices'."),
        ("merchant_id in lists.stolen_devices", "asks.yaml:6:7: lists.stolen_devices holds values of device_id: write "
         "'device_id in lists.stolen_devices'."),
        ("lists.stolen_devices == 3", "'lists.stolen_devices' is used with 'in'"),
        ("device_id in stolen_devices", "no list 'stolen_devices': write lists.NAME, or text in parentheses"),
        ("amount in lists.stolen_devices", "only text can be looked for in a list"),
    ],
)  # fmt: skip
def test_a_wrong_list_condition_is_reported_at_its_position_with_the_nearest_name(when: str, sentence: str) -> None:
    with pytest.raises(RuleSetErrors) as caught:
        rules(when)
    assert sentence in str(caught.value.faults[0])
    assert caught.value.faults[0].excerpt == when


def test_features_may_not_depend_on_a_list() -> None:
    features = FEATURES.replace("where: attributes.trusted", "where: device_id in lists.stolen_devices")
    with pytest.raises(RuleSetErrors, match="only rules and the score may read lists"):
        rules(ASKING, features)


@pytest.mark.parametrize(
    ("lists", "sentence"),
    [
        ("lists:\n  A: {of: device_id, kind: deny, description: x}", "'A' can't be the name of a list"),
        ("lists:\n  a: {of: amount, kind: deny, description: x}", "of can't be 'amount'"),
        ("lists:\n  a: {of: device_id, kind: bad, description: x}", "kind can't be 'bad'"),
        ("lists:\n  a: {of: device_id, kind: deny}", "lacks the key 'description'"),
    ],
)
def test_a_wrong_declaration_is_reported(lists: str, sentence: str) -> None:
    with pytest.raises(RuleSetErrors) as caught:
        rules("device_id is present", lists=lists)
    assert any(sentence in str(fault) for fault in caught.value.faults), caught.value.faults


def test_the_digest_knows_lists_but_not_their_descriptions() -> None:
    assert rules(ASKING).digest == rules(ASKING, lists=LISTS.replace("gone", "lost")).digest
    assert rules(ASKING).digest != rules(ASKING, lists=LISTS.replace("deny", "watch")).digest


def test_an_alert_says_which_list_and_until_when() -> None:
    [alert] = alerts(ASKING, NOON_MS + 1_500, device_id="dev-8", counterparty_id="somebody")
    shown = [(e.left, e.operator, e.right, e.value, e.threshold) for e in alert.rules[0].evidence]
    assert shown == [
        ("device_id", "in", "lists.stolen_devices", "dev-8", "deny list, until 2026-03-04T12:00:01.500Z"),
        ("counterparty_id", "not in", "lists.trusted_payees", "somebody", "allow list"),
    ]


def test_an_expired_entry_another_value_and_a_missing_field_are_on_no_list() -> None:
    assert alerts(ASKING, NOON_MS, device_id="dev-8", counterparty_id="somebody") == []
    assert alerts(ASKING, device_id="dev-9", counterparty_id="somebody") == []
    assert alerts(ASKING, device_id="dev-8", counterparty_id="tax-office") == []
    assert alerts(ASKING, device_id="dev-8") == []  # not in: unknown, as the payee is missing
    assert alerts("not (device_id in lists.stolen_devices)") == []


@pytest.mark.parametrize(
    ("features", "difference"),
    [
        (FEATURES.replace("slots: 16", "slots: 17"), "entity 'account' is declared differently"),
        (FEATURES.replace("window: 1h", "window: 2h"), "feature 'account.payments_1h' is declared differently"),
        (FEATURES + "  account.n: {aggregate: count, window: 1h}\n", "feature 'account.n' is new"),
        (FEATURES.replace("payments_1h", "paid_1h"), "feature 'account.paid_1h' is new"),
        (FEATURES.replace("features:", "  device: {key: device_id}\nfeatures:"),
         "its entities are account, device, those in force account"),
        (FEATURES.replace("trusted: bool", "trusted: bool, other: text"), None),
        (FEATURES + "  large: {derive: amount > 100}\n", None),
    ],
)  # fmt: skip
def test_what_needs_another_state_version_is_reported(features: str, difference: str | None) -> None:
    old, new = rules(ASKING).catalogue, rules(ASKING, features).catalogue
    assert catalogue_difference(old, new) == difference

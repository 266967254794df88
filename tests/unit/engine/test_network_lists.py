"""Lists of networks and of accounts: read by rules, until their entries end, and checked when an entry is made."""

from __future__ import annotations

import re

import msgspec
import pytest
from aiokafka import ConsumerRecord

from fraudstream.contracts import Alert, ListEntry, Payment
from fraudstream.contracts.headers import CONTROL_HEADER
from fraudstream.engine.alert_writer import decoded_alerts
from fraudstream.engine.engine import Engine
from fraudstream.engine.expression import ValueList
from fraudstream.engine.list_declarations import entry_value
from fraudstream.engine.log import read_log
from fraudstream.engine.rule_set import RuleSet, RuleSetErrors, compile_rule_set

FEATURES = """
version: 1
entities: {account: {key: account_id}}
features:
  account.last_country: {aggregate: last, of: country}
"""
LISTS = """
lists:
  bad_networks: {of: ip_network, kind: deny, description: known proxies}
  vip: {of: account_id, kind: allow, description: called before they are stopped}
  risky_countries: {of: country, kind: watch, description: watched}
"""
RULE = """
id: 0b6f6c1e-6a55-4c3b-9a0e-5d1f0f1d7a42
title: t
status: live
severity: high
when: WHEN
message: "{ip} {account_id}"
"""
NOON_MS = 1_772_625_600_000
Entries = dict[str, dict[str, int | None]]


def rules(when: str, lists: str = LISTS) -> RuleSet:
    files = {"features.yaml": FEATURES, "lists.yaml": lists, "test/asks.yaml": RULE.replace("WHEN", when)}
    return compile_rule_set(files)


def alerts(when: str, entries: Entries, **fields: str) -> list[Alert]:
    """Of one payment at noon. `entries`: by list, each value with its end."""
    engine = Engine(rules(when))
    state = engine.new_state()
    for name, values in entries.items():
        for value, until_ms in values.items():
            state.lists.put(name, value, until_ms)
    payment = Payment("e", NOON_MS, fields.pop("account_id", "a"), "1.00", "EUR", "debit", **fields)  # type: ignore[arg-type]
    return decoded_alerts(engine.judge([payment], state))


BAD: Entries = {"bad_networks": {"203.0.113.0/24": None, "2001:db8::/32": NOON_MS + 1_500}}


@pytest.mark.parametrize(
    ("ip", "threshold"),
    [
        ("203.0.113.7", "deny list"),
        ("::ffff:203.0.113.7", "deny list"),
        ("2001:db8::1", "deny list, until 2026-03-04T12:00:01.500Z"),
    ],
)
def test_an_address_in_a_listed_network_fires_and_says_until_when(ip: str, threshold: str) -> None:
    [alert] = alerts("ip in_network lists.bad_networks", BAD, ip=ip)
    [shown] = alert.rules[0].evidence
    assert (shown.left, shown.operator, shown.right) == ("ip", "in_network", "lists.bad_networks")
    assert (shown.value, shown.threshold) == (ip, threshold)


def test_other_addresses_expired_networks_and_texts_that_are_none_are_in_no_listed_network() -> None:
    asking, negated = "ip in_network lists.bad_networks", "ip not in_network lists.bad_networks"
    expired: Entries = {"bad_networks": {"203.0.113.0/24": NOON_MS}}
    assert alerts(asking, BAD, ip="203.0.114.1") == []
    assert alerts(asking, expired, ip="203.0.113.1") == []
    assert alerts(negated, expired, ip="203.0.113.1")
    assert alerts(negated, {}, ip="203.0.113.1")
    assert alerts(negated, {}, ip="no address") == []  # unknown
    assert alerts(negated, BAD) == []


def test_an_entry_taken_off_and_one_of_several_that_hold_an_address_count_as_they_should() -> None:
    engine = Engine(rules("ip in_network lists.bad_networks"))
    state = engine.new_state()
    payment = Payment("e", NOON_MS, "a", "1.00", "EUR", "debit", ip="10.1.2.3")
    state.lists.put("bad_networks", "10.0.0.0/8", NOON_MS)
    state.lists.put("bad_networks", "10.1.0.0/16", NOON_MS + 5)
    assert engine.judge([payment], state).fired.any()
    state.lists.remove("bad_networks", "10.1.0.0/16")
    other = msgspec.structs.replace(payment, event_id="e2")
    assert not engine.judge([other], state).fired.any()


def test_rules_may_name_the_account() -> None:
    vip: Entries = {"vip": {"acct-7": None}}
    [alert] = alerts("account_id in lists.vip", vip, account_id="acct-7")
    assert (alert.rules[0].evidence[0].value, alert.rules[0].message) == ("acct-7", "missing acct-7")
    assert alerts("account_id in lists.vip", vip, account_id="acct-8") == []
    assert alerts('starts_with(account_id, "acct-")', {}, account_id="acct-8")


def test_a_text_feature_is_looked_into_too() -> None:
    engine = Engine(rules('starts_with(lower(account.last_country), "d")'))
    state = engine.new_state()
    fields = [("e1", "DE"), ("e2", "FR"), ("e3", None), ("e4", "DK"), ("e5", None)]
    payments = [Payment(e, NOON_MS + i, "a", "1.00", "EUR", "debit", country=c) for i, (e, c) in enumerate(fields)]
    assert engine.judge(payments, state).fired[:, 0].tolist() == [False, True, False, False, True]


@pytest.mark.parametrize(
    ("when", "sentence"),
    [
        ("ip in lists.bad_networks",
         "lists.bad_networks holds networks: write 'ip in_network lists.bad_networks'."),
        ("device_id not in_network lists.bad_networks",
         "lists.bad_networks holds networks: write 'ip not in_network lists.bad_networks'."),
        ("account_id in_network lists.vip",
         "lists.vip holds values of account_id: write 'account_id in lists.vip'."),
        ("lower(account_id) in lists.vip",
         "lists.vip holds values of account_id: write 'account_id in lists.vip'."),
    ],
)  # fmt: skip
def test_a_list_asked_in_the_wrong_way_is_reported(when: str, sentence: str) -> None:
    with pytest.raises(RuleSetErrors) as caught:
        rules(when)
    assert caught.value.faults[0].sentence == sentence


@pytest.mark.parametrize(
    ("of", "value", "kept"),
    [
        ("ip_network", "10.0.0.0/8", "10.0.0.0/8"),
        ("ip_network", "203.0.113.7", "203.0.113.7/32"),
        ("ip_network", "2001:DB8::/32", "2001:db8::/32"),
        ("country", "DE", "DE"),
        ("device_id", "dev-8", "dev-8"),
    ],
)
def test_an_entry_is_kept_in_its_one_form(of: str, value: str, kept: str) -> None:
    assert entry_value(ValueList(of, "deny", ""), value) == kept


@pytest.mark.parametrize(
    ("of", "value", "sentence"),
    [
        ("ip_network", "10.1.2.3/8", "'10.1.2.3/8' has bits set beyond its prefix: write '10.0.0.0/8', or"),
        ("ip_network", "proxy", "'proxy' is not a network in CIDR form"),
        ("ip", "10.0.0.0/8", "For networks declare the list with 'of: ip_network'."),
        ("country", "DEU", "country must have at most 2 characters"),
        ("mcc", "541", "mcc must have at least 4 characters"),
        ("counterparty_bank", "b" * 36, "counterparty_bank must have at most 35 characters"),
    ],
)
def test_an_entry_that_no_payment_has_is_refused(of: str, value: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)):
        entry_value(ValueList(of, "deny", ""), value)


def test_such_an_entry_in_the_log_is_refused_and_says_why() -> None:
    engine = Engine(rules("ip in_network lists.bad_networks"))
    state = engine.new_state()
    entries = [
        ListEntry("bad_networks", "10.1.2.3/8", "me", 0),
        ListEntry("risky_countries", "DEU", "me", 0),
        ListEntry("of_later_rules", "anything", "me", 0),
        ListEntry("bad_networks", "10.1.2.3/8", "me", 0, removed=True),  # a removal is always valid
        ListEntry("bad_networks", "10.0.0.0/8", "me", 0),
    ]
    records = [
        ConsumerRecord("payments", 0, i, 0, 0, None, value, None, 0, len(value), (CONTROL_HEADER,))
        for i, value in enumerate(map(msgspec.json.encode, entries))
    ]
    refused = [
        (rejection.position, rejection.reason, rejection.path, rejection.sentence)
        for span in read_log({engine.rule_set.digest: engine}, state, records)
        for rejection in span.result.refused
    ]
    assert [(position, reason, path) for position, reason, path, _ in refused] == [
        (0, "control", "$.value"),
        (1, "control", "$.value"),
    ]
    assert refused[0][3].startswith("Not an entry of the list 'bad_networks': '10.1.2.3/8' has bits set beyond")
    assert {name for name, _ in state.lists.entries()} == {"bad_networks", "of_later_rules"}

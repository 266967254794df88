"""`last`: comparable with the payment's own field, shown as text, and missing where there is nothing to show."""

from __future__ import annotations

import msgspec

from fraudstream.contracts.alert import Alert
from fraudstream.contracts.payment import Payment
from fraudstream.engine.aggregates.code_tables import codes_of, digests_of_codes, text_of_code
from fraudstream.engine.alert_writer import decoded_alerts
from fraudstream.engine.digest import PUBLIC_KEY, digest_column
from fraudstream.engine.engine import Engine
from fraudstream.engine.kernel_types import AT_LEAST, EXACT
from fraudstream.engine.partition_state import PartitionState
from fraudstream.engine.rule_set import compile_rule_set

START_MS = 1_750_000_000_000
FEATURES = """
version: 1
entities:
  account: {key: account_id, slots: 4}
features:
  account.last_country: {aggregate: last, of: country}
  account.last_pos_mcc: {aggregate: last, of: mcc, where: channel == "pos"}
"""
RULE = """
id: 0b6f6c1e-6a55-4c3b-9a0e-5d1f0f1d7a42
title: Test
status: live
severity: high
when: %s
message: "{country} after {account.last_country}"
"""


def engine(when: str = "country != account.last_country") -> Engine:
    return Engine(compile_rule_set({"features.yaml": FEATURES, "test/moved.yaml": RULE % when}))


def pay(n: int, country: str | None = None, **fields: str) -> Payment:
    payment = Payment(f"e{n}", START_MS + 1000 * n, "a", "1.00", "EUR", "debit", country=country)
    return msgspec.structs.replace(payment, **fields)


def alerts(judge: Engine, log: list[Payment], state: PartitionState | None = None) -> list[Alert]:
    return decoded_alerts(judge.judge(log, state or judge.new_state()))


def alerted(judge: Engine, log: list[Payment]) -> list[str]:
    return [alert.event_id for alert in alerts(judge, log)]


def test_a_rule_compares_a_field_with_its_last_value() -> None:
    log = [pay(0, "DE"), pay(1, "DE"), pay(2, "FR"), pay(3), pay(4, "FR"), pay(5, "DE")]
    assert alerted(engine(), log) == ["e2", "e5"]  # e3 has no country: unknown, and the last one stays that of e2


def test_a_rule_compares_the_last_value_with_a_word() -> None:
    log = [pay(0, "DE"), pay(1, "FR"), pay(2, "AU")]
    assert alerted(engine('account.last_country == "DE"'), log) == ["e1"]
    assert alerted(engine('account.last_country in ("DE", "FR")'), log) == ["e1", "e2"]
    assert alerted(engine("account.last_country is missing"), log) == ["e0"]


def test_an_alert_shows_the_last_value_as_text() -> None:
    [alert] = alerts(engine(), [pay(0, "DE"), pay(1, "FR")])
    [hit] = alert.rules
    assert hit.message == "FR after DE"
    assert [(proof.value, proof.threshold) for proof in hit.evidence] == [("FR", "DE")]
    assert [(value.feature, value.value) for value in alert.features] == [("account.last_country", "DE")]


def test_a_missing_last_value_is_shown_as_missing() -> None:
    [alert] = alerts(engine("account.last_country is missing"), [pay(0, "DE")])
    assert alert.rules[0].message == "DE after missing"
    assert [value.value for value in alert.features] == ["missing"]


def test_only_payments_that_pass_the_filter_give_the_last_value() -> None:
    log = [pay(0, "DE", channel="pos", mcc="5411"), pay(1, "DE", channel="app", mcc="5732"), pay(2, "DE", mcc="5999")]
    assert alerted(engine("mcc != account.last_pos_mcc"), log) == ["e1", "e2"]


def test_the_last_value_is_restored_with_the_state() -> None:
    judge = engine()
    state, restored = judge.new_state(), judge.new_state()
    alerts(judge, [pay(0, "DE")], state)
    restored.restore(state.changes())
    assert [alert.rules[0].message for alert in alerts(judge, [pay(1, "FR")], restored)] == ["FR after DE"]


def test_a_last_value_that_may_have_left_the_ring_is_marked() -> None:
    judge = engine()
    verdicts = judge.judge([pay(0, "DE"), *(pay(n) for n in range(1, 6))], judge.new_state())
    assert verdicts.errors["account.last_country"].tolist() == [EXACT] * 5 + [AT_LEAST]


def test_a_text_that_is_no_standard_one_has_a_code_without_a_text() -> None:
    assert text_of_code(float(codes_of(digest_column(["Ü1"], PUBLIC_KEY))[0]), PUBLIC_KEY) is None


def test_every_standard_text_is_found_by_its_code() -> None:
    texts = ["DE", "de", "Z9", "0000", "9999", "EUR", "JPY", "app", "debit", "loan_drawdown"]
    digests = digest_column(texts, PUBLIC_KEY)
    codes = codes_of(digests).astype(float)
    assert [text_of_code(code, PUBLIC_KEY) for code in codes.tolist()] == texts
    assert digests_of_codes(codes, PUBLIC_KEY).tolist() == digests.tolist()
    assert text_of_code(float("nan"), PUBLIC_KEY) is None

"""The contract check of structs: a payment of a file or a program gets the refusal of the same JSON on a topic.

Method: each payment is judged both ways, by `contract_faults` and by the engine's log path on its JSON, with the
key and time of publication of a sound publisher. Limits: JSON that no struct can hold (missing fields) exists
on topics only.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraudstream.contracts.country import COUNTRIES
from fraudstream.contracts.fields import Kind
from fraudstream.contracts.payment import Payment
from fraudstream.engine.apply import apply
from fraudstream.engine.columns import Rejection
from fraudstream.engine.contract_check import contract_faults, value_fault
from fraudstream.engine.engine import Engine
from fraudstream.engine.expression import Type
from fraudstream.engine.rule_set import compile_rule_set
from tests.property.profile import EXAMPLES

NOON = 1_772_625_600_000
GOOD = Payment("e-1", NOON, "acc-1", "12.50", "EUR", "debit", country="DE", mcc="5411")
CONTROL = "An identifier holds a control character, such as a line break: leave it out."
YEARS = "occurred_at lies outside the years 1970 to 2199."
SECONDS = "occurred_at looks like seconds since the epoch; give milliseconds, or a date and time with its zone."
FEATURES = """
version: 1
entities:
  account: {key: account_id, slots: 16}
attributes:
  risk: number
features: {}
"""
ENGINE = Engine(compile_rule_set({"features.yaml": FEATURES, "score.yaml": "threshold: 0.9\nparts: []\n"}))

REFUSED: list[tuple[dict[str, Any], str, str, str]] = [
    ({"event_id": "e\t1"}, "invalid", CONTROL, "$.event_id"),
    ({"account_id": "a\0"}, "invalid", CONTROL, "$.account_id"),
    ({"device_id": "d\x7f"}, "invalid", CONTROL, "$.device_id"),
    ({"ip": "1.1.1.1\x85"}, "invalid", CONTROL, "$.ip"),
    ({"event_id": ""}, "invalid", "event_id must have at least 1 characters.", "$.event_id"),
    ({"account_id": "x" * 129}, "invalid", "account_id must have at most 128 characters.", "$.account_id"),
    ({"counterparty_bank": "x" * 36}, "invalid", "counterparty_bank must have at most 35 characters.", ""),
    (
        {"country": "de"},
        "invalid",
        "country 'de' is not a country of ISO 3166-1 alpha-2: write 'DE'.",
        "$.country",
    ),
    (
        {"country": "ZZ"},
        "invalid",
        "country 'ZZ' is not a country of ISO 3166-1 alpha-2: leave the field out where the country is unknown.",
        "$.country",
    ),
    (
        {"country": "DEU"},
        "invalid",
        "country must have at most 2 characters: it is a code of ISO 3166-1 alpha-2, such as DE.",
        "$.country",
    ),
    (
        {"country": ""},
        "invalid",
        "country must have at least 2 characters: it is a code of ISO 3166-1 alpha-2, such as DE.",
        "$.country",
    ),
    (
        {"mcc": "54"},
        "invalid",
        "mcc must have at least 4 characters: it is four digits with leading zeros, such as 0742.",
        "$.mcc",
    ),
    (
        {"mcc": "54.1"},
        "invalid",
        "mcc '54.1' is not a merchant category code of ISO 18245: it has four digits.",
        "$.mcc",
    ),
    (
        {"mcc": "٥٤١١"},
        "invalid",
        "mcc '٥٤١١' is not a merchant category code of ISO 18245: it has four digits.",
        "$.mcc",
    ),
    ({"currency": "eur"}, "currency", "'eur' is not a currency of ISO 4217.", "$.currency"),
    (
        {"currency": "EURO"},
        "invalid",
        "currency must have at most 3 characters: it is a code of ISO 4217, such as EUR.",
        "$.currency",
    ),
    ({"direction": "out"}, "invalid", "direction can't be 'out'. Choose from: debit, credit.", "$.direction"),
    ({"amount": 12.5}, "invalid", "amount must be text, not a number: put it in quotes.", "$.amount"),
    ({"amount": None}, "invalid", "amount must be text, not null.", "$.amount"),
    ({"lat": 91.0}, "invalid", "lat must be at most 90.", "$.lat"),
    ({"occurred_at": NOON // 1000}, "occurred_at", SECONDS, "$.occurred_at"),
    ({"occurred_at": NOON * 1000}, "occurred_at", YEARS, "$.occurred_at"),
    ({"occurred_at": -1}, "occurred_at", YEARS, "$.occurred_at"),
    ({"occurred_at": 10**30}, "occurred_at", YEARS, "$.occurred_at"),
    ({"occurred_at": datetime(1969, 12, 31, tzinfo=UTC)}, "occurred_at", YEARS, "$.occurred_at"),
    ({"occurred_at": datetime(2200, 1, 1, tzinfo=UTC)}, "occurred_at", YEARS, "$.occurred_at"),
    (
        {"attributes": {"risk": "high"}},
        "invalid",
        "attribute 'risk' must be a plain number, as the catalogue declares it.",
        "$.attributes.risk",
    ),
]


class Published(msgspec.Struct):
    """A valid payment, as a publisher encodes it."""

    key: bytes
    value: bytes
    timestamp: int = NOON
    headers: tuple[tuple[str, bytes], ...] = ()
    offset: int = 0


def with_(changes: dict[str, Any]) -> Payment:
    return msgspec.structs.replace(GOOD, **changes)


def from_file(*payments: Payment) -> list[Rejection]:
    return contract_faults(payments, {"risk": Type.NUMBER})


def from_topic(*payments: Payment) -> list[Rejection]:
    records = [Published(p.account_id.encode(), msgspec.json.encode(p)) for p in payments]
    return apply(ENGINE, ENGINE.new_state(), records).refused


@pytest.mark.parametrize(("changes", "reason", "sentence", "path"), REFUSED)
def test_a_payment_of_a_file_is_refused_with_its_reason(
    changes: dict[str, Any], reason: str, sentence: str, path: str
) -> None:
    [found] = from_file(GOOD, with_(changes))
    assert found == (1, reason, sentence, path or f"$.{next(iter(changes))}")


@pytest.mark.parametrize("changes", [row[0] for row in REFUSED if row[0] != {"occurred_at": 10**30}])
def test_a_file_and_a_topic_refuse_alike(changes: dict[str, Any]) -> None:
    assert from_file(GOOD, with_(changes), GOOD) == from_topic(GOOD, with_(changes), GOOD) != []


@pytest.mark.parametrize(
    "changes",
    [
        {"country": "XK"},
        {"country": None},
        {"mcc": "0000"},
        {"occurred_at": 0},
        {"occurred_at": datetime(1971, 1, 1, tzinfo=UTC)},
        {"occurred_at": datetime(2026, 3, 4, 12, tzinfo=UTC) - timedelta(milliseconds=1)},
        {"attributes": {"memo": "two\nlines", "other": "\x9b"}},
        {"account_id": " a1 "},
    ],
)
def test_what_a_topic_takes_a_file_may_hold(changes: dict[str, Any]) -> None:
    assert from_file(with_(changes)) == from_topic(with_(changes)) == []


@pytest.mark.parametrize("country", sorted(COUNTRIES))
def test_every_country_is_taken(country: str) -> None:
    assert from_file(with_({"country": country})) == []


SOME_TEXT = st.text(max_size=5) | st.sampled_from(["DE", "de", "UK", "5411", "54", "EUR", "app", "a\nb"])


@EXAMPLES
@given(
    st.lists(
        st.dictionaries(st.sampled_from(["country", "mcc", "currency", "device_id", "kind", "amount"]), SOME_TEXT),
        max_size=4,
    )
)
def test_any_texts_are_refused_alike(changes: list[dict[str, str]]) -> None:
    payments = [with_(change) for change in changes]
    assert from_file(*payments) == from_topic(*payments)


def test_half_of_a_surrogate_pair_is_refused_and_not_raised() -> None:
    faults = from_file(GOOD, with_({"device_id": "\ud800"}), GOOD)
    assert [(fault.position, fault.reason) for fault in faults] == [(1, "not_json")]


def test_no_payments_have_no_faults() -> None:
    assert contract_faults([]) == []


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("country", "DE", None),
        ("country", "DEU", "country must have at most 2 characters: it is a code of ISO 3166-1 alpha-2, such as DE."),
        ("country", "de", "country 'de' is not a country of ISO 3166-1 alpha-2: write 'DE'."),
        ("mcc", "541", "mcc must have at least 4 characters: it is four digits with leading zeros, such as 0742."),
        ("currency", "EUR", None),
        ("currency", "EUX", "'EUX' is not a currency of ISO 4217."),
        ("channel", "fax", "channel can't be 'fax'. Choose from: app, web, branch, atm, pos, phone, partner."),
        ("account_id", "a\n", CONTROL),
        ("account_id", "a1", None),
    ],
)
def test_a_value_that_no_payment_can_have_is_told(field: str, value: str, sentence: str | None) -> None:
    assert value_fault(field, value) == sentence


@pytest.mark.parametrize("kind", get_args(Kind))
def test_a_payment_can_have_every_kind(kind: str) -> None:
    assert value_fault("kind", kind) is None

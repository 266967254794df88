"""Keys of several parts: equal only for payments that agree in every part, none where a part is missing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import json, structs

from fraudstream.contracts.label import Label
from fraudstream.contracts.payment import Payment
from fraudstream.engine.apply import apply
from fraudstream.engine.catalogue_reading import parse_catalogue
from fraudstream.engine.column_reading import read_columns
from fraudstream.engine.digest import PUBLIC_KEY
from fraudstream.engine.document import DocumentErrors
from fraudstream.engine.engine import Engine
from fraudstream.engine.entity_key import keys_of, keys_of_labels
from fraudstream.engine.expression import PAYMENT_FIELDS
from fraudstream.engine.frame import FrameLayout
from fraudstream.engine.frame_columns import FrameIndex
from fraudstream.engine.frame_rows import frame_of
from fraudstream.engine.records import Record
from fraudstream.engine.rule_set import compile_rule_set
from tests.property.payment_logs import BEGIN_MS

_TEXTS = ("account_id", "currency", "channel", "mcc", "merchant_id", "device_id")
_LAYOUT = FrameLayout(("hour", "weekday", "card_present"), ("event_id",), ("event_id", *_TEXTS))
_INDEX = FrameIndex(_LAYOUT, PAYMENT_FIELDS, {}, PUBLIC_KEY)

_payments = st.builds(
    Payment,
    event_id=st.just("e"),
    occurred_at=st.integers(BEGIN_MS, BEGIN_MS + 8 * 86_400_000),
    account_id=st.sampled_from(("a", "ä", "a" * 128)),
    amount=st.sampled_from(("0", "0.01", "0.02", "0.03", "1.27", "1.28", "123456789.99")),
    currency=st.sampled_from(("EUR", "USD")),
    direction=st.just("debit"),
    channel=st.sampled_from((None, "app", "pos")),
    mcc=st.sampled_from((None, "5411", "0001")),
    merchant_id=st.sampled_from((None, "m", "m-2", "5411")),
    device_id=st.sampled_from((None, "d", "€" * 128)),
    card_present=st.sampled_from((None, True, False)),
)
_parts = st.sampled_from((*_TEXTS, "hour", "weekday", "card_present", "amount_band"))
_optional = st.tuples(_parts, st.sampled_from(("", "", "?")))
_keys = st.tuples(
    _parts, st.lists(_optional.map("".join), max_size=5, unique_by=lambda part: part.removesuffix("?"))
).map(lambda drawn: (drawn[0], *(part for part in drawn[1] if part.removesuffix("?") != drawn[0])))


def slow_key(payment: Payment, key: tuple[str, ...], instead: str | None) -> bytes:
    minor = round(float(payment.amount) * 100)
    assert isinstance(payment.occurred_at, int)
    days = payment.occurred_at // 86_400_000
    numbers = {
        "hour": payment.occurred_at // 3_600_000 % 24,
        "weekday": (days + 3) % 7,
        "amount_band": max(minor.bit_length() - 1, 0),
        "card_present": None if payment.card_present is None else int(payment.card_present),
    }
    names = [part.removesuffix("?") for part in key]
    parts = [numbers[name] if name in numbers else getattr(payment, name) for name in names]
    parts = ["" if value is None and part.endswith("?") else value for part, value in zip(key, parts, strict=True)]
    if None in parts:
        return b"" if instead is None else str(getattr(payment, instead)).encode()
    return "\x1f".join(map(str, parts)).encode()


@given(st.lists(_payments, max_size=6), _keys, st.sampled_from((None, "account_id")))
def test_a_key_is_its_parts_in_order(payments: list[Payment], key: tuple[str, ...], instead: str | None) -> None:
    columns, _, rejected = read_columns(payments, None, 0, {}, PUBLIC_KEY)
    assert not rejected
    found = keys_of(frame_of(_INDEX, columns), key, instead)
    assert found.present() == [slow_key(payment, key, instead) for payment in payments]


def test_a_label_names_a_key_of_which_it_has_every_part() -> None:
    labels = [Label("e", "a", "fraud", 1, merchant_id="m", channel="app"), Label("f", "a", "fraud", 1, channel="pos")]
    keys = (("merchant_id",), ("channel", "merchant_id"), ("channel", "device_id"), ("channel", "hour"))
    found = [keys_of_labels(labels, key).present() for key in keys]
    assert found == [[b"m", b""], [b"app\x1fm", b""], [b"", b""], [b"", b""]]


CATALOGUE = """
version: 1
attributes: {category: text, risk_class: number}
entities:
  account: {key: account_id}
  group: {key: [mcc, hour, card_present, channel], optional: [channel]}
  band: {key: [amount_band]}
  category: {key: attributes.category}
  category_of_mcc: {key: [attributes.category, mcc], optional: [mcc]}
features:
  category.payments_1d: {aggregate: count, window: 1d}
  category_of_mcc.payments_1d: {aggregate: count, window: 1d}
  group.payments_1d: {aggregate: count, window: 1d}
  band.payments_1d: {aggregate: count, window: 1d}
"""
PAYMENT = Payment("e-0", BEGIN_MS, "a", "10.00", "EUR", "debit", mcc="5411", card_present=True)


@pytest.mark.parametrize("plain", [True, False])
def test_records_that_are_scanned_and_decoded_share_their_groups(plain: bool) -> None:
    """A record with an escape is not plain: it is decoded, and its columns are copied into the frame."""
    rows = [("10.00", "5411", "é"), ("9.00", "5411", "é"), ("5.00", "5411", "toys"), ("5.00", None, "é")]
    payments = [
        structs.replace(
            PAYMENT, event_id=f"e-{n}", account_id=f"a-{n}", amount=amount, mcc=mcc, attributes={"category": category}
        )
        for n, (amount, mcc, category) in enumerate(rows)
    ]
    values = [json.encode(payment) for payment in payments]
    if not plain:
        values[1] = values[1].replace(b'"mcc"', b'"\\u006dcc"')
    engine = Engine(compile_rule_set({"features.yaml": CATALOGUE}))
    records = [
        Record(offset, BEGIN_MS, payment.account_id.encode(), value, [])
        for offset, (payment, value) in enumerate(zip(payments, values, strict=True))
    ]
    features = apply(engine, engine.new_state(), records).verdicts.features
    assert features["group.payments_1d"].tolist()[:3] == [1.0, 2.0, 3.0]
    assert features["group.payments_1d"][3] != features["group.payments_1d"][3]  # no mcc: no such entity
    assert features["band.payments_1d"].tolist() == [1.0, 2.0, 1.0, 2.0]  # 1000 and 900, 500 and 500
    assert features["category.payments_1d"].tolist() == [1.0, 2.0, 1.0, 3.0]
    assert features["category_of_mcc.payments_1d"].tolist() == [1.0, 2.0, 1.0, 1.0]


def test_an_attribute_that_is_missing_or_holds_a_separator_is_no_key() -> None:
    engine = Engine(compile_rule_set({"features.yaml": CATALOGUE}))
    values = [None, {}, {"category": ""}, {"category": "a\x1fb"}, {"category": "a\0b"}, {"category": "a"}]
    payments = [
        structs.replace(PAYMENT, event_id=f"e-{n}", attributes=attributes) for n, attributes in enumerate(values)
    ]
    counts = engine.judge(payments, engine.new_state()).features["category.payments_1d"]
    assert [count == count for count in counts.tolist()] == [False] * 5 + [True]


def test_only_a_declared_text_attribute_is_a_part_of_a_key() -> None:
    for part in ("attributes.risk_class", "attributes.unknown"):
        with pytest.raises(DocumentErrors, match=r"attributes\.category"):
            parse_catalogue(CATALOGUE.replace("{key: attributes.category}", f"{{key: {part}}}"))


def test_rows_of_attributes_are_saved_and_restored() -> None:
    engine = Engine(compile_rule_set({"features.yaml": CATALOGUE}))
    state, restored = engine.new_state(), engine.new_state()
    engine.judge([structs.replace(PAYMENT, attributes={"category": "é"})], state)
    restored.restore(state.changes())
    payment = structs.replace(PAYMENT, event_id="e-1", attributes={"category": "é"})
    assert engine.judge([payment], restored).features["category.payments_1d"].tolist() == [2.0]

"""Bytes to events: each record becomes an event or a rejection at its own position, never at its neighbour's.

The trap is the one call for a whole list: records that only together are JSON, or that hold more than one object, must
not pass there. So every list is held equal to its records one by one.
"""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraudstream.contracts.label import Label
from fraudstream.contracts.payment import Payment
from fraudstream.engine.columns import Rejection
from fraudstream.engine.decode import VALUE_BYTES_MAX, decode
from tests.property.profile import EXAMPLES

FIELDS: dict[str, Any] = {
    "event_id": "e-1",
    "occurred_at": 1_750_000_000_000,
    "account_id": "acc-1",
    "amount": "12.50",
    "currency": "EUR",
    "direction": "debit",
}


def record(**changes: Any) -> bytes:
    return msgspec.json.encode({**FIELDS, **changes})


def raw(field: str, value: bytes) -> bytes:
    """A record with the bytes of one field as they are given."""
    return record()[:-1] + b',"' + field.encode() + b'":' + value + b"}"


OK = record()
OPEN, CLOSE = raw("note", b"[{}")[:-1], b"{}]}"  # JSON only together, and with a comma between
LABEL = msgspec.json.encode({"event_id": "e-1", "account_id": "acc-1", "label": "fraud", "labelled_at": 1})

REJECTED: dict[str, tuple[bytes | None, str]] = {
    "no value": (None, "not_json"),
    "empty": (b"", "not_json"),
    "blank": (b"  \n", "not_json"),
    "two objects": (OK + OK, "not_json"),
    "two objects, two lines": (OK + b"\n" + OK, "not_json"),
    "first half": (OK[:40], "not_json"),
    "second half": (OK[40:], "not_json"),
    "opens a list": (OPEN, "not_json"),
    "closes a list": (CLOSE, "invalid"),
    "opens a text": (OK[:-1] + b',"note":"}', "not_json"),
    "closes a text": (b'{"}', "not_json"),
    "NUL before": (b"\0" + OK, "not_json"),
    "NUL within": (OK.replace(b"acc-1", b"a\0c"), "not_json"),
    "NUL behind": (OK + b"\0", "not_json"),
    "NUL escaped": (record(account_id="a\0"), "invalid"),
    "line break escaped": (record(account_id="a}\n{b"), "invalid"),
    "line break in a text": (OK.replace(b"acc-1", b"}\n{"), "not_json"),
    "byte order mark": (b"\xef\xbb\xbf" + OK, "not_json"),
    "UTF-16": (OK.decode().encode("utf-16"), "not_json"),
    "bad UTF-8": (OK.replace(b"acc-1", b"\xff\xfe"), "not_json"),
    "overlong UTF-8": (OK.replace(b"acc-1", b"\xc0\x80"), "not_json"),
    "surrogate in UTF-8": (OK.replace(b"acc-1", b"\xed\xa0\x80"), "not_json"),
    "surrogate escaped": (OK.replace(b"acc-1", b"\\ud800"), "not_json"),
    "10 MB": (raw("note", b'"' + b"x" * 10_000_000 + b'"'), "too_large"),
    "deep lists": (raw("note", b"[" * 200_000 + b"]" * 200_000), "not_json"),
    "deep objects": (b'{"a":' * 100_000, "not_json"),
    "deep attributes": (raw("attributes", b'{"a":' * 1_000 + b"1" + b"}" * 1_000), "invalid"),
    "NaN": (raw("lat", b"NaN"), "not_json"),
    "Infinity": (raw("lat", b"-Infinity"), "not_json"),
    "number out of range": (raw("lat", b"1e999"), "invalid"),
    "endless number": (raw("attributes", b'{"n":' + b"9" * 5_000 + b"}"), "invalid"),
    "null": (b"null", "invalid"),
    "list": (b"[]", "invalid"),
    "number": (b"1", "invalid"),
    "text": (b'"{}"', "invalid"),
    "empty object": (b"{}", "invalid"),
    "trailing comma": (OK[:-1] + b",}", "not_json"),
    "comment": (OK + b"//", "not_json"),
    "amount as a number": (record(amount=12.5), "invalid"),
    "amount missing": (record(amount=None), "invalid"),
    "time as a fraction": (record(occurred_at=1.5), "invalid"),
    "time without zone": (record(occurred_at="2026-01-01T00:00:00"), "invalid"),
    "time in year 0": (record(occurred_at="0000-01-01T00:00:00Z"), "invalid"),
    "time as true": (record(occurred_at=True), "invalid"),
    "event_id empty": (record(event_id=""), "invalid"),
    "event_id too long": (record(event_id="x" * 129), "invalid"),
    "direction unknown": (record(direction="sideways"), "invalid"),
    "latitude out of range": (record(lat=90.1), "invalid"),
    "attribute nested": (record(attributes={"a": {}}), "invalid"),
    "attributes too many": (record(attributes={f"a{n}": n for n in range(65)}), "invalid"),
}

TAKEN: dict[str, bytes] = {
    "plain": OK,
    "another": record(event_id="e-2"),
    "space around": b" \r\n" + OK + b"\n ",
    "over several lines": msgspec.json.format(OK, indent=2),
    "objects in a line": raw("note", b"{}\n"),
    "unknown fields": record(zzz=[{}, {"a": None}]),
    "braces in a text": record(device_id="}{"),
    "escapes": record(device_id='"\\/\u00e9'),
    "line break in an attribute": record(attributes={"memo": "}\n{"}),
    "time in words": record(occurred_at="2026-01-01T00:00:00.123456789+02:00"),
    "time in year 1": record(occurred_at="0001-01-01T00:00:00+14:00"),
    "time in year 9999": record(occurred_at="9999-12-31T23:59:59.999999-14:00"),
    "time far away": record(occurred_at=10**18),
    "key twice": b'{"event_id":"e-0",' + OK[1:],
    "other script": record(account_id="счёт-١٢"),
    "long": raw("note", b'"' + b"x" * 100_000 + b'"'),
}

EVERY: dict[str, bytes | None] = {**TAKEN, **{name: value for name, (value, _) in REJECTED.items()}}
SMALL = [name for name, value in EVERY.items() if value is None or len(value) < 10_000]


@pytest.mark.parametrize("name", REJECTED)
def test_what_is_no_payment_is_rejected_with_its_reason(name: str) -> None:
    value, reason = REJECTED[name]
    (event,) = decode([value])
    assert isinstance(event, Rejection)
    assert (event.position, event.reason) == (0, reason)
    assert event.path.startswith("$")
    assert event.sentence.endswith(".")
    assert len(event.sentence) < 300


@pytest.mark.parametrize("name", TAKEN)
def test_what_is_a_payment_is_taken(name: str) -> None:
    (event,) = decode([TAKEN[name]])
    assert isinstance(event, Payment)


@pytest.mark.parametrize("name", EVERY)
def test_a_record_between_two_good_ones_spoils_neither(name: str) -> None:
    first, middle, last = decode([OK, EVERY[name], TAKEN["another"]])
    assert (first, last) == (decode([OK])[0], decode([TAKEN["another"]])[0])
    assert middle == _at(1, decode([EVERY[name]])[0])


@EXAMPLES
@given(names=st.lists(st.sampled_from(SMALL), max_size=6))
def test_a_list_is_decoded_as_its_records_one_by_one(names: list[str]) -> None:
    values = [EVERY[name] for name in names]
    assert decode(values) == [_at(position, decode([value])[0]) for position, value in enumerate(values)]


@EXAMPLES
@given(
    pieces=st.lists(
        st.sampled_from([b"{", b"}", b"\n", b"[", b"]", b'"', b",", OK, OK[:-1], OK[1:], b"}\n{"]), max_size=5
    )
)
def test_pieces_of_json_never_mend_each_other(pieces: list[bytes]) -> None:
    values = [OK, *pieces, OK]
    found = decode(values)
    assert found == [_at(position, decode([value])[0]) for position, value in enumerate(values)]


def test_two_records_that_are_json_only_together_are_both_rejected() -> None:
    for first, second in (
        (OPEN + b",", CLOSE),
        (OPEN, CLOSE),
        (REJECTED["opens a text"][0], REJECTED["closes a text"][0]),
    ):
        found = decode([OK, first, second, OK])
        assert [type(event) for event in found] == [Payment, Rejection, Rejection, Payment]


def test_a_record_with_two_objects_does_not_stand_for_its_empty_neighbour() -> None:
    found = decode([OK, OK + b"\n" + OK, b"", OK])
    assert [type(event) for event in found] == [Payment, Rejection, Rejection, Payment]


def test_labels_and_payments_are_distinguished_by_the_header() -> None:
    payment, label, no_label, no_payment = decode([OK, LABEL, OK, LABEL], [False, True, True, False])
    assert isinstance(payment, Payment)
    assert isinstance(label, Label)
    assert no_label == Rejection(2, "invalid", "The field 'label' is missing: every label has it.", "$")
    assert no_payment == Rejection(3, "invalid", "The field 'occurred_at' is missing: every payment has it.", "$")


def test_a_rejection_says_what_was_due_what_came_and_where() -> None:
    assert decode([record(lat=91)]) == [Rejection(0, "invalid", "lat must be at most 90.", "$.lat")]
    assert decode([record(amount=1)]) == [
        Rejection(0, "invalid", "amount must be text, not a whole number: put it in quotes.", "$.amount")
    ]
    assert decode([record(account_id="a\tb")]) == [
        Rejection(
            0, "invalid", "An identifier holds a control character, such as a line break: leave it out.", "$.account_id"
        )
    ]
    assert decode([None]) == [Rejection(0, "not_json", "The record has no value; a payment is a JSON object.", "$")]


@pytest.mark.parametrize(("size", "taken"), [(VALUE_BYTES_MAX, True), (VALUE_BYTES_MAX + 1, False)])
def test_a_record_may_have_so_many_bytes_and_no_more(size: int, taken: bool) -> None:
    bare = len(raw("note", b'""'))
    value = raw("note", b'"' + b"x" * (size - bare) + b'"')
    assert len(value) == size
    for values in ([value], [OK, value], [value, OK]):
        event = decode(values)[values.index(value)]
        if taken:
            assert isinstance(event, Payment)
        else:
            assert isinstance(event, Rejection)
            assert event.reason == "too_large"
            assert event.sentence == f"The record has {size} bytes; a payment has at most {VALUE_BYTES_MAX}."


def test_no_records_are_no_events() -> None:
    assert decode([]) == []
    assert decode([], []) == []


def _at(position: int, event: Payment | Label | Rejection) -> Payment | Label | Rejection:
    return event._replace(position=position) if isinstance(event, Rejection) else event

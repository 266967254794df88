"""What can be read from records that are not payments: the right id, or none."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraudstream.engine.partial_event import PartialEvent, read_partially
from tests.property.profile import EXAMPLES

NOTHING = PartialEvent()
E1 = b'{"event_id":"e1","account_id":"a","amount":1}'


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (E1, PartialEvent("e1", "a")),
        (b'{"event_id":17,"account_id":"a"}', PartialEvent("17", "a")),
        (b'{"event_id":true,"account_id":[]}', NOTHING),
        (b'{"event_id":1.5,"account_id":{}}', NOTHING),
        (b'{"event_id":"","account_id":"a\\n"}', NOTHING),
        (b'{"event_id":"%s","account_id":"a"}' % (b"x" * 129), PartialEvent(None, "a")),
        (b'{"event_id":"e1","data":{"event_id":"e2"}}', PartialEvent("e1")),
        # Wrapped, truncated, with bytes before, or as JSON text in a JSON string.
        (b'{"payload":{"after":' + E1 + b"}}", PartialEvent("e1", "a")),
        (b'{"before":' + E1 + b',"after":' + E1 + b"}", PartialEvent("e1", "a")),
        (E1[:-4], PartialEvent("e1", "a")),
        (b"\0\0\0\0\x05" + E1, PartialEvent("e1", "a")),
        (b"\xef\xbb\xbf" + E1, PartialEvent("e1", "a")),
        (json.dumps(E1.decode()).encode(), PartialEvent("e1", "a")),
        (b'{"event_id" : "e\\u0031", "acc', PartialEvent("e1")),
        # Several payments: an answer to one of them would be no answer to the others.
        (b"[" + E1 + b"," + E1.replace(b"e1", b"e2") + b"]", PartialEvent(None, "a")),
        (E1 + b"\n" + E1.replace(b"e1", b"e2"), PartialEvent(None, "a")),
        (b'{"x":{"event_id":1.5}}', NOTHING),
        (b'{"x":{"event_id":"e1', NOTHING),
        (b"", NOTHING),
        (None, NOTHING),
        (b"null", NOTHING),
        (b"\xff\xfe\x00", NOTHING),
        (b"[" * 100_000, NOTHING),
    ],
)
def test_an_id_is_read_where_it_is_unambiguous_and_valid(value: bytes | None, expected: PartialEvent) -> None:
    assert read_partially(value) == expected


@pytest.mark.parametrize(
    ("written", "occurred_at_ms"),
    [
        ("1772625600000", 1_772_625_600_000),
        ('"2026-03-04T13:00:00+01:00"', 1_772_625_600_000),
        ('"2026-03-04T12:00:00"', None),
        ('"yesterday"', None),
        ("1772625600", None),
        ("-1", None),
        ("1772625600000000", None),
        ("1.5", None),
        ("true", None),
        ('"1969-12-31T23:59:59Z"', None),
        ('"2200-01-01T00:00:00Z"', None),
        ("1" * 40, None),
    ],
)
def test_a_time_is_read_if_it_is_one(written: str, occurred_at_ms: int | None) -> None:
    value = f'{{"event_id":"e1","occurred_at":{written}}}'.encode()
    assert read_partially(value) == PartialEvent("e1", None, occurred_at_ms)


@EXAMPLES
@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode), st.integers(0, 60))
def test_any_bytes_are_read_without_an_error(noise: bytes, cut: int) -> None:
    for value in (noise, E1[:cut] + noise, noise + E1):
        assert read_partially(value).event_id in (None, "e1")

"""The scanner: what is plain, what is flagged, and what it writes. `tests/property/test_scan.py` draws many more.

`compare` asserts that every record which is not flagged has the columns that msgspec and `read_columns` make of it.
"""

from __future__ import annotations

import random
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
import pytest

from benchmarks.malformed import KINDS
from fraudstream.contracts.fields import Attributes
from fraudstream.engine.decode import VALUE_BYTES_MAX
from fraudstream.engine.frame import FrameLayout, new_frame
from fraudstream.engine.records import Record, Records, records_of
from fraudstream.engine.scan import Scanner
from fraudstream.engine.scan.contract import PAYMENT, UnknownAnnotation, rules_of
from fraudstream.engine.scan.table_types import MOMENT, TEXT, WHOLE
from tests.property.payment_texts import PUBLISHED_AT_MS, plain_payment
from tests.property.scan_layout import DECLARED, LAYOUT
from tests.property.scan_twin import KEY, TOO_FAR_AHEAD_MS, compare, new_scanner, twin_columns

SCANNER = new_scanner()
REQUIRED = (
    '{"event_id":"e-1","occurred_at":1767225600000,"account_id":"a-1","amount":"12.50","currency":"EUR",'
    '"direction":"debit"}'
)


def record(value: str, key: bytes | None = b"a-1", **changed: Any) -> Record:
    return Record(0, PUBLISHED_AT_MS, key, value.encode(), ())._replace(**changed)


def with_field(name: str, value: str) -> Record:
    """A payment with a further field, or another value of a required one. `value`: JSON text."""
    members = msgspec.json.decode(REQUIRED, type=dict[str, msgspec.Raw])
    return record(msgspec.json.encode(members | {name: msgspec.Raw(value.encode())}).decode())


def is_plain(*records: Record) -> bool:
    """Whether all records are plain; asserts that those which are have the twin's columns."""
    return compare(SCANNER, records).plain == len(records)


def is_valid(*records: Record) -> bool:
    """Whether the twin takes all records as payments."""
    return len(twin_columns(records)[0]) == len(records)


PLAIN = {
    "event_id": ('"e"', '"' + "x" * 128 + '"', '" "', '"}"', '"{,:"'),
    "occurred_at": (
        *("0", "99999999", "100000000000", "1800086400000", '"2026-01-01T00:00:00Z"', '"2024-02-29T23:59:59.5+02:00"'),
        *('"2000-02-29T00:00:00-23:59"', '"1970-01-01T00:00:00.000999Z"', '"2026-12-31T12:00:00.999999Z"'),
        '"2026-12-31T12:00:00.123456789Z"',
    ),
    "amount": ('"0"', '"007.1"', '"1.0000000"', '"10000000000000"', '"10000000000000.00"', '"0.00"'),
    "balance_after": ('"-12.50"', '"-0"', '"0"', '"-10000000000000"', "null"),
    "lat": ("90", "-90.0", "-0", "-0.0", "0.1", "48.13715400000000", "9.007199254740992", "null"),
    "lon": ("180", "-180", "-179.9999999999999"),
    "card_present": ("true", "false", "null"),
    "schema_version": ("1", "2", "0", "-7"),
    "country": ('"DE"', '"XK"', "null"),
    "mcc": ('"0000"', '"9999"'),
    "channel": ('"partner"', "null"),
    "kind": ('"wealth_subscription"', '"fee"'),
    "relates_to": ('"e-0"', "null"),
    "attributes": (
        *("{}", "null", '{"name_match":true}', '{"name_match":false,"risk":-0.0}', '{"risk":-0}', '{"partner":""}'),
        *('{"other":"x","another":1.5,"third":true}', '{"other":1,"other":2}', '{"amount":"x","event_id":7}'),
        '{"partner":"' + "x" * 1024 + '"}',
    ),
    "unknown": ('"text"', "1", "-1.5", "true", "null", '""'),
    "unknown and long, longer than any name": ('"' + "x" * 5000 + '"',),
}
VALID_BUT_FLAGGED = {
    "event_id": ('"caf\u00e9"', '"a\\u0062"', '"a\\"b"'),
    "occurred_at": ('"2026-01-01t00:00:00z"', '"2026-01-01 00:00:00Z"', '"2026-01-01T00:00:00.9999996Z"'),
    "lat": ("1e1", "48.13715400000000001", "0.12345678901234567"),
    "kind": ('"bill_\\u0070ayment"',),
    "attributes": ('{"risk":1e3}', '{"other":123456789012345678901}', '{"risk":1,"risk":2}', '{"\u00e9":1}'),
    "unknown": ("[]", "{}", "1e5", '"\\n"', '"\u00e9"', '{"a":[1]}'),
}
INVALID = {
    "event_id": ('""', '"' + "x" * 129 + '"', "7", "null", '"a\x7f"', '"\\u0085"', '"a'),
    "occurred_at": (
        *("-1", "100000000", "99999999999", "1800086400001", "7258118400000", "1.5", "null", "1767225600000.0"),
        *('"2026-02-29T00:00:00Z"', '"2026-01-01T24:00:00Z"', '"2026-01-01T00:00:00"', '"2200-01-01T00:00:00Z"'),
        *('"1969-12-31T23:59:59Z"', '"2026-13-01T00:00:00Z"', '"2026-01-01T00:00:60Z"', '"2026-01-01T00:00:00.Z"'),
    ),
    "amount": ('""', '"-1"', '"1."', '".5"', '"1.001"', '"1e3"', '"922337203685477.58"', '"10000000000000.01"', "1"),
    "balance_before": ('"--1"', '"-"', '"1-"', '"-10000000000000.01"'),
    "currency": ('"XQQ"', '"eur"', '"EURO"', '"EU"', "null"),
    "direction": ('"Debit"', '"debits"', '""'),
    "country": ('"ZZ"', '"de"', '"DEU"'),
    "mcc": ('"541"', '"541a"', '"54110"', "5411"),
    "lat": ("90.00000001", "NaN", '"1"', "01", "-", "1."),
    "card_present": ("1", '"true"', "True", "tru"),
    "schema_version": ("null", "1.5"),
    "kind": ('"reversal"', '"capture"'),
    "attributes": (
        *(
            '{"name_match":1}',
            '{"risk":"1"}',
            '{"risk":true}',
            '{"partner":1}',
            '{"a":null}',
            '{"":1}',
            "[]",
            '{"a":{}}',
        ),
        *('{"x":[]}', '{"x":1', '{"partner":"' + "x" * 1025 + '"}', '{"' + "z" * 65 + '":1}', '{"a":true,}'),
        "{" + ",".join(f'"n{i}":1' for i in range(65)) + "}",
    ),
    "unknown": ("", "nul", "01", "1 2"),
}


def _cases(table: dict[str, tuple[str, ...]]) -> list[tuple[str, str]]:
    return [(name, value) for name, values in table.items() for value in values]


@pytest.mark.parametrize(("name", "value"), _cases(PLAIN))
def test_plain_values_are_read(name: str, value: str) -> None:
    assert is_plain(with_field(name, value))


@pytest.mark.parametrize(("name", "value"), _cases(VALID_BUT_FLAGGED))
def test_valid_values_in_an_unusual_form_are_flagged(name: str, value: str) -> None:
    assert is_valid(with_field(name, value))
    assert not is_plain(with_field(name, value))


@pytest.mark.parametrize(("name", "value"), _cases(INVALID))
def test_what_may_be_rejected_is_flagged(name: str, value: str) -> None:
    # Written by hand: msgspec writes no invalid JSON.
    text = REQUIRED.replace(f'"{name}":', '"was":')[:-1] + f',"{name}":{value}}}'
    assert not is_plain(record(text))
    assert name == "kind" or not is_valid(record(text))


def test_amounts_are_exact_in_currencies_of_every_number_of_decimals() -> None:
    for currency, amount, minor in (
        ("JPY", "100.00", 100),
        ("KWD", "1.5", 1500),
        ("CLF", "99999999999.9999", 10**15 - 1),
    ):
        found = with_field("amount", f'"{amount}"')
        changed = found._replace(value=found.value.replace(b"EUR", currency.encode()))  # type: ignore[union-attr]
        assert is_plain(changed)
        assert twin_columns([changed])[1].amount_minor.tolist() == [minor]
    too_large = with_field("amount", '"922337203685477.5808"')  # 2**63 of a currency with four decimals
    assert not is_plain(too_large._replace(value=too_large.value.replace(b"EUR", b"CLF")))  # type: ignore[union-attr]


def test_white_space_may_stand_between_all_tokens() -> None:
    loose = REQUIRED[:-1] + ',"attributes":{"name_match":true,"n":1}}'
    for token in "{},:":
        loose = loose.replace(token, f" \t\r\n{token}\n \r\t")
    assert is_plain(record(loose), record(" \n" + loose + "\r\n \t"))
    for space in ("\x0b", "\x0c", "\x00", "\u00a0"):
        assert not is_plain(record(REQUIRED.replace(",", space + ",", 1)))


def test_fields_may_come_in_any_order_and_change_it_from_record_to_record() -> None:
    members = REQUIRED[1:-1].split(",")
    extra = ['"attributes":{"name_match":true,"risk":0.5}', '"channel":"app"', '"more":1', '"mcc":"5411"']
    draw, texts = random.Random(1), []
    for _ in range(50):
        chosen = members + draw.sample(extra, draw.randint(0, len(extra)))
        draw.shuffle(chosen)
        texts.append(record("{" + ",".join(chosen) + "}"))
    assert is_plain(*texts)


@pytest.mark.parametrize("name", [rule.name for rule in PAYMENT])
def test_a_field_that_stands_twice_is_flagged(name: str) -> None:
    others = {"account_id": '"a-1"', "balance_before": '"1"', "currency": '"EUR"', "direction": '"debit"'}
    member = f',"{name}":{others[name] if name in others else PLAIN.get(name, PLAIN["event_id"])[0]}'
    once = REQUIRED[:-1] + ("" if f'"{name}"' in REQUIRED else member)
    assert is_plain(record(once + "}"))
    assert not is_plain(record(once + member + "}"))


@pytest.mark.parametrize("name", [rule.name for rule in PAYMENT if rule.required])
def test_a_payment_without_a_required_field_is_flagged(name: str) -> None:
    assert not is_plain(record(REQUIRED.replace(f'"{name}"', f'"{name}_"')))


def test_a_record_with_another_key_is_flagged() -> None:
    assert is_plain(record(REQUIRED))
    for key in (None, b"", b"a-", b"a-2", b"a-10", b"a-1\0"):
        assert not is_plain(record(REQUIRED, key))


def test_a_record_with_headers_is_plain_as_tracing_adds_them_to_every_record() -> None:
    assert is_plain(record(REQUIRED, headers=(("traceparent", b"00-4bf92f3577b34da6a3ce929d0e0e4736-01"),)))


def test_keys_of_every_length_are_compared_whole() -> None:
    for length in range(1, 129):
        account = "k" * length
        text = REQUIRED.replace("a-1", account)
        assert is_plain(record(text, account.encode()))
        for other in range(0, length, 5):
            assert not is_plain(record(text, account.encode()[:other] + b"x" + account.encode()[other + 1 :]))


def test_a_record_of_a_previous_stage_may_have_another_key() -> None:
    scanner = Scanner(LAYOUT, DECLARED, KEY, TOO_FAR_AHEAD_MS, keyed=False)
    records = records_of([record(REQUIRED, b"m-1", headers=(("source", b"0:1"),)), record(REQUIRED, None)])
    flagged = np.ones(2, np.uint8)
    assert scanner.scan(records, new_frame(LAYOUT, 2), flagged) == 0
    assert flagged.tolist() == [0, 0]


def test_a_time_is_compared_with_that_of_its_own_record() -> None:
    at = 1_767_225_600_000
    times = (at - TOO_FAR_AHEAD_MS, at - TOO_FAR_AHEAD_MS - 1, -1, 0, 2**63 - 1, -(2**63))
    flagged = np.zeros(len(times), np.uint8)
    records = records_of([record(REQUIRED, timestamp=time) for time in times])
    SCANNER.scan(records, new_frame(LAYOUT, len(times)), flagged)
    assert flagged.tolist() == [0, 1, 1, 1, 1, 1]  # a time near the end of int64 would overflow the sum


def test_a_missing_empty_or_oversized_value_is_flagged() -> None:
    assert not is_plain(record(REQUIRED)._replace(value=None))
    assert not is_plain(record(""))
    assert is_plain(record(REQUIRED + " " * (VALUE_BYTES_MAX - len(REQUIRED))))
    assert not is_plain(record(REQUIRED + " " * (VALUE_BYTES_MAX - len(REQUIRED) + 1)))


def test_malformed_payments_have_the_columns_of_the_twin_or_are_flagged() -> None:
    draw = random.Random(1)
    base = msgspec.json.decode(REQUIRED, type=dict[str, Any])
    values = [make(dict(base), draw) for make in KINDS.values() for _ in range(20)]
    compared = compare(SCANNER, [Record(i, PUBLISHED_AT_MS, b"a-1", value, ()) for i, value in enumerate(values)])
    assert 0 < compared.plain < compared.records / 4


def test_a_value_never_continues_in_the_bytes_after_it() -> None:
    # The bytes after the first value are the next record's key, which would complete it.
    cut = REQUIRED[:-1] + ',"attributes":{"risk":1}'
    for rest in (b"}", b',"risk":2}}', b'"}', b" }"):
        records = [record(cut), Record(1, PUBLISHED_AT_MS, rest, REQUIRED.encode(), ())]
        assert compare(SCANNER, records).plain == 0


def test_names_of_attributes_are_no_names_of_fields_and_the_other_way() -> None:
    assert is_plain(record(REQUIRED[:-1] + ',"name_match":"x","risk":true,"attributes":{"direction":1,"mcc":"x"}}'))
    assert is_plain(record(REQUIRED[:-1] + ',"attributes":{"name_match":true},"mcc":"5411"}'))
    assert is_plain(record(REQUIRED[:-1] + ',"attributes":{"mcc":true},"name_match":"5411"}'))
    assert is_plain(record(REQUIRED[:-1] + ',"attributes":null,"mcc":"5411"}'))


def test_only_the_rows_of_the_layout_are_written() -> None:
    layout = FrameLayout(("account.n", "amount", "lists.l"), ("event_id", "account.last"), ("account_id",))
    scanner = Scanner(layout, {}, KEY, TOO_FAR_AHEAD_MS)
    frame = new_frame(layout, 1)
    frame.number[:], frame.digest[:] = -5.0, 7
    assert scanner.scan(records_of([record(REQUIRED)]), frame, np.zeros(1, np.uint8)) == 0
    assert frame.number[:, 0].tolist() == [-5.0, 1250.0, -5.0]
    assert frame.digest[1, 0] == 7


def test_records_of_any_buffer_and_slice_are_read() -> None:
    texts = [plain_payment(random.Random(seed)) for seed in range(40)]
    packed = records_of([Record(i, PUBLISHED_AT_MS, key, value, ()) for i, (key, value) in enumerate(texts)])
    flagged, again = np.zeros(40, np.uint8), np.zeros(20, np.uint8)
    SCANNER.scan(packed, new_frame(LAYOUT, 40), flagged)
    writable = Records(packed.buffer.copy(), packed.spans)[::2]
    SCANNER.scan(writable, new_frame(LAYOUT, 20), again)
    assert again.tolist() == flagged[::2].tolist()
    assert SCANNER.scan(packed[:0], new_frame(LAYOUT, 0), np.zeros(0, np.uint8)) == 0


def test_a_frame_or_flags_of_another_size_are_refused() -> None:
    records = records_of([record(REQUIRED)] * 3)
    with pytest.raises(ValueError, match="number of payments"):
        SCANNER.scan(records, new_frame(LAYOUT, 2), np.zeros(3, np.uint8))
    with pytest.raises(ValueError, match="not as many as the flags"):
        SCANNER.scan(records, new_frame(LAYOUT, 3), np.zeros(2, np.uint8))
    for smaller in (LAYOUT._replace(numbers=()), LAYOUT._replace(texts=()), LAYOUT._replace(spans=())):
        with pytest.raises(ValueError, match="too few rows"):
            SCANNER.scan(records, new_frame(smaller, 3), np.zeros(3, np.uint8))
    for name in ("text_at", "relation", "minor_per_major"):
        frame = new_frame(LAYOUT, 3)
        odd = frame._replace(**{name: getattr(frame, name)[..., :2].copy()})
        with pytest.raises(ValueError, match="number of payments"):
            SCANNER.scan(records, odd, np.zeros(3, np.uint8))


@pytest.mark.parametrize("part", ["key", "value"])
@pytest.mark.parametrize(("at", "length"), [(-1, 3), (0, -2), (10_000, 1), (0, 10_000), (2**62, 2**62)])
def test_a_span_outside_the_buffer_is_refused(part: str, at: int, length: int) -> None:
    packed = records_of([record(REQUIRED)])
    spans = packed.spans._replace(**{f"{part}_at": np.array([at]), f"{part}_length": np.array([length])})
    with pytest.raises(ValueError, match=f"a {part} lies outside the buffer"):
        SCANNER.scan(Records(packed.buffer, spans), new_frame(LAYOUT, 1), np.zeros(1, np.uint8))


def test_the_rules_follow_the_contract() -> None:
    class Paid(msgspec.Struct):
        number: Annotated[str, msgspec.Meta(min_length=2, max_length=5)]
        attributes: Attributes
        at: int | None = None

    rules, attributes = rules_of(Paid)
    assert [(rule.name, rule.required) for rule in rules] == [("number", True), ("attributes", True), ("at", False)]
    assert rules[0].chars == (2, 5)
    assert attributes.members == 64
    [moment] = [rule for rule in PAYMENT if rule.name == "occurred_at"]
    assert (moment.takes, moment.text) == (TEXT | WHOLE, MOMENT)


@pytest.mark.parametrize(
    "annotation",
    [
        Annotated[str, msgspec.Meta(pattern="^x")],
        Annotated[str, msgspec.Meta(extra_json_schema={"pattern": "^[0-9]{3}$"})],
        Annotated[int, msgspec.Meta(ge=0)],
        Annotated[float, msgspec.Meta(gt=0)],
        list[int],
        Literal[1, 2],
        bytes,
    ],
)
def test_a_field_of_an_unknown_kind_is_refused(annotation: Any) -> None:
    struct = msgspec.defstruct("Paid", [("attributes", Attributes), ("new", annotation)])
    with pytest.raises(UnknownAnnotation, match="The field 'new'"):
        rules_of(struct)

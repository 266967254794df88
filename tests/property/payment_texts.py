"""Payments as JSON text, drawn by rule from the contract: as most publishers write them, and odd on purpose.

Every draw is from a `random.Random`, so a seed repeats a text.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from typing import Final

from fraudstream.contracts.currency import EXPONENTS
from fraudstream.engine.scan.contract import ATTRIBUTES, PAYMENT, Rule, declared_rules
from fraudstream.engine.scan.table_types import (
    FLAG,
    FOUR_DIGITS,
    FREE,
    MOMENT,
    MONEY,
    NULL,
    NUMBER,
    OBJECT,
    SIGNED_MONEY,
    TEXT,
    WHOLE,
    WORD,
)
from tests.property.scan_layout import DECLARED

PUBLISHED_AT_MS: Final = 1_800_000_000_000

_LETTERS: Final = "abcdefghijklmnopqrstuvwxyzABCDEF0123456789-_.:/ "
_LETTERS_DRAWN: Final = "".join(random.Random(1).choices(_LETTERS, k=4096))  # texts are parts of it
_LENGTHS: Final = (0, 1, 6, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 200, 1024, 1025)
_ODD_TEXTS: Final = (
    "",
    " ",
    "null",
    "true",
    "{",
    "}",
    "},{",
    "\x7f",
    "\x80",
    "\u009b",
    "a\nb",
    'a"b',
    "a\\b",
    "\ud800",
)
_NUMBERS: Final = (
    *(
        "0",
        "-0",
        "0.0",
        "-0.0",
        "-0.00",
        "1",
        "-1",
        "48.137154",
        "-48.1371540",
        "90",
        "90.0",
        "90.0000001",
        "-90",
        "180",
    ),
    *(
        "-180.0",
        "180.00000000000001",
        "1e1",
        "1E-1",
        "1e400",
        "12.",
        ".5",
        "01",
        "-01",
        "00",
        "-",
        "--1",
        "+1",
        "1.2.3",
    ),
    *("123456789012345", "9007199254740992", "9007199254740993", "0.123456789012345", "0.1234567890123456"),
    *("11.123456789012345678", "48.1371540000000000", "999999999999999999", "9999999999999999999", "5e-324"),
    *("0.000000000000001", "NaN", "Infinity", "0x10", "1_0", "100000000", "99999999", "1800086400000", "1800086400001"),
    *(
        "1800000000000.0",
        "7258118399999",
        "7258118400000",
        "18446744073709551616",
        "null",
        "true",
        "false",
        '"1"',
        "tru",
    ),
    *("nul", "falsee", "True", "[]", "[1]", "{}", '{"a":1}', "", "  "),
)
_AMOUNTS: Final = (
    *(
        "0",
        "00",
        "007.10",
        "1.0",
        "1.000",
        "1.0000",
        "1.00000",
        "12.345",
        "12.3450",
        "999999999999999",
        "1000000000000000",
    ),
    *(
        "1000000000000001",
        "10000000000000.00",
        "10000000000000.01",
        "9999999999999999999999",
        "999999999999999999999999",
    ),
    *("922337203685477.5807", "922337203685477.5808", "100000000000", "100000000000.0001", "0000000000000000000001.5"),
    *(
        ".5",
        "5.",
        ".",
        "",
        "-",
        "-1",
        "-0",
        "-0.0",
        "+1",
        "1e3",
        " 1",
        "1 ",
        "1,5",
        "0.000000",
        "-12.50",
        "12..5",
        "1_0",
    ),
    *("0x10", "nan", "\u0661", "--1", "1-", "1.-5", "0000000000000000000000001", "1:", "1/"),
)
_ZONES: Final = ("Z", "Z", "+00:00", "-00:00", "+02:00", "-05:30", "+23:59", "-23:59")
_ODD_ZONES: Final = (
    "z",
    "+24:00",
    "-12:60",
    "",
    "+0200",
    "+02",
    "+2:00",
    "Z ",
    "+14:00",
    "ZZ",
    "+02:0a",
    "+02:00Z",
    "\u00b102:00",
)
_FRACTIONS: Final = ("", "", ".5", ".12", ".123", ".1234", ".123456", ".9994999", ".123456789", ".0005")
_ODD_FRACTIONS: Final = (
    ".",
    ",5",
    ".999999",
    ".9999999",
    ".9989999",
    ".123999999",
    ".9999999999",
    ".1234567890",
    ".0000005",
    ".a",
)
_NAMES: Final = (
    "extra",
    "eventid",
    "event_i",
    "event_id2",
    "Event_id",
    "",
    " event_id",
    "event_id ",
    "a" * 40,
    "x" * 65,
    "amount",
)


def plain_payment(rng: random.Random) -> tuple[bytes | None, bytes]:
    """(key, value) of a record whose payment is valid; most are plain."""
    fields = [rule for rule in PAYMENT if rule.required or rng.random() < 0.4]
    if rng.random() < 0.1:
        rng.shuffle(fields)
    return _record(
        rng, [(rule.name, valid_value(rng, rule)) for rule in fields], _dense if rng.random() < 0.9 else _loose
    )


def odd_payment(rng: random.Random) -> tuple[bytes | None, bytes]:
    """(key, value) of a record in which anything may be odd: values, names, repeats, order, bytes, the key."""
    chance = rng.choice((0.0, 0.0, 0.02, 0.2))
    fields = [rule for rule in PAYMENT if (rule.required and rng.random() > 0.01) or rng.random() < 0.4]
    members = [(rule.name, (odd_value if rng.random() < chance else valid_value)(rng, rule)) for rule in fields]
    if rng.random() < 0.3:
        rng.shuffle(members)
    if rng.random() < 0.05 and members:
        members.append(rng.choice(members))
    for _ in range(rng.choice((0, 0, 0, 0, 1, 2))):
        name, value = json.dumps(rng.choice(_NAMES)), rng.choice((*_NUMBERS, json.dumps(_text(rng, 0, 2000))))
        members.insert(rng.randrange(len(members) + 1), (name[1:-1], value))
    key, text = _record(rng, members, rng.choice((_dense, _loose, _broken)))
    if rng.random() < 0.2:
        text = changed_bytes(rng, text)
    if rng.random() < 0.03:
        wrapped = (b" " + text + b" \n", text + b",", text + text, text[:-1], text + b"}", b"\xef\xbb\xbf" + text)
        text = rng.choice((b"", b"{}", b"[]", b"{", b"}", b"{}}", *wrapped))
    if rng.random() < 0.03:
        short = (key or b"")[:-1]
        key = rng.choice((None, b"", b"other", short, short + b"\0", (key or b"") + b"x"))
    return key, text


def valid_value(rng: random.Random, rule: Rule) -> str:
    """JSON text of a value that the contract allows."""
    if rule.takes & NULL and rng.random() < 0.05:
        return "null"
    if rule.takes & OBJECT:
        return _attributes(rng, valid_value)
    if rule.takes & TEXT and not (rule.takes & WHOLE and rng.random() < 0.5):
        return json.dumps(_valid_text(rng, rule), ensure_ascii=rng.random() < 0.5)
    if rule.text == MOMENT:
        return str(rng.choice((rng.randint(10**11, PUBLISHED_AT_MS), PUBLISHED_AT_MS, 0, 10**8 - 1, 10**11)))
    if rule.takes & FLAG:
        return rng.choice(("true", "false"))
    if rule.takes & NUMBER:
        low, high = max(rule.bounds[0], -1e6), min(rule.bounds[1], 1e6)
        return rng.choice(
            (repr(round(rng.uniform(low, high), rng.randint(0, 13))), str(rng.randint(int(low), int(high))))
        )
    return str(rng.choice((1, 1, 1, 2, 0, 10**14)))


def odd_value(rng: random.Random, rule: Rule) -> str:
    """JSON text, or what is none, of a value that the contract may not allow."""
    choice = rng.random()
    if choice < 0.1 or not rule.takes & (TEXT | OBJECT):
        return rng.choice(_NUMBERS)
    if rule.takes & OBJECT:
        return _attributes(rng, odd_value if choice < 0.6 else valid_value, most=rng.choice((3, 3, 3, 64, 66)))
    if rule.text == MOMENT and choice < 0.3:
        return str(rng.choice((-1, 10**8, 10**8 - 1, 10**11, 10**11 - 1, 1_800_086_400_000, 1_800_086_400_001, 10**30)))
    text = _text(rng, *rule.chars) if choice < 0.4 else _odd_text(rng, rule)
    return json.dumps(text, ensure_ascii=rng.random() < 0.5)


def _valid_text(rng: random.Random, rule: Rule) -> str:
    if rule.text == FREE:
        return (
            _text(rng, rule.chars[0], rule.chars[1]) if rng.random() < 0.97 else _text(rng, 1, 5) + rng.choice("é中😀")
        )
    if rule.text == WORD:
        return rng.choice(rule.words)
    if rule.text == FOUR_DIGITS:
        return f"{rng.randrange(10_000):04d}"
    if rule.text == MOMENT:
        return _moment(rng, _FRACTIONS, _ZONES)
    sign = "-" if rule.text == SIGNED_MONEY and rng.random() < 0.3 else ""
    return sign + rng.choice(
        (str(rng.randint(0, 10 ** rng.randint(1, 11))), f"{rng.randint(0, 10**9)}.{'0' * rng.randint(1, 4)}")
    )


def _odd_text(rng: random.Random, rule: Rule) -> str:
    if rule.text in (MONEY, SIGNED_MONEY):
        return rng.choice(_AMOUNTS)
    if rule.text == MOMENT:
        return _moment(rng, _FRACTIONS + _ODD_FRACTIONS, _ZONES + _ODD_ZONES, odd=True)
    if rule.text == WORD and rng.random() < 0.7:
        word = rng.choice((*rule.words, "reversal", "capture", *EXPONENTS))
        return rng.choice((word, word.lower(), word.upper(), word + "x", word[:-1], word + " "))
    if rule.text == FOUR_DIGITS:
        return rng.choice(("5411", "541", "54110", "54 1", "541a", "٥411", "-541", "541/", "541:"))
    return rng.choice((*_ODD_TEXTS, "x" * rng.choice(_LENGTHS), "é" * rng.choice(_LENGTHS)))


def _text(rng: random.Random, least: int, most: int) -> str:
    length = rng.randint(least, min(most, 20)) if rng.random() < 0.6 else rng.choice((least, most, *_LENGTHS))
    at = rng.randrange(len(_LETTERS_DRAWN) // 2)
    return _LETTERS_DRAWN[at : at + max(least, min(most, length, 2000))]


def _moment(rng: random.Random, fractions: Sequence[str], zones: Sequence[str], odd: bool = False) -> str:
    year, month, day = rng.randint(1971, 2026), rng.randint(1, 12), rng.randint(1, 28)
    hour, minute, second, separator = rng.randint(0, 23), rng.randint(0, 59), rng.randint(0, 59), "T"
    if odd:
        year = rng.choice((year, 0, 1, 1600, 1900, 1969, 1970, 2000, 2024, 2100, 2199, 2200, 9999))
        month, day = rng.choice((month, 0, 2, 2, 13)), rng.choice((day, 0, 28, 29, 30, 31, 32))
        hour, minute, second = rng.choice((hour, 24)), rng.choice((minute, 60)), rng.choice((second, 60, 61))
        separator = rng.choice("TTTTTTt ")
    text = f"{year:04d}-{month:02d}-{day:02d}{separator}{hour:02d}:{minute:02d}:{second:02d}"
    if odd and rng.random() < 0.1:
        at = rng.randrange(len(text))
        text = text[:at] + rng.choice("0:-T /a.") + text[at + 1 :]
    return text + rng.choice(fractions) + rng.choice(zones)


def _attributes(rng: random.Random, value: Callable[[random.Random, Rule], str], most: int = 3) -> str:
    members = []
    declared = {rule.name: rule for rule in declared_rules(DECLARED)}
    for _ in range(rng.randint(0, most)):
        name = rng.choice((*declared, _text(rng, 1, 12), *(_NAMES if value is odd_value else ())))
        undeclared = ATTRIBUTES.value._replace(takes=rng.choice((TEXT, WHOLE, WHOLE | NUMBER, FLAG)))
        members.append((json.dumps(name)[1:-1], value(rng, declared.get(name, undeclared))))
    return _object(rng, members, _dense)


def _record(
    rng: random.Random, members: list[tuple[str, str]], space: Callable[[random.Random], str]
) -> tuple[bytes | None, bytes]:
    value = _object(rng, members, space).encode("utf-8", "surrogatepass")
    try:
        account = json.loads(dict(members).get("account_id", '""'))
    except ValueError:
        account = None
    return (account.encode("utf-8", "surrogatepass") if isinstance(account, str) else b"other"), value


def _object(rng: random.Random, members: Sequence[tuple[str, str]], space: Callable[[random.Random], str]) -> str:
    def around(token: str) -> str:
        return space(rng) + token + space(rng)

    return around("{") + around(",").join(f'"{name}"{around(":")}{value}' for name, value in members) + around("}")


def _dense(_: random.Random) -> str:
    return ""


def _loose(rng: random.Random) -> str:
    return rng.choice(("", "", " ", "\n", "\t", "\r\n", "    "))


def _broken(rng: random.Random) -> str:
    return "" if rng.random() < 0.98 else rng.choice((" ", "\x0b", "\x00", "\x1f", ",", ":", "\u00a0", "}", "//"))


def changed_bytes(rng: random.Random, text: bytes) -> bytes:
    """`text` with one to three bytes replaced, removed or added."""
    data = bytearray(text)
    for _ in range(rng.randint(1, 3)):
        if not data:
            return b""
        at, choice = rng.randrange(len(data)), rng.random()
        byte = rng.choice((rng.randrange(256), *b'{}",:\\ 0123456789.-'))
        if choice < 0.4:
            data[at] = byte
        elif choice < 0.7:
            del data[at]
        else:
            data.insert(at, byte)
    return bytes(data)

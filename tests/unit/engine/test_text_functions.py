"""Text functions and networks answer for each row what plain Python answers for that row's text alone."""

from __future__ import annotations

import ipaddress
import re
import string
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraudstream.contracts import Payment
from fraudstream.engine import evidence
from fraudstream.engine.engine import Engine
from fraudstream.engine.expression import PAYMENT_FIELDS, ExpressionError, Origin, Type, compile_expression
from fraudstream.engine.payment_row import PaymentRow
from fraudstream.engine.rule_set import compile_rule_set
from tests.unit.engine.table import Row, Table, answers_of_program

SYMBOLS = {"x": Type.TEXT, "y": Type.TEXT, "ip": Type.TEXT, "hour": Type.NUMBER}
Ask = Callable[[str], bool]


def asked(source: str, rows: list[Row]) -> list[bool | None]:
    """What an expression answers for each row, evaluated and as a program; None where it is unknown."""
    expression, table = compile_expression(source, SYMBOLS, Type.BOOL, Origin("drawn.yaml")), Table(rows, SYMBOLS)
    truth = expression.truth(table)
    answers = [bool(true) if known else None for true, known in zip(truth.true, truth.known, strict=True)]
    assert answers_of_program(expression, table) == answers
    return answers


LETTERS = st.text("aAbBİß.-ä1 ", max_size=6)
FRAGMENTS = st.text("aAbBß.-ä1 ", min_size=1, max_size=3)
ROWS = st.lists(st.fixed_dictionaries({"x": st.none() | LETTERS, "y": st.none() | LETTERS}), max_size=12)
TESTS: dict[str, Callable[[str, str], bool]] = {
    "starts_with": str.startswith,
    "ends_with": str.endswith,
    "contains": str.__contains__,
}


def due(rows: list[Row], ask: Ask) -> list[bool | None]:
    return [ask(row["x"]) if row["x"] else None for row in rows]


@given(rows=ROWS, name=st.sampled_from(sorted(TESTS)), fragment=FRAGMENTS)
def test_a_test_of_text_answers_as_plain_python_does_row_by_row(rows: list[Row], name: str, fragment: str) -> None:
    test = TESTS[name]
    assert asked(f"{name}(x, '{fragment}')", rows) == due(rows, lambda text: test(text, fragment))
    assert asked(f"not {name}(x, '{fragment}')", rows) == due(rows, lambda text: not test(text, fragment))
    small = fragment.lower()
    assert asked(f"{name}(lower(x), '{small}')", rows) == due(rows, lambda text: test(text.lower(), small))


@given(rows=ROWS, words=st.lists(FRAGMENTS, min_size=1, max_size=3))
def test_small_letters_are_compared_as_plain_python_does_row_by_row(rows: list[Row], words: list[str]) -> None:
    small = [word.lower() for word in words]
    listed = ", ".join(f'"{word}"' for word in small)
    assert asked(f"lower(x) in ({listed})", rows) == due(rows, lambda text: text.lower() in small)
    assert asked(f"lower(x) not in ({listed})", rows) == due(rows, lambda text: text.lower() not in small)
    assert asked(f'"{small[0]}" != lower(x)', rows) == due(rows, lambda text: text.lower() != small[0])
    both = [row["x"].lower() == row["y"].lower() if row["x"] and row["y"] else None for row in rows]
    assert asked("lower(x) == lower(y)", rows) == both
    half = [row["x"].lower() == row["y"] if row["x"] and row["y"] else None for row in rows]
    assert asked("lower(x) == y", rows) == half
    assert asked("lower(x) is missing", rows) == [not row["x"] for row in rows]


@st.composite
def patterns(draw: st.DrawFn) -> str:
    """Regular expressions that Python and RE2 read alike."""
    atom = st.sampled_from(["a", "b", "A", ".", "[ab]", "[^a]", r"\.", r"\d", "(a|b)", "(ab)?", "ß"])
    parts = draw(st.lists(st.tuples(atom, st.sampled_from(["", "*", "+", "?", "{1,2}"])), min_size=1, max_size=4))
    body = "".join(part + again if part != "(ab)?" else part for part, again in parts)
    return draw(st.sampled_from(["", "^"])) + body + draw(st.sampled_from(["", "$"]))


@given(rows=ROWS, pattern=patterns())
def test_a_regular_expression_matches_as_plain_python_does_row_by_row(rows: list[Row], pattern: str) -> None:
    searched = re.compile(pattern, re.DOTALL | re.ASCII)
    assert asked(f'matches(x, "{pattern}")', rows) == due(rows, lambda text: searched.search(text) is not None)


def test_a_pattern_that_takes_other_engines_for_ever_is_linear() -> None:
    rows: list[Row] = [{"x": "a" * 50_000 + "!"}]
    assert asked('matches(x, "^(a+)+$")', rows) == [False]
    assert asked('matches(x, "(.*)(.*)(.*)(.*)(.*)x")', rows) == [False]


ADDRESSES = st.one_of(
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map(str),
    st.ip_addresses(v=4).map(lambda address: f"::ffff:{address}"),
    st.integers(0, 255).map(lambda last: f"10.0.0.{last}"),
    st.sampled_from(["", "not an address", "10.0.0.1:443", "010.0.0.1", "10.0.0.0/8", "١.١.١.١"]),
)
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@st.composite
def networks_in_cidr_form(draw: st.DrawFn) -> Network:
    """IPv4, IPv6 outside the range that maps IPv4, and networks around the addresses of `ADDRESSES`."""
    kind = draw(st.sampled_from(["v4", "v6", "near"]))
    if kind == "v6":
        return ipaddress.IPv6Network(
            (draw(st.integers(1 << 64, (1 << 128) - 1)), draw(st.integers(0, 128))), strict=False
        )
    number = draw(st.integers(0, (1 << 32) - 1)) if kind == "v4" else int(ipaddress.IPv4Address("10.0.0.7"))
    return ipaddress.IPv4Network((number, draw(st.integers(0, 32))), strict=False)


def in_networks(text: str | None, networks: list[Network]) -> bool | None:
    """Membership by the standard library; None where the text is no address."""
    try:
        address = ipaddress.ip_address(text or "")
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return any((mapped or address) in network for network in networks)


@given(
    rows=st.lists(st.fixed_dictionaries({"ip": st.none() | ADDRESSES}), max_size=12),
    networks=st.lists(networks_in_cidr_form(), min_size=1, max_size=4),
)
def test_membership_of_networks_is_that_of_the_standard_library(rows: list[Row], networks: list[Network]) -> None:
    listed = ", ".join(f'"{network}"' for network in networks)
    answers = [in_networks(row["ip"], networks) for row in rows]
    assert asked(f"ip in_network ({listed})", rows) == answers
    assert asked(f"ip not in_network ({listed})", rows) == [None if a is None else not a for a in answers]


@pytest.mark.parametrize(
    ("source", "column", "sentence"),
    [
        ('ip in_network "10.1.2.3/8"', 15, "'10.1.2.3/8' has bits set beyond its prefix: write '10.0.0.0/8', or "
         "'10.1.2.3/32' for that address."),
        ('ip in_network ("10.0.0.0/8", "10.0.0.0/33")', 30, "'10.0.0.0/33' is not a network in CIDR form, such as "
         "'10.0.0.0/8' or '2001:db8::/32'."),
        ('ip in_network "10.0.0.0/255.0.0.0"', 15, "'10.0.0.0/255.0.0.0' is not in CIDR form: write '10.0.0.0/8'."),
        ('ip in_network "::ffff:10.0.0.0/104"', 15, "'::ffff:10.0.0.0/104' holds IPv4 addresses written as IPv6, which "
         "count as IPv4: write '10.0.0.0/8'."),
        ("ip in_network 10", 15, "'in_network' is followed by a network, such as \"10.0.0.0/8\", several in "
         "parentheses, or a list."),
        ('ip == "10.0.0.0/8"', 7, "ip is never a network. Write 'ip in_network \"10.0.0.0/8\"'."),
        ('ip in "10.0.0.0/8"', 7, "For a network write 'in_network'."),
        ('device_id contains "x"', 11, "found 'contains'. Write contains(x, \"…\")."),
        ('country in_network "10.0.0.0/8"', 1, "country is never an address."),
        ('hour in_network "10.0.0.0/8"', 1, "only the text of an address can be in a network."),
        ('matches(device_id, "a(b")', 21, "not a regular expression of RE2, missing ): 'a(b'."),
        ('matches(device_id, "x[z-a]")', 23, "not a regular expression of RE2, invalid character class range: 'z-a'."),
        ('matches(device_id, "(?=x)")', 21, "not a regular expression of RE2, invalid perl operator: '(?='."),
        ('matches(device_id, "a{2000}")', 22, "not a regular expression of RE2, invalid repetition size: '{2000}'."),
        ('matches(device_id, "' + "x" * 257 + '")', 20, "a pattern has at most 256 characters, this one 257."),
        ("contains(device_id, ip)", 21, "contains() takes text in quotes here, such as \"abc\"."),
        ("starts_with(hour, '1')", 13, "'hour' is a plain number: starts_with() looks into text."),
        ("lower(hour) == '1'", 7, "'hour' is a plain number: lower() takes text."),
        ("startswith(device_id, 'a')", 1, "Nearest: 'starts_with'."),
        ("starts_with(device_id) ", 1, "starts_with() takes 2 values, found 1."),
        ("starts_with(country, 'DEU')", 22, "'starts_with(country, 'DEU')' is never true: it is so of no country."),
        ("contains(channel, 'x')", 19, "'contains(channel, 'x')' is never true: it is so of no channel."),
        ("matches(mcc, '^5[a-z]')", 14, "'matches(mcc, '^5[a-z]')' is never true: it is so of no mcc."),
        ("lower(country) == 'DE'", 19, "lower(country) is never 'DE': lower() gives small letters. Write 'de'."),
        ("lower(country) == 'deu'", 19, "lower(country) is never 'deu'"),
        ("ends_with(lower(device_id), 'Z')", 29, "lower() gives small letters. Write 'z'."),
        ("contains(counterparty_bank, '" + "b" * 36 + "')", 29, "counterparty_bank has at most 35 characters."),
        ("device_id not 'a'", 15, "'not' must be followed by 'in' or 'in_network' here."),
    ],
)  # fmt: skip
def test_a_fault_says_where_and_what_to_write(source: str, column: int, sentence: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_expression(source, PAYMENT_FIELDS, Type.BOOL, Origin("a.yaml"))
    assert sentence in caught.value.sentence
    assert caught.value.column == column


@given(st.text(string.printable, min_size=1, max_size=40))
def test_any_pattern_compiles_or_is_an_expression_error(pattern: str) -> None:
    try:
        expression = compile_expression(f'matches(x, "{pattern}")', SYMBOLS, Type.BOOL, Origin("a.yaml"))
    except ExpressionError:
        return
    expression.truth(Table([{"x": "abc"}, {"x": None}], SYMBOLS))


def test_evidence_shows_tests_as_they_must_hold() -> None:
    source = "not (starts_with(lower(x), 'a') or ip in_network '10.0.0.0/8') and not matches(x, '^b')"
    expression = compile_expression(source, SYMBOLS, Type.BOOL, Origin("a.yaml"))
    assert [(leaf.left.source, leaf.operator, leaf.right_text) for leaf in expression.comparisons] == [
        ("lower(x)", "not starts_with", "'a'"),
        ("ip", "not in_network", "'10.0.0.0/8'"),
        ("x", "not matches", "'^b'"),
    ]


def test_evidence_shows_the_text_that_was_compared() -> None:
    expression = compile_expression("lower(x) == 'abc'", SYMBOLS, Type.BOOL, Origin("a.yaml"))
    [comparison] = expression.comparisons
    payment, table = Payment("e", 0, "a", "1.00", "EUR", "debit"), Table([{"x": "ABC"}, {"x": None}], SYMBOLS)
    [[shown], [missing]] = [evidence.tested([comparison], PaymentRow(table, row, payment), {}) for row in range(2)]
    assert (shown.holds, shown.evidence.value, shown.evidence.threshold) == (True, "abc", "abc")
    assert (missing.holds, missing.evidence.value) == (None, "missing")


def test_filters_look_into_texts_too() -> None:
    features = """
version: 1
entities: {account: {key: account_id}}
features:
  account.shops: {aggregate: count, window: 1h, where: 'starts_with(lower(merchant_id), "shop-")'}
  account.internal: {aggregate: count, window: 1h, where: ip in_network "10.0.0.0/8"}
"""
    engine = Engine(compile_rule_set({"features.yaml": features}))
    fields = [("Shop-1", "10.0.0.1"), ("other", None), ("SHOP-2", "11.0.0.1"), (None, "10.0.0.2")]
    payments = [
        Payment(f"e{i}", i, "a", "1.00", "EUR", "debit", merchant_id=merchant, ip=ip)
        for i, (merchant, ip) in enumerate(fields)
    ]
    verdicts = engine.judge(payments, engine.new_state())
    assert verdicts.features["account.shops"].tolist() == [1, 1, 2, 2]
    assert verdicts.features["account.internal"].tolist() == [1, 1, 1, 2]

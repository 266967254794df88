"""The headers of W3C Trace Context: what follows the specification is read, all else counts as no header."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraudstream.engine.header_fields import TRACED
from fraudstream.engine.record_headers import indices_of
from fraudstream.engine.records import Record, records_of
from fraudstream.tracing.context import (
    TRACESTATE_CHARACTERS_MAX,
    TraceContext,
    context_of,
    parse_context,
    sampled_context_of,
)
from fraudstream.tracing.current import current_context, working_for

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
MALFORMED = [
    "",
    "00",
    f"00-{TRACE}-{SPAN}",
    f"00-{TRACE.upper()}-{SPAN}-01",
    f"00-{'0' * 32}-{SPAN}-01",
    f"00-{TRACE}-{'0' * 16}-01",
    f"ff-{TRACE}-{SPAN}-01",
    f"00-{TRACE}-{SPAN}-01-more",
    f"00-{TRACE}-{SPAN}-0x",
    f"00-{TRACE}-{SPAN}-01\n",
    f"00-{TRACE[:-1]}é-{SPAN}-01",
    "x" * 10_000,
]


@pytest.mark.parametrize(("flags", "sampled"), [("00", False), ("01", True), ("02", False), ("03", True), ("ff", True)])
def test_the_last_bit_of_the_flags_says_whether_a_trace_is_recorded(flags: str, sampled: bool) -> None:
    assert parse_context(f"00-{TRACE}-{SPAN}-{flags}") == TraceContext(TRACE, SPAN, sampled)


def test_a_later_version_is_read_as_far_as_version_00_goes() -> None:
    found = parse_context(f"cc-{TRACE}-{SPAN}-01-what-the-future-brings")
    assert found is not None
    assert found.traceparent == f"00-{TRACE}-{SPAN}-01"


@pytest.mark.parametrize("header", MALFORMED)
def test_a_malformed_header_counts_as_none(header: str) -> None:
    assert parse_context(header) is None
    assert context_of([("traceparent", header.encode())]) is None


def test_a_tracestate_that_is_too_long_or_no_text_is_dropped_and_the_trace_goes_on() -> None:
    parent = f"00-{TRACE}-{SPAN}-01"
    for state in ("v=" + "x" * TRACESTATE_CHARACTERS_MAX, "v=\x00", "v=é"):
        assert parse_context(parent, state) == TraceContext(TRACE, SPAN, True)
    assert parse_context(parent, "a=1,b=2") == TraceContext(TRACE, SPAN, True, "a=1,b=2")


def test_headers_of_a_context_are_read_back_and_the_last_of_a_name_counts() -> None:
    context = TraceContext(TRACE, SPAN, True, "a=1")
    other = TraceContext("a" * 32, "b" * 16, False)
    assert context_of(context.headers()) == context
    assert context_of([*context.headers(), *other.headers()]) == TraceContext("a" * 32, "b" * 16, False, "a=1")
    assert sampled_context_of([*context.headers(), *other.headers()]) is None
    assert context_of([("traceparent", None)]) is None


_digits = st.text("0123456789abcdefABCDEFxg-", min_size=2, max_size=2)
_headers = st.lists(
    st.one_of(
        _digits.map(lambda flags: ("traceparent", f"00-{TRACE}-{SPAN}-{flags}".encode())),
        st.sampled_from(MALFORMED).map(lambda text: ("traceparent", text.encode())),
        st.tuples(st.sampled_from(["tracestate", "traceparenT", "source"]), st.binary(max_size=60)),
    ),
    max_size=3,
)


@given(st.lists(_headers, min_size=1, max_size=4))
def test_the_compiled_look_at_headers_finds_every_sampled_trace(of_records: list[list[tuple[str, bytes]]]) -> None:
    """It may find more: a header whose other parts are malformed is only dropped when it is parsed."""
    found = indices_of(records_of([Record(k, 0, b"k", b"v", headers) for k, headers in enumerate(of_records)]), TRACED)
    for number, headers in enumerate(of_records):
        context = context_of(headers)
        if context is not None:
            assert (number in found) == context.sampled


def test_the_current_trace_is_that_of_the_innermost_block() -> None:
    outer, inner = TraceContext(TRACE, SPAN), TraceContext("a" * 32, "b" * 16)
    assert current_context() is None
    with working_for(outer):
        with working_for(inner):
            assert current_context() == inner
        assert current_context() == outer
    assert current_context() is None

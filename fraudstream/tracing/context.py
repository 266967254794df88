"""W3C Trace Context in the headers of records and requests: https://www.w3.org/TR/trace-context/ (level 1).

A header that does not follow the specification counts as none: it must never cost a payment its decision.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from fraudstream.tracing.header_names import TRACEPARENT_HEADER, TRACESTATE_HEADER

TRACESTATE_CHARACTERS_MAX: Final = 512  # what the specification asks everybody to forward; longer ones are dropped

_TRACEPARENT: Final = re.compile(
    r"(?P<version>(?!ff)[0-9a-f]{2})-(?P<trace>(?!0{32})[0-9a-f]{32})-(?P<span>(?!0{16})[0-9a-f]{16})"
    r"-(?P<flags>[0-9a-f]{2})(?P<more>-.*)?",
    re.ASCII | re.DOTALL,
)
_TRACESTATE: Final = re.compile(r"[\x20-\x7e]*", re.ASCII)


class TraceContext(NamedTuple):
    """A span that others refer to. `trace_id`: 32 lower-case hex digits, `span_id`: 16. `sampled`: whether its trace is
    recorded. `state`: the entries of the systems that the trace has passed, as `tracestate` has them."""

    trace_id: str
    span_id: str
    sampled: bool = True
    state: str = ""

    @property
    def traceparent(self) -> str:
        """The value of the header `traceparent`, version 00."""
        return f"00-{self.trace_id}-{self.span_id}-{'01' if self.sampled else '00'}"

    def headers(self) -> tuple[tuple[str, bytes], ...]:
        """The headers of a record that belongs to this span.

        >>> parse_context("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").headers()
        (('traceparent', b'00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'),)
        """
        parent = (TRACEPARENT_HEADER, self.traceparent.encode())
        return (parent, (TRACESTATE_HEADER, self.state.encode())) if self.state else (parent,)


def parse_context(traceparent: str, tracestate: str = "") -> TraceContext | None:
    """The context in the values of the two headers; None if `traceparent` is not valid. A `tracestate` that is too
    long or no ASCII text is dropped.

    >>> parse_context("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").sampled
    True
    >>> parse_context("00-00000000000000000000000000000000-00f067aa0ba902b7-01") is None
    True
    """
    found = _TRACEPARENT.fullmatch(traceparent.strip(" \t"))
    if found is None or (found["version"] == "00" and found["more"] is not None):
        return None
    state = tracestate.strip(" \t")
    if len(state) > TRACESTATE_CHARACTERS_MAX or not _TRACESTATE.fullmatch(state):
        state = ""
    return TraceContext(found["trace"], found["span"], bool(int(found["flags"], 16) & 1), state)


def context_of(headers: Iterable[tuple[str, bytes | None]]) -> TraceContext | None:
    """The context in the headers of a record; None if they have none that is valid. Of several headers of one name the
    last counts.

    >>> context_of([("source", b"3:17")]) is None
    True
    """
    found = dict(headers)
    parent = found.get(TRACEPARENT_HEADER)
    if parent is None:
        return None
    state = found.get(TRACESTATE_HEADER) or b""
    return parse_context(parent.decode("ascii", errors="replace"), state.decode("ascii", errors="replace"))


def sampled_context_of(headers: Iterable[tuple[str, bytes | None]]) -> TraceContext | None:
    """As `context_of`; None, too, if its trace is not recorded: such a trace is not carried on."""
    context = context_of(headers)
    return context if context is not None and context.sampled else None

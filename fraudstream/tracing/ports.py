"""How the parts of the program record spans: `cli` passes a `Tracer`; without one, contexts are carried on as they are.

A span ends exactly once. No method raises, waits or does I/O: a trace never influences what it shows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal, Protocol, TypeAlias

from fraudstream.tracing.context import TraceContext

Kind: TypeAlias = Literal["consumer", "producer"]
Attributes: TypeAlias = Mapping[str, str | int | float | bool]

NO_ATTRIBUTES: Final[Attributes] = {}


class Span(Protocol):
    """A piece of work in a trace."""

    @property
    def context(self) -> TraceContext:
        """What work that follows refers to."""

    def end(self, attributes: Attributes = NO_ATTRIBUTES, error: str | None = None) -> None:
        """The work has ended. `error`: why it failed, if it did."""


class Tracer(Protocol):
    """Starts spans, under the names and attributes of OpenTelemetry's semantic conventions. `began_ns`: when the work
    began, ns since the epoch; None: now."""

    def request(self, name: str, parent: TraceContext | None, attributes: Attributes) -> Span | None:
        """The span of a request that is answered; None if its trace is not recorded. `parent`: what the request refers
        to; it says whether the trace is recorded, and without one the ratio of the settings does."""

    def child(
        self, name: str, kind: Kind, parent: TraceContext, attributes: Attributes, began_ns: int | None = None
    ) -> Span:
        """A span in the trace of `parent`, which is sampled."""

    def batch(self, name: str, links: Sequence[TraceContext], attributes: Attributes, began_ns: int) -> Span:
        """The span of work on several records, in a trace of its own. `links`: the contexts of those of the records
        whose traces are recorded, at least one."""


class _Carried:
    """A span that is not recorded: what follows refers to the span before it."""

    def __init__(self, context: TraceContext) -> None:
        self.context = context

    def end(self, attributes: Attributes = NO_ATTRIBUTES, error: str | None = None) -> None:
        """Ignored."""


class Untraced:
    """The tracer that records nothing: a sampled context is carried on unchanged."""

    def request(self, name: str, parent: TraceContext | None, attributes: Attributes) -> Span | None:
        """The parent, if it is sampled."""
        return None if parent is None or not parent.sampled else _Carried(parent)

    def child(
        self, name: str, kind: Kind, parent: TraceContext, attributes: Attributes, began_ns: int | None = None
    ) -> Span:
        """The parent."""
        return _Carried(parent)

    def batch(self, name: str, links: Sequence[TraceContext], attributes: Attributes, began_ns: int) -> Span:
        """Nothing refers to it."""
        return _Carried(links[0])


UNTRACED: Final = Untraced()

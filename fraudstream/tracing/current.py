"""The trace that the running code works for, so that log lines can name it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from fraudstream.tracing.context import TraceContext

_current: ContextVar[TraceContext | None] = ContextVar("trace", default=None)


def current_context() -> TraceContext | None:
    """The context of the innermost `working_for` of this task or thread; None outside."""
    return _current.get()


@contextmanager
def working_for(context: TraceContext | None) -> Iterator[None]:
    """Within the block, `current_context` is `context`."""
    token = _current.set(context)
    try:
        yield
    finally:
        _current.reset(token)

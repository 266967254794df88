"""The span of a request: a trace begins here, or continues that of the caller's header `traceparent`."""

from __future__ import annotations

from starlette.types import Scope

from fraudstream.tracing.context import TraceContext, parse_context
from fraudstream.tracing.header_names import TRACEPARENT_HEADER, TRACESTATE_HEADER
from fraudstream.tracing.ports import Span, Tracer

_TRACEPARENT, _TRACESTATE = TRACEPARENT_HEADER.encode(), TRACESTATE_HEADER.encode()


def request_span(tracer: Tracer, route: str, scope: Scope) -> Span | None:
    """The span of a request that begins now; None if its trace is not recorded."""
    method = scope["method"]
    attributes = {"http.request.method": method, "http.route": route, "url.scheme": scope["scheme"]}
    return tracer.request(f"{method} {route}", _caller(scope), attributes)


def _caller(scope: Scope) -> TraceContext | None:
    """The span of the caller; None if the request names none, or not as the specification says."""
    if all(name != _TRACEPARENT for name, _ in scope["headers"]):
        return None
    headers = dict(scope["headers"])
    parent = headers[_TRACEPARENT]
    return parse_context(parent.decode("latin-1"), headers.get(_TRACESTATE, b"").decode("latin-1"))


def end_request(span: Span, status: int) -> None:
    """The request was answered with this HTTP status; of 500 and above, the span has failed."""
    span.end({"http.response.status_code": status}, str(status) if status >= 500 else None)

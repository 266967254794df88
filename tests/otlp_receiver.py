"""A receiver of traces by OTLP over HTTP, and spans in one form, whether they were received or exported to a file."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class ExportedSpan(NamedTuple):
    """`kind`: the number of the protocol: 2 server, 4 producer, 5 consumer. `links`: trace and span ids."""

    service: str
    name: str
    kind: int
    trace_id: str
    span_id: str
    parent_id: str
    began_ns: int
    ended_ns: int
    attributes: Mapping[str, Any]
    links: tuple[tuple[str, str], ...]
    error: str | None


class OtlpReceiver:
    """`url`: of the collector that this seems to be. `spans`: those received. `status`: what it answers."""

    def __init__(self) -> None:
        self.spans: list[ExportedSpan] = []
        self.resources: list[Mapping[str, Any]] = []
        self.status = 200
        self.url = ""

    def take(self, body: bytes) -> None:
        request = ExportTraceServiceRequest.FromString(body)
        for part in request.resource_spans:
            self.resources.append({each.key: each.value.string_value for each in part.resource.attributes})
        # The ids are bytes, which the library's JSON has in Base64; OTLP's own JSON has them in hexadecimal.
        found = MessageToDict(request)
        for part, sent in zip(found.get("resourceSpans", ()), request.resource_spans, strict=True):
            for scope, sent_scope in zip(part["scopeSpans"], sent.scope_spans, strict=True):
                for span, sent_span in zip(scope["spans"], sent_scope.spans, strict=True):
                    span |= {
                        "traceId": sent_span.trace_id.hex(),
                        "spanId": sent_span.span_id.hex(),
                        "parentSpanId": sent_span.parent_span_id.hex(),
                        "kind": sent_span.kind,
                        "links": [
                            {"traceId": link.trace_id.hex(), "spanId": link.span_id.hex()} for link in sent_span.links
                        ],
                    }
        self.spans += spans_of(found)


@contextmanager
def otlp_receiver() -> Iterator[OtlpReceiver]:
    """Receives on loopback until the block ends."""
    receiver = OtlpReceiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            if self.path == "/v1/traces" and receiver.status == 200:
                receiver.take(body)
            self.send_response(receiver.status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def spans_of_file(path: Path) -> list[ExportedSpan]:
    """The spans in a file of a collector's file exporter: OTLP's JSON, one request a line."""
    lines = path.read_text().splitlines() if path.exists() else []
    return [span for line in lines if line.endswith("}") for span in spans_of(json.loads(line))]


def spans_of(request: Mapping[str, Any]) -> Iterable[ExportedSpan]:
    """The spans of a request in OTLP's JSON."""
    for part in request.get("resourceSpans", ()):
        resource = _attributes(part["resource"].get("attributes", ()))
        for scope in part["scopeSpans"]:
            for span in scope["spans"]:
                status = span.get("status", {})
                yield ExportedSpan(
                    service=str(resource["service.name"]),
                    name=span["name"],
                    kind=span["kind"],
                    trace_id=span["traceId"],
                    span_id=span["spanId"],
                    parent_id=span.get("parentSpanId", ""),
                    began_ns=int(span["startTimeUnixNano"]),
                    ended_ns=int(span["endTimeUnixNano"]),
                    attributes=_attributes(span.get("attributes", ())),
                    links=tuple((link["traceId"], link["spanId"]) for link in span.get("links", ())),
                    error=status.get("message", "") if status.get("code") in (2, "STATUS_CODE_ERROR") else None,
                )


def _attributes(found: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Attributes as plain values; whole numbers are texts in OTLP's JSON."""
    return {
        each["key"]: int(value) if kind == "intValue" else value
        for each in found
        for kind, value in each["value"].items()
    }

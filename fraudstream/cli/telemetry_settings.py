"""[telemetry]: traces."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta


class TelemetrySettings(msgspec.Struct, frozen=True):
    """[telemetry]"""

    otlp_endpoint: Annotated[
        Annotated[str, Meta(pattern="^https?://[^/ ]+")] | None,
        Meta(
            description=(
                "base URL of an OpenTelemetry collector (OTLP over HTTP) that takes traces: http://collector:4318; by "
                "default OTEL_EXPORTER_OTLP_ENDPOINT, and without both no spans are recorded"
            )
        ),
    ] = None
    sample_ratio: Annotated[
        float,
        Meta(
            ge=0,
            le=1,
            description=(
                "share of the gateway's requests that begin a trace, 0 to 1; of a request with a traceparent its "
                "sampled flag decides"
            ),
        ),
    ] = 0.01

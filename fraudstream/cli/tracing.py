"""The tracer of a long-running command: that of OpenTelemetry where the settings name a collector."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from fraudstream import __version__
from fraudstream.cli.failure import Failure
from fraudstream.cli.settings import Settings
from fraudstream.supervision import exit_codes
from fraudstream.tracing.ports import UNTRACED, Tracer

if TYPE_CHECKING:
    from fraudstream.telemetry.span_metrics import SpanMetrics

ENDPOINT_VARIABLE: Final = "OTEL_EXPORTER_OTLP_ENDPOINT"  # the specification's; settings of our own are over it

log = logging.getLogger(__name__)


@contextmanager
def tracing(settings: Settings, process: str, metrics: SpanMetrics) -> Iterator[Tracer]:
    """A tracer until the block ends. `process`: the kind of process, for the name of the service. Raises `Failure`
    where the settings name a collector and a package is missing. The standard variable, which may be meant for other
    programs of the host, then only makes a warning."""
    own = settings.telemetry.otlp_endpoint
    endpoint = own or os.environ.get(ENDPOINT_VARIABLE)
    if not endpoint:
        yield UNTRACED
        return
    try:
        from fraudstream.telemetry.traces import open_tracer
    except ModuleNotFoundError as error:
        sentence = f"traces need more packages ({error.name}): pip install 'fraudstream[telemetry]'"
        if own:
            raise Failure(f"{sentence}, or remove telemetry.otlp_endpoint.", exit_codes.REFUSED) from error
        log.warning("%s is set, and no spans are recorded: %s", ENDPOINT_VARIABLE, sentence)
        yield UNTRACED
        return
    ratio = settings.telemetry.sample_ratio
    tracer = open_tracer(endpoint, process=process, version=__version__, sample_ratio=ratio, metrics=metrics)
    log.info("traces go to %s", endpoint)
    try:
        yield tracer
    finally:
        tracer.close()

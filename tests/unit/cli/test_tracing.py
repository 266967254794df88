"""Where a command's spans go."""

from __future__ import annotations

import sys

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from fraudstream.cli.failure import Failure
from fraudstream.cli.settings import Settings
from fraudstream.cli.telemetry_settings import TelemetrySettings
from fraudstream.cli.tracing import ENDPOINT_VARIABLE, tracing
from fraudstream.supervision import exit_codes
from fraudstream.telemetry.metrics import Definitions
from fraudstream.telemetry.span_metrics import SpanMetrics
from fraudstream.tracing.ports import UNTRACED
from tests.otlp_receiver import otlp_receiver
from tests.recorded_spans import CALLER


def settings(endpoint: str | None = None, ratio: float = 1.0) -> Settings:
    telemetry = TelemetrySettings(otlp_endpoint=endpoint, sample_ratio=ratio)
    return msgspec.structs.replace(Settings(), telemetry=telemetry)


@pytest.fixture
def metrics(monkeypatch: pytest.MonkeyPatch) -> SpanMetrics:
    monkeypatch.delenv(ENDPOINT_VARIABLE, raising=False)
    return SpanMetrics(Definitions(CollectorRegistry()))


def test_without_a_collector_nothing_is_recorded(metrics: SpanMetrics) -> None:
    with tracing(settings(), "worker", metrics) as tracer:
        assert tracer is UNTRACED


def test_spans_go_to_the_collector_of_the_settings_over_that_of_the_standard_variable(
    metrics: SpanMetrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    with otlp_receiver() as ours, otlp_receiver() as standard:
        monkeypatch.setenv(ENDPOINT_VARIABLE, standard.url)
        for endpoint in (None, ours.url):
            with tracing(settings(endpoint), "cases", metrics) as tracer:
                tracer.child("process alerts", "consumer", CALLER, {}).end()
    assert [span.service for span in standard.spans] == ["fraudstream-cases"]
    assert [span.service for span in ours.spans] == ["fraudstream-cases"]


@pytest.fixture
def without_sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "fraudstream.telemetry.traces", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.resources", None)


@pytest.mark.usefixtures("without_sdk")
def test_a_missing_package_is_named_with_the_command_that_installs_it(metrics: SpanMetrics) -> None:
    with (
        pytest.raises(Failure, match=r"fraudstream\[telemetry\]") as failure,
        tracing(settings("http://127.0.0.1:1"), "worker", metrics),
    ):
        pass
    assert failure.value.code == exit_codes.REFUSED


@pytest.mark.usefixtures("without_sdk")
def test_a_variable_that_is_meant_for_others_stops_no_process(
    metrics: SpanMetrics, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(ENDPOINT_VARIABLE, "http://127.0.0.1:1")
    with tracing(settings(), "worker", metrics) as tracer:
        assert tracer is UNTRACED
    assert "pip install 'fraudstream[telemetry]'" in caplog.text

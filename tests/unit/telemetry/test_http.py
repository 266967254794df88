"""The answers of the telemetry port to Prometheus, a supervisor and a load balancer."""

import urllib.error
import urllib.request

import pytest
from prometheus_client import CollectorRegistry, Counter

from fraudstream.telemetry import http


def get(url: str, accept: str = "") -> tuple[int, str, str]:
    request = urllib.request.Request(url, headers={"Accept": accept} if accept else {})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read().decode()
    except urllib.error.HTTPError as answer:
        return answer.code, answer.headers["Content-Type"], answer.read().decode()


def all_well() -> None:
    return None


def test_metrics_are_served_as_text_and_as_openmetrics() -> None:
    registry = CollectorRegistry()
    Counter("payments", "Payments.", registry=registry).inc(3)
    with http.serving(registry, all_well, all_well) as url:
        status, kind, text = get(f"{url}/metrics")
        assert (status, "payments_total 3.0" in text) == (200, True)
        assert kind.startswith("text/plain")
        status, kind, text = get(f"{url}/metrics", "application/openmetrics-text; version=1.0.0")
        assert kind.startswith("application/openmetrics-text")
        assert text.endswith("# EOF\n")


def test_a_fault_is_a_503_with_its_sentence() -> None:
    faults: list[str | None] = [None, "recovering partition 3: 500 records left"]
    with http.serving(CollectorRegistry(), all_well, faults.pop) as url:
        assert get(f"{url}/readyz")[::2] == (503, "recovering partition 3: 500 records left\n")
        assert get(f"{url}/readyz")[::2] == (200, "ok\n")
        assert get(f"{url}/healthz")[::2] == (200, "ok\n")


def test_an_unknown_page_names_the_known_ones() -> None:
    with http.serving(CollectorRegistry(), all_well, all_well) as url:
        status, _, text = get(f"{url}/")
    assert status == 404
    assert "/metrics, /healthz, /readyz" in text


def test_the_port_is_free_again_after_the_block() -> None:
    with http.serving(CollectorRegistry(), all_well, all_well) as url:
        pass
    port = int(url.rsplit(":", 1)[1])
    with http.serving(CollectorRegistry(), all_well, all_well, port=port) as again:
        assert again == url


def test_a_taken_port_is_an_error() -> None:
    with http.serving(CollectorRegistry(), all_well, all_well) as url:
        port = int(url.rsplit(":", 1)[1])
        with pytest.raises(OSError, match="in use"), http.serving(CollectorRegistry(), all_well, all_well, port=port):
            pass

"""The metrics of webhooks, and when their process is ready."""

from prometheus_client import CollectorRegistry

from fraudstream.telemetry.webhooks import WebhookTelemetry
from fraudstream.webhooks.observer import Observer


def test_every_event_is_counted_by_endpoint() -> None:
    registry = CollectorRegistry()
    observer: Observer = WebhookTelemetry(registry, version="1.2.3", endpoints=["tool", "chat"])
    observer.on_delivered("tool", kind="alert", seconds=0.1)
    observer.on_failed("tool", seconds=0.2)
    observer.on_undelivered("tool")
    observer.on_pending("tool", events=3, oldest_ms=1_500)
    observer.on_lag("tool", records=7)
    observer.on_gone("chat")

    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(f"fraudstream_webhooks_{name}", labels)

    assert value("delivered_total", endpoint="tool", event="alert") == 1
    assert value("failed_attempts_total", endpoint="tool") == 1
    assert (value("undelivered_total", endpoint="tool"), value("undelivered_total", endpoint="chat")) == (1, 0)
    assert (value("pending", endpoint="tool"), value("oldest_seconds", endpoint="tool")) == (3, 1.5)
    assert value("lag_records", endpoint="tool") == 7
    assert (value("gone", endpoint="chat"), value("gone", endpoint="tool")) == (1, 0)
    assert value("attempt_seconds_count", endpoint="tool") == 2


def test_the_process_is_ready_once_every_endpoint_reads() -> None:
    telemetry = WebhookTelemetry(CollectorRegistry(), version="1.2.3", endpoints=["tool", "chat"])
    assert telemetry.ready() == "the topics are not read yet for chat, tool"
    telemetry.on_brokers("tool", answer=True)
    assert telemetry.ready() == "the topics are not read yet for chat"
    telemetry.on_brokers("chat", answer=True)
    assert telemetry.ready() is None
    telemetry.on_brokers("chat", answer=False)
    telemetry.on_brokers("chat", answer=True)
    assert (telemetry.ready(), telemetry.healthy(), telemetry.notes()) == (None, None, None)

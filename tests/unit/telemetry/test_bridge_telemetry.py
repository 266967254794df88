from __future__ import annotations

from prometheus_client import CollectorRegistry, generate_latest

from fraudstream.telemetry.bridge import BridgeTelemetry


def test_a_bridge_counts_what_it_did_from_zero_on_and_is_ready_once_it_has_partitions() -> None:
    telemetry = BridgeTelemetry(CollectorRegistry(), version="1", reasons=["format", "amount"])
    assert telemetry.ready() == "the group has not assigned partitions yet"
    assert 'fraudstream_bridge_refused_messages_total{reason="amount"} 0.0' in exported(telemetry)
    telemetry.on_assigned(2)
    telemetry.on_step(1, messages=3, payments=4, excluded=1, refused={"format": 1}, seconds=0.02)
    telemetry.on_lag(1, lag=7)
    telemetry.on_missing(1, messages=9)
    assert telemetry.ready() is None
    text = exported(telemetry)
    for line in (
        "fraudstream_bridge_partitions 2.0",
        'fraudstream_bridge_messages_total{partition="1"} 3.0',
        'fraudstream_bridge_payments_total{partition="1"} 4.0',
        "fraudstream_bridge_excluded_transactions_total 1.0",
        'fraudstream_bridge_refused_messages_total{reason="format"} 1.0',
        'fraudstream_bridge_lag_messages{partition="1"} 7.0',
        'fraudstream_bridge_missing_messages_total{partition="1"} 9.0',
        "fraudstream_bridge_step_seconds_count 1.0",
    ):
        assert line in text, line


def exported(telemetry: BridgeTelemetry) -> str:
    return generate_latest(telemetry.registry).decode()

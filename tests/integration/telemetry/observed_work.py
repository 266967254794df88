"""Work that each process could have done, reported to its telemetry so that its metrics have samples."""

from __future__ import annotations

import time

import numpy as np

from fraudstream.kafka.open_transactions import OpenTransaction, StableEnd
from fraudstream.stream.observer import JudgedBatch
from fraudstream.telemetry.backups import BackupTelemetry
from fraudstream.telemetry.cases import CasesTelemetry
from fraudstream.telemetry.gateway import GatewayTelemetry
from fraudstream.telemetry.history import HistoryTelemetry
from fraudstream.telemetry.worker import WorkerTelemetry


def of_a_worker(telemetry: WorkerTelemetry) -> None:
    """Report a batch and a checkpoint of a stage."""
    stage = telemetry.of_stage("account")
    stage.on_start(stage="account", checkpoint_mode="batch", rule_set="cafe", layout="babe")
    stage.on_assigned([0])
    stage.on_recovery(0, seconds=0.1, records=5, size=500, next_offset=0)
    stage.on_standby({1: 5})
    stage.on_batch(
        0,
        JudgedBatch(
            records=4,
            payments=3,
            decisions={"allow": 2, "review": 1},
            labels=2,
            labels_unmatched={"expired": 1},
            label_lag_ms=np.array([86_400_000.0]),
            repeats=0,
            altered=0,
            late=0,
            unmatched=0,
            without_rate={},
            alerts=1,
            alert_rules={("mule/in_and_out", "high"): 1},
            scores=np.array([0.0, 0.01, 0.9]),
            shadow_scores={"trees": np.array([0.0, 0.2, 0.8])},
            shadow_alerts={("trees", "alert"): 1, ("trees", "none"): 0},
            shadow_rules={"mule/night": 1},
            dead_letters={"not_json": 1},
            dropped=0,
            since_occurred_ms=np.array([1.0, 2.0, 3.0]),
            since_arrival_ms=np.array([1.0, 2.0, 3.0]),
            seconds=0.001,
            watermark_ms=1_700_000_000_000,
            rows=1,
            size=4096,
        ),
    )
    stage.on_lag(0, lag=0)
    stage.on_misplaced(0, records=1, policy="repartition")
    stage.on_records_missing(0, records=5)
    stage.on_open_transactions({0: OpenTransaction(StableEnd("payments", 0, 4, 6), time.monotonic(), 0)})
    stage.on_checkpoint(0, seconds=0.01, records=2, size=300, next_offset=4)


def of_a_case_agent(telemetry: CasesTelemetry) -> None:
    """Report an alert, an action and a refused one."""
    telemetry.on_assigned([0])
    telemetry.on_alert(0, severity="high", opened=True)
    telemetry.on_action(0, action="close")
    telemetry.on_rejected(0, code="closed")
    telemetry.on_open_cases(0, cases=1)
    telemetry.on_service_levels(0, levels={("takeover", "breached"): 1})
    telemetry.on_view(behind=0, lost=False)


def of_a_gateway(telemetry: GatewayTelemetry) -> None:
    """Report an answered request, one that was turned away, and a decision that came too late."""
    telemetry.measure(in_flight=lambda: 1, unready=lambda: None)
    telemetry.on_request(200)
    telemetry.on_turned_away("checkout", "rate")
    telemetry.on_answer("allow", 0.012)
    telemetry.on_late_reply()
    telemetry.on_brokers(answer=True)


def of_a_history_writer(telemetry: HistoryTelemetry) -> None:
    """Report rows, records that were left out, and a commit."""
    telemetry.on_brokers(answer=True)
    telemetry.on_records("payments", rows={"payments": 3}, skipped={"not_json": 1})
    telemetry.on_lag("payments", 0, lag=2)
    telemetry.on_missing("payments", records=1)
    telemetry.on_commit({"payments": (1, 3, 4096)}, seconds=0.2, expired=0)


def of_backups(telemetry: BackupTelemetry) -> None:
    """Report a whole backup and a failed one."""
    telemetry.on_start(newest_at_ms=1_700_000_000_000)
    telemetry.on_backup(at_ms=1_700_000_100_000, rows=10, size=4096, seconds=1.5)
    telemetry.on_failed()

"""What a worker's metrics show after what the worker has reported to them."""

import asyncio
import time
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.exposition import generate_latest

from fraudstream.kafka.open_transactions import OpenTransaction, StableEnd
from fraudstream.stream.observer import ForwardedBatch, JudgedBatch, Observer, StageObserver
from fraudstream.telemetry.score_bins import NAMES
from fraudstream.telemetry.worker import WorkerTelemetry
from tests.recorded_spans import TRACE_ID


class Clock:
    """Stands still until `now` is moved."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = float(int(time.monotonic()))  # so that differences of whole seconds are exact
        monkeypatch.setattr("time.monotonic", lambda: self.now)


class Worker:
    """A worker that reports a plausible run; `value` reads a sample as Prometheus would."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.telemetry = WorkerTelemetry(
            self.registry, version="1.2.3", reasons=["not_json", "invalid"], label_causes=["expired", "unknown"]
        )
        observer: Observer = self.telemetry  # mypy holds one to the other here
        self.observer: StageObserver = observer.of_stage("account")

    def value(self, name: str, **labels: str) -> float | None:
        """Of the account stage, where a metric has a label for the stage."""
        whole = self.registry.get_sample_value(f"fraudstream_{name}", labels)
        return (
            whole
            if whole is not None
            else self.registry.get_sample_value(f"fraudstream_{name}", {**labels, "stage": "account"})
        )

    def starts(self) -> None:
        self.observer.on_start(stage="account", checkpoint_mode="transaction", rule_set="cafe", layout="babe")

    def recovers(self, partition: int) -> None:
        self.observer.on_recovery(partition, seconds=0.5, records=100, size=4096, next_offset=7)

    def judges(
        self,
        partition: int = 0,
        latencies_ms: tuple[float, ...] = (1.5, 3.0),
        watermark_ms: int = 1,
        trace_ids: Mapping[int, str] = MappingProxyType({}),
    ) -> None:
        latencies = np.array(latencies_ms)
        self.observer.on_batch(
            partition,
            JudgedBatch(
                records=5,
                payments=len(latencies_ms),
                decisions={"allow": len(latencies_ms) - 1, "block": 1},
                labels=2,
                labels_unmatched={"expired": 1},
                label_lag_ms=np.array([7 * 86_400_000.0]),
                repeats=1,
                altered=1,
                late=1,
                unmatched=1,
                without_rate={"JPY": 3},
                alerts=1,
                alert_rules={("takeover/new_device", "high"): 1, ("mule/in_and_out", "medium"): 1},
                scores=np.linspace(0.0, 1.0, len(latencies_ms)),
                shadow_scores={"trees": np.array([0.0, 0.3])},
                shadow_alerts={("trees", "alert"): 1, ("trees", "none"): 2},
                shadow_rules={"mule/night": 3},
                dead_letters={"not_json": 1},
                dropped=0,
                since_occurred_ms=latencies + 1000.0,
                since_arrival_ms=latencies,
                seconds=0.002,
                watermark_ms=watermark_ms,
                rows=10,
                size=8192,
                trace_ids=trace_ids,
            ),
        )


@pytest.fixture
def worker() -> Worker:
    return Worker()


def test_the_latency_of_a_payment_with_a_trace_is_an_exemplar(worker: Worker) -> None:
    worker.judges(trace_ids={1: TRACE_ID})
    text = generate_latest(worker.registry).decode()  # type: ignore[no-untyped-call]
    (bucket,) = (line for line in text.splitlines() if "since_arrival_seconds_bucket" in line and "#" in line)
    assert bucket.startswith('fraudstream_since_arrival_seconds_bucket{le="0.003"} 2')
    assert f'# {{trace_id="{TRACE_ID}"}} 0.003' in bucket


def test_a_batch_counts_everything_it_brought(worker: Worker) -> None:
    worker.judges()
    worker.judges()
    for name, expected in {
        "records_total": 10,
        "payments_total": 4,
        "alerts_total": 2,
        "labels_total": 4,
        "label_lag_seconds_sum": 2 * 7 * 86_400,
        "repeated_payments_total": 2,
        "altered_payments_total": 2,
        "late_payments_total": 2,
        "unmatched_payments_total": 2,
        "batch_records_sum": 10,
        "batch_seconds_count": 2,
    }.items():
        assert worker.value(name) == expected, name
    assert worker.value("alert_rules_total", rule="takeover/new_device", severity="high") == 2
    assert worker.value("decisions_total", outcome="allow") == 2
    assert worker.value("labels_unmatched_total", cause="expired") == 2
    assert worker.value("shadow_rules_total", rule="mule/night") == 6
    assert worker.value("payments_without_rate_total", currency="JPY") == 6
    assert worker.value("decisions_total", outcome="block") == 2
    assert worker.value("dead_letters_total", reason="not_json") == 2
    assert worker.value("state_rows", partition="0") == 10
    assert worker.value("state_bytes", partition="0") == 8192


def test_shadow_scores_are_counted_beside_the_live_ones(worker: Worker) -> None:
    worker.judges()
    assert worker.value("shadow_scores_total", scorer="trees", bin="0.35") == 1
    assert worker.value("shadow_scores_total", scorer="trees", bin="0.5") == 0
    assert worker.value("shadow_alerts_total", scorer="trees", live="alert") == 1
    assert worker.value("shadow_alerts_total", scorer="trees", live="none") == 2


def test_every_payment_is_in_both_latency_histograms(worker: Worker) -> None:
    worker.judges(latencies_ms=(0.5, 1.0, 9.0))
    assert worker.value("since_arrival_seconds_bucket", le="0.001") == 2
    assert worker.value("since_arrival_seconds_bucket", le="0.01") == 3
    assert worker.value("since_arrival_seconds_sum") == pytest.approx(0.0105)
    assert worker.value("since_occurred_seconds_count") == 3
    assert worker.value("since_occurred_seconds_bucket", le="1.0") == 0


def test_a_reason_for_dead_letters_is_at_zero_before_its_first(worker: Worker) -> None:
    assert worker.value("dead_letters_total", reason="invalid") == 0
    assert worker.value("labels_unmatched_total", cause="unknown") == 0


def test_the_build_says_which_rules_and_which_checkpoints_run(worker: Worker) -> None:
    worker.starts()
    (info,) = (family for family in worker.registry.collect() if family.name == "fraudstream_build")
    labels = info.samples[0].labels
    assert labels["version"] == "1.2.3"
    assert labels["own_rule_set"] == "cafe"
    assert labels["checkpoint_mode"] == "transaction"


def test_partitions_are_counted_by_the_rule_set_in_force_in_them(worker: Worker) -> None:
    def partitions_by_rule_set() -> dict[str, float]:
        return {
            sample.labels["rule_set"]: sample.value
            for family in worker.registry.collect()
            if family.name == "fraudstream_rule_set_partitions"
            for sample in family.samples
        }

    worker.observer.on_assigned([0, 1, 2])
    assert partitions_by_rule_set() == {}
    for partition in (0, 1, 2):
        worker.observer.on_decided(partition, rule_set="cafe")
    worker.observer.on_decided(1, rule_set="babe")
    assert partitions_by_rule_set() == {"cafe": 2, "babe": 1}
    worker.observer.on_decided(0, rule_set="babe")
    worker.observer.on_assigned([0, 1])
    assert partitions_by_rule_set() == {"babe": 2}
    worker.observer.on_undecided(1, sentence="cut over to state version 2 at offset 7", backfilling=False)
    assert partitions_by_rule_set() == {"babe": 1}


def test_the_watermark_grows_old_while_nothing_comes(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: 100.0)
    worker.judges(watermark_ms=90_000)
    assert worker.value("watermark_age_seconds", partition="0") == 10.0
    monkeypatch.setattr("time.time", lambda: 130.0)
    assert worker.value("watermark_age_seconds", partition="0") == 40.0


def test_a_checkpoint_shows_its_time_and_its_size(worker: Worker) -> None:
    worker.observer.on_checkpoint(3, seconds=0.02, records=50, size=2048, next_offset=9)
    assert worker.value("checkpoint_seconds_count") == 1
    assert worker.value("checkpoint_bytes_sum") == 2048
    assert worker.value("checkpoint_records_total") == 50


def test_what_is_not_saved_grows_old_until_a_checkpoint(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    for now in (100.0, 105.0):
        monkeypatch.setattr("time.monotonic", lambda now=now: now)
        worker.judges()
    assert worker.value("unsaved_age_seconds", partition="0") == 5.0
    worker.observer.on_checkpoint(0, seconds=0.02, records=50, size=2048, next_offset=9)
    assert worker.value("unsaved_age_seconds", partition="0") == 0.0


def test_a_partition_that_left_has_no_gauges_any_more(worker: Worker) -> None:
    worker.observer.on_assigned([0, 1])
    for partition in (0, 1):
        worker.recovers(partition)
        worker.judges(partition)
        worker.observer.on_lag(partition, lag=partition)
    worker.observer.on_assigned([1])
    for name in ("lag_records", "watermark_age_seconds", "state_rows", "state_bytes", "unsaved_age_seconds"):
        assert worker.value(name, partition="0") is None, name
        assert worker.value(name, partition="1") is not None, name
    assert worker.value("assigned_partitions") == 1


def test_a_partition_that_comes_back_shows_its_state_and_its_ages_again(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    monkeypatch.setattr("time.time", lambda: 100.0)
    names = ("state_rows", "state_bytes", "unsaved_age_seconds", "watermark_age_seconds", "stalled_seconds")
    worker.observer.on_assigned([0])
    worker.recovers(0)
    worker.judges(watermark_ms=40_000)
    before = [worker.value(name, partition="0") for name in names]
    assert before == [10, 8192, 0, 60, 0]
    worker.observer.on_assigned([])
    assert [worker.value(name, partition="0") for name in names] == [None] * len(names)
    worker.observer.on_assigned([0])
    worker.recovers(0)
    worker.judges(watermark_ms=70_000)
    clock.now += 3
    assert [worker.value(name, partition="0") for name in names] == [10, 8192, 3, 30, 3]


def test_a_worker_is_ready_once_its_partitions_are_restored(worker: Worker) -> None:
    assert worker.telemetry.ready() == "waiting for partitions"
    worker.observer.on_assigned([0, 1])
    worker.recovers(1)
    assert worker.telemetry.ready() == "recovering 1 of 2 partitions, 0 %"
    assert worker.value("recovering_partitions") == 1
    worker.recovers(0)
    assert worker.telemetry.ready() is None
    assert worker.value("recovering_partitions") == 0


def test_a_standby_is_ready_and_says_how_far_behind_it_is(worker: Worker) -> None:
    worker.observer.on_assigned([])
    worker.observer.on_standby({0: None, 1: 7})
    assert worker.telemetry.ready() is None
    assert worker.telemetry.notes() == "standby for 2 partitions, reading the changelog"
    worker.observer.on_standby({0: 30, 1: 0})
    assert worker.telemetry.notes() == "standby for 2 partitions, 30 changelog records behind"
    assert worker.value("standby_lag_records", partition="0") == 30
    worker.observer.on_standby({1: 0})
    assert worker.value("standby_lag_records", partition="0") is None
    worker.observer.on_assigned([0, 1])
    worker.observer.on_standby({})
    assert worker.telemetry.notes() is None


def test_a_partition_that_comes_back_is_restored_again(worker: Worker) -> None:
    worker.observer.on_assigned([0])
    worker.recovers(0)
    worker.observer.on_assigned([])
    assert worker.telemetry.ready() is None
    worker.observer.on_assigned([0])
    assert worker.telemetry.ready() == "recovering 1 of 1 partitions, 0 %"


def test_recovery_says_how_far_it_is(worker: Worker) -> None:
    worker.observer.on_assigned(range(8))
    worker.observer.on_recovering(3, of=8, share=0.419)
    assert worker.telemetry.ready() == "recovering 3 of 8 partitions, 41 %"
    assert worker.value("recovered_ratio") == 0.419
    for partition in range(8):
        worker.recovers(partition)
    assert worker.telemetry.ready() is None
    assert worker.value("recovered_ratio") == 1.0


def test_a_worker_in_a_rebalance_is_not_ready(worker: Worker) -> None:
    worker.observer.on_assigned([0])
    worker.recovers(0)
    worker.observer.on_revoked()
    assert worker.telemetry.ready() == "waiting for partitions: the group is rebalancing"
    assert worker.telemetry.healthy() is None
    worker.observer.on_assigned([0])
    assert worker.telemetry.ready() is None


def test_brokers_that_do_not_answer_make_a_worker_unready_but_not_unhealthy(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    worker.observer.on_assigned([0])
    worker.recovers(0)
    worker.observer.on_brokers(answer=True)
    clock.now += 4
    worker.observer.on_brokers(answer=False)  # one answer that is late is no absence
    assert worker.telemetry.ready() is None
    clock.now += 3
    assert worker.telemetry.ready() == "no broker has answered for 7 s"
    assert worker.value("broker_outage_seconds") == 7
    clock.now += 600
    assert worker.telemetry.healthy() is None
    worker.observer.on_brokers(answer=True)
    assert worker.telemetry.ready() is None
    assert worker.value("broker_outage_seconds") == 0


def test_a_partition_that_stands_still_while_records_wait_is_unready_and_then_unhealthy(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    worker.observer.on_assigned([0, 1])
    worker.recovers(0)
    worker.recovers(1)
    for lag in (5, 9):  # partition 1 has nothing to do
        worker.observer.on_lag(0, lag=lag)
        worker.observer.on_lag(1, lag=0)
        clock.now += 20
    assert worker.telemetry.ready() == "partition 0 has not advanced for 40 s, while records wait in it"
    assert worker.value("stalled_seconds", partition="0") == 40
    assert worker.telemetry.healthy() is None
    worker.judges(0)
    assert worker.telemetry.ready() is None
    worker.observer.on_lag(0, lag=9)
    clock.now += 121
    worker.observer.on_lag(0, lag=9)
    worker.observer.on_lag(1, lag=0)
    assert worker.telemetry.healthy() == "partition 0 has not advanced for 121 s, while records wait in it"


def test_an_absence_of_the_brokers_is_no_standstill(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    worker.observer.on_assigned([0])
    worker.recovers(0)
    worker.observer.on_lag(0, lag=5)
    worker.observer.on_brokers(answer=False)
    clock.now += 600
    assert worker.telemetry.healthy() is None
    assert worker.value("stalled_seconds", partition="0") == 0
    worker.observer.on_brokers(answer=True)
    worker.observer.on_lag(0, lag=5)
    assert worker.telemetry.ready() is None


def test_a_worker_that_failed_says_why(worker: Worker) -> None:
    assert worker.telemetry.healthy() is None
    worker.observer.on_failure("another worker owns partition 3")
    assert worker.telemetry.healthy() == "another worker owns partition 3"


async def test_a_stuck_event_loop_is_unhealthy(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    watchdog = worker.telemetry.watchdog
    await watchdog.start()
    await asyncio.sleep(0)
    assert worker.telemetry.healthy() is None
    monkeypatch.setattr(watchdog, "_ran_at_s", time.monotonic() - 90)
    assert worker.telemetry.healthy() == "the event loop has been blocked for 90 s"
    await watchdog.stop()
    assert worker.telemetry.healthy() is None, "a loop that has ended is not stuck"


def test_rebalances_are_counted_and_timed(worker: Worker) -> None:
    worker.telemetry.on_rebalance_started()
    assert worker.value("rebalances_total") == 1
    worker.telemetry.on_rebalance_ended(seconds=0.5)
    assert worker.value("rebalance_seconds_count") == 1
    assert worker.value("rebalance_seconds_sum") == 0.5


def test_a_partition_that_never_had_a_payment_may_leave(worker: Worker) -> None:
    worker.observer.on_assigned([0])
    worker.observer.on_assigned([])
    assert worker.value("assigned_partitions") == 0


def test_a_worker_of_several_stages_is_ready_once_all_are_and_labels_them(worker: Worker) -> None:
    device = worker.telemetry.of_stage("device")
    worker.starts()
    device.on_start(stage="device", checkpoint_mode="transaction", rule_set="cafe", layout="d0d0")
    worker.observer.on_assigned([])
    assert worker.telemetry.ready() == "stage device: waiting for partitions"
    device.on_assigned([0, 1])
    for partition in (0, 1):
        device.on_recovery(partition, seconds=0.5, records=100, size=4096, next_offset=7)
    assert worker.telemetry.ready() is None
    device.on_forwarded(
        0,
        ForwardedBatch(
            records=9,
            forwarded=5,
            decisions={"unjudged": 1},
            dead_letters={"invalid": 1},
            dropped=4,
            seconds=0.1,
            watermark_ms=1,
            rows=3,
            size=10,
        ),
    )
    assert worker.value("assigned_partitions", stage="device") == 2
    assert worker.value("assigned_partitions", stage="account") == 0
    assert worker.value("records_total", stage="device") == 9
    assert worker.value("forwarded_total", stage="device") == 5
    assert worker.value("decisions_total", outcome="unjudged") == 1
    assert worker.value("resent_records_total", stage="device") == 4
    assert worker.value("batch_seconds_count", stage="device") == 1
    (info,) = (family for family in worker.registry.collect() if family.name == "fraudstream_build")
    assert info.samples[0].labels["stage"] == "account,device"


def test_a_worker_that_backfills_a_state_says_how_far_behind_it_is_until_it_decides(worker: Worker) -> None:
    worker.observer.on_assigned([0, 1])
    for partition in (0, 1):
        worker.recovers(partition)
        worker.observer.on_undecided(partition, sentence="backfilling state version 2", backfilling=True)
    assert worker.telemetry.ready() == "backfilling state version 2"
    worker.observer.on_backfilled(0, records=10, watermark_ms=1, rows=3, size=99)
    for partition in (0, 1):
        worker.observer.on_lag(partition, lag=60_000)
    assert worker.telemetry.ready() == "backfilling state version 2, 120,000 records behind"
    assert worker.value("backfill_lag_records", partition="1") == 60_000
    assert worker.value("lag_records", partition="1") is None, "nobody waits for it: that pages people"
    for partition in (0, 1):
        worker.observer.on_decided(partition, rule_set="cafe")
        worker.observer.on_lag(partition, lag=7)
    assert worker.telemetry.ready() is None
    assert worker.value("lag_records", partition="1") == 7
    assert worker.value("backfill_lag_records", partition="1") is None


def test_a_worker_whose_partitions_were_cut_over_is_not_ready_and_says_to_stop_it(worker: Worker) -> None:
    worker.observer.on_assigned([0, 1])
    for partition in (0, 1):
        worker.recovers(partition)
        worker.observer.on_lag(partition, lag=1)
    worker.observer.on_undecided(
        1, sentence="cut over to state version 2 at offset 7; stop this worker", backfilling=False
    )
    sentence = "partition 1: cut over to state version 2 at offset 7; stop this worker"
    assert worker.telemetry.ready() == sentence
    assert worker.value("cut_over_partitions") == 1
    assert worker.value("lag_records", partition="1") is None
    worker.observer.on_assigned([0])
    assert worker.telemetry.ready() is None


def test_a_stopped_partition_leaves_the_worker_healthy_and_ready_for_others(worker: Worker) -> None:
    worker.starts()
    worker.observer.on_assigned([0, 1])
    worker.recovers(0)
    worker.observer.on_lag(0, lag=0)
    worker.observer.on_stopped(1, sentence="payments-1: retention deleted the records 5 to 9.")
    assert (worker.telemetry.healthy(), worker.telemetry.ready()) == (None, None)
    assert worker.telemetry.notes() == "partition 1 is stopped: payments-1: retention deleted the records 5 to 9."
    assert worker.value("stopped_partitions") == 1
    worker.observer.on_resumed(1)
    worker.observer.on_records_missing(1, records=5)
    assert worker.telemetry.notes() is None
    assert (worker.value("stopped_partitions"), worker.value("missing_records_total")) == (0, 5)


def test_a_worker_with_nothing_but_stopped_partitions_is_not_ready_but_healthy(worker: Worker) -> None:
    worker.starts()
    worker.observer.on_assigned([1])
    worker.observer.on_stopped(1, sentence="payments-1: gone.")
    assert worker.telemetry.healthy() is None
    assert worker.telemetry.ready() == "partition 1 is stopped: payments-1: gone."
    worker.observer.on_assigned([])
    assert (worker.telemetry.ready(), worker.value("stopped_partitions")) == (None, 0)


def test_an_open_transaction_is_named_and_no_reason_to_restart(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    worker.starts()
    worker.observer.on_assigned([0])
    worker.recovers(0)
    worker.observer.on_lag(0, lag=0)
    waiting = OpenTransaction(StableEnd("payments", 0, 43, 47), clock.now, 0)
    worker.observer.on_open_transactions({0: waiting})
    assert worker.telemetry.ready() is None, "transactions are open for a moment all the time"
    clock.now += 200
    worker.observer.on_lag(0, lag=0)
    worker.observer.on_open_transactions({0: waiting})
    assert worker.telemetry.healthy() is None
    assert worker.telemetry.ready() == str(waiting)
    labels = {"partition": "0"}
    assert (worker.value("unstable_records", **labels), worker.value("open_transaction_seconds", **labels)) == (4, 200)
    worker.observer.on_open_transactions({})
    assert worker.telemetry.ready() is None
    assert worker.value("unstable_records", **labels) is None


@pytest.mark.parametrize("payments", [1, 7, 400])
def test_scores_are_counted_by_bins_whose_upper_end_is_theirs(worker: Worker, payments: int) -> None:
    scores = np.linspace(0.0, 1.0, payments)
    worker.judges(latencies_ms=(1.0,) * payments)
    low = -1.0
    for name in NAMES:
        expected = int(np.count_nonzero((scores > low) & (scores <= float(name))))
        assert worker.value("scores_total", bin=name) == expected
        low = float(name)

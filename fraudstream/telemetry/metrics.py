"""The metrics of a worker, by the names that dashboards and alert rules use.

One registry a worker, never the library's global one, so that two workers in one process do not add up.
"""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Info, ProcessCollector

from fraudstream.telemetry.array_histogram import ArrayHistogram

# From 1 ms, finest where decisions are due; the last ones are for payments that come late.
LATENCY_BOUNDS_S = (
    *(0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75),
    *(1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 600.0, 3_600.0, 86_400.0),
)
DURATION_BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
BATCH_BOUNDS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 50_000, 100_000)
BYTES_BOUNDS = tuple(1024.0 * 4**power for power in range(10))  # 1 KiB to 256 MiB


class WorkerMetrics:
    """What a worker counts. `reasons`: codes of dead letters; each stands at 0 before its first, so rates see it."""

    def __init__(self, registry: CollectorRegistry, reasons: Iterable[str] = ()) -> None:
        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"fraudstream_{name}", text, labels, registry=registry)

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(f"fraudstream_{name}", text, labels, registry=registry)

        def histogram(name: str, text: str, bounds: Iterable[float]) -> ArrayHistogram:
            return ArrayHistogram(f"fraudstream_{name}", text, tuple(bounds), registry)

        ProcessCollector(registry=registry)
        self.build = Info("fraudstream_build", "What runs here.", registry=registry)

        # What was judged.
        self.records = counter("records", "Records read from the stage's topic.")
        self.payments = counter("payments", "Payments judged, repeats included.")
        self.decisions = counter("decisions", "Decisions published.")
        self.alerts = counter("alerts", "Alerts published.")
        self.rules = counter("alert_rules", "Rules that stand in alerts.", "rule", "severity")
        self.dead_letters = counter("dead_letters", "Records that could not be judged.", "reason")
        for reason in reasons:
            self.dead_letters.labels(reason)
        self.late = counter("late_payments", "Payments older than their partition's watermark.")
        self.repeats = counter("repeated_payments", "Payments whose event_id was judged before.")
        self.labels = counter("labels", "Labels applied.")
        self.labels_unmatched = counter("labels_unmatched", "Labels whose payment is no longer, or not yet, in memory.")
        self.labels_forwarded = counter("labels_forwarded", "Records moved from the labels topic to the log.")

        # How fast.
        self.since_occurred = histogram(
            "since_occurred_seconds", "From a payment's occurred_at to its answer.", LATENCY_BOUNDS_S
        )
        self.since_arrival = histogram(
            "since_arrival_seconds", "From a payment's arrival in Kafka to its answer.", LATENCY_BOUNDS_S
        )
        self.batch_records = histogram("batch_records", "Records handled at once.", BATCH_BOUNDS)
        self.batch_seconds = histogram("batch_seconds", "Time to judge one batch.", DURATION_BOUNDS_S)

        # Where it stands.
        self.assigned = gauge("assigned_partitions", "Partitions this worker owns.")
        self.recovering = gauge("recovering_partitions", "Partitions whose memory is still being restored.")
        self.lag = gauge("lag_records", "Records behind the end of the partition.", "partition")
        self.watermark_age = gauge("watermark_age_seconds", "Now less the partition's watermark.", "partition")
        self.state_rows = gauge("state_rows", "Rows in memory.", "partition")
        self.state_bytes = gauge("state_bytes", "Bytes of the rows in memory.", "partition")

        # How safe.
        self.checkpoint_seconds = histogram("checkpoint_seconds", "Time one checkpoint took.", DURATION_BOUNDS_S)
        self.checkpoint_bytes = histogram("checkpoint_bytes", "Bytes written by one checkpoint.", BYTES_BOUNDS)
        self.checkpoint_records = counter("checkpoint_records", "Records written by checkpoints.")
        self.unsaved_age = gauge(
            "unsaved_age_seconds",
            "Age of the oldest batch no checkpoint holds: what a crash repeats.",
            "partition",
        )
        self.recovery_seconds = histogram(
            "recovery_seconds", "Time to restore one partition's memory.", DURATION_BOUNDS_S
        )
        self.recovery_records = counter("recovery_records", "Changelog records read to restore memory.")
        self.rebalances = counter("rebalances", "Rebalances of the consumer group seen by this worker.")
        self.rebalance_seconds = histogram(
            "rebalance_seconds", "Time of one rebalance, recovery included.", DURATION_BOUNDS_S
        )
        self.send_errors = counter("send_errors", "Records the producer could not deliver.")

        self.by_partition = (self.lag, self.watermark_age, self.state_rows, self.state_bytes, self.unsaved_age)

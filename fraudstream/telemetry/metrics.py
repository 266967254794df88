"""The metrics of a worker and of the case agent, by the names that dashboards and alert rules use.

Each process has a registry of its own, never the library's global one, so that two in one process do not add up.
"""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Info, ProcessCollector, disable_created_metrics

from fraudstream.telemetry.array_histogram import ArrayHistogram

# A series beside each counter for when it was made: half of all series, and nobody asks.
disable_created_metrics()  # type: ignore[no-untyped-call]

# From 1 ms, finest where decisions are due; the last ones are for payments that come late.
LATENCY_BOUNDS_S = (
    *(0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75),
    *(1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 600.0, 3_600.0, 86_400.0),
)
DURATION_BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
BATCH_BOUNDS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 50_000, 100_000)
BYTES_BOUNDS = tuple(1024.0 * 4**power for power in range(10))  # 1 KiB to 256 MiB


class Definitions:
    """Makes metrics in one registry, with our prefix."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry

    def counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"fraudstream_{name}", text, labels, registry=self.registry)

    def gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"fraudstream_{name}", text, labels, registry=self.registry)

    def histogram(self, name: str, text: str, bounds: Iterable[float], label: str | None = None) -> ArrayHistogram:
        return ArrayHistogram(f"fraudstream_{name}", text, tuple(bounds), self.registry, label)


class ProcessMetrics:
    """What worker and case agent have in common.

    `reasons`: the codes of dead letters. Each stands at 0 before its first, so that a rate sees that one too. `by`: the
    label that tells the parts of the process apart, if it has any.
    """

    def __init__(self, define: Definitions, reasons: Iterable[str], by: str | None = None) -> None:
        parts = () if by is None else (by,)
        ProcessCollector(registry=define.registry)
        self.build = Info("fraudstream_build", "What runs here.", registry=define.registry)
        self.dead_letters = define.counter("dead_letters", "Records that could not be handled.", "reason")
        for reason in reasons:
            self.dead_letters.labels(reason)
        self.lag = define.gauge("lag_records", "Records behind the end of the partition.", *parts, "partition")
        self.standstill = define.gauge(
            "standstill_seconds", "Time since the partition last moved while records waited in it.", *parts, "partition"
        )
        self.broker_silence = define.gauge(
            "broker_silence_seconds", "Time since a broker last answered; 0: they do.", *parts
        )
        self.assigned = define.gauge("assigned_partitions", "Partitions this process owns.", *parts)
        self.recovering = define.gauge(
            "recovering_partitions", "Partitions whose memory is still being restored.", *parts
        )
        self.recovered_ratio = define.gauge("recovered_ratio", "Share of the memory that is restored, 0 to 1.", *parts)
        self.recovery_seconds = define.histogram(
            "recovery_seconds", "Time to restore one partition's memory.", DURATION_BOUNDS_S, by
        )


class WorkerMetrics(ProcessMetrics):
    """What a worker counts. What has no label `stage` is counted by the stage that decides, or is of the process."""

    def __init__(self, define: Definitions, reasons: Iterable[str]) -> None:
        super().__init__(define, reasons, "stage")

        # What was judged.
        self.records = define.counter("records", "Records read from the stage's topic.", "stage")
        self.payments = define.counter("payments", "Payments judged, repeats included.")
        self.decisions = define.counter("decisions", "Decisions published.", "outcome")
        self.alerts = define.counter("alerts", "Alerts published.")
        self.rules = define.counter("alert_rules", "Rules that stand in alerts.", "rule", "severity")
        self.late = define.counter("late_payments", "Payments older than what their account's memory holds.")
        self.repeats = define.counter("repeated_payments", "Payments whose event_id was judged before.")
        self.altered = define.counter("altered_payments", "Repeated payments whose content is another.")
        self.labels = define.counter("labels", "Labels applied.")
        self.labels_unmatched = define.counter("labels_unmatched", "Labels whose payment is not in memory.")
        self.labels_forwarded = define.counter("labels_forwarded", "Records moved from the labels topic to the log.")

        self.handed_on = define.counter("handed_on", "Payments and labels sent on to the next stage.", "stage")
        self.resent = define.counter("resent_records", "Records dropped that the stage before sent again.", "stage")

        # How fast.
        self.since_occurred = define.histogram(
            "since_occurred_seconds", "From a payment's occurred_at to its answer.", LATENCY_BOUNDS_S
        )
        self.since_arrival = define.histogram(
            "since_arrival_seconds", "From a payment's arrival in Kafka to its answer.", LATENCY_BOUNDS_S
        )
        self.batch_records = define.histogram("batch_records", "Records handled at once.", BATCH_BOUNDS, "stage")
        self.batch_seconds = define.histogram("batch_seconds", "Time to judge one batch.", DURATION_BOUNDS_S, "stage")

        # Where it stands, and how safe that is.
        self.watermark_age = define.gauge(
            "watermark_age_seconds", "Now less the partition's watermark.", "stage", "partition"
        )
        self.state_rows = define.gauge("state_rows", "Rows in memory.", "stage", "partition")
        self.state_bytes = define.gauge("state_bytes", "Bytes of the rows in memory.", "stage", "partition")
        self.checkpoint_seconds = define.histogram(
            "checkpoint_seconds", "Time one checkpoint took.", DURATION_BOUNDS_S, "stage"
        )
        self.checkpoint_bytes = define.histogram(
            "checkpoint_bytes", "Bytes written by one checkpoint.", BYTES_BOUNDS, "stage"
        )
        self.checkpoint_records = define.counter("checkpoint_records", "Records written by checkpoints.", "stage")
        self.recovery_records = define.counter("recovery_records", "Changelog records read to restore memory.", "stage")
        self.unsaved_age = define.gauge(
            "unsaved_age_seconds",
            "Age of the oldest batch no checkpoint holds: what a crash repeats.",
            "stage",
            "partition",
        )
        self.backfill_lag = define.gauge(
            "backfill_lag_records", "Records that a memory which is building has not read yet.", "stage", "partition"
        )
        self.cut_over = define.gauge("cut_over_partitions", "Partitions that a newer state version decides.", "stage")
        self.rule_sets = define.gauge(
            "rule_set_partitions", "Partitions decided here, by the rules in force in them.", "stage", "rule_set"
        )
        self.rebalances = define.counter("rebalances", "Rebalances of the consumer group seen by this worker.")
        self.rebalance_seconds = define.histogram(
            "rebalance_seconds", "Time of one rebalance, recovery included.", DURATION_BOUNDS_S
        )


class CasesMetrics(ProcessMetrics):
    """What the case agent counts."""

    def __init__(self, define: Definitions, reasons: Iterable[str]) -> None:
        super().__init__(define, reasons)
        self.alerts = define.counter("case_alerts", "Alerts that joined or opened a case.", "severity")
        self.opened = define.counter("cases_opened", "Cases opened.")
        self.actions = define.counter("case_actions", "Actions of analysts that changed a case.", "action")
        self.repeats = define.counter("case_repeats", "Alerts and actions that were here before.", "kind")
        self.mismatches = define.counter("verdict_mismatches", "Alerts that came again with another verdict.")
        self.refused = define.counter("case_actions_refused", "Actions that did not fit their case.", "code")
        self.labels = define.counter("case_labels", "Labels that closed cases became.")
        self.unlabelled = define.counter("case_alerts_unlabelled", "Alerts of closed cases that got no label.")
        self.open = define.gauge("open_cases", "Cases that are not closed.", "partition")
        self.view_behind = define.gauge("view_behind_cases", "Cases that still have to reach the view in Redis.")
        self.view_lost = define.gauge("view_lost", "1 while Redis does not answer.")

"""The metrics of a worker and of the case agent, with the names that dashboards and alert rules use.

They are made in a registry of their own, never in the library's global one, so that two in one process stay separate.
"""

import platform
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Info, ProcessCollector, disable_created_metrics

from fraudstream.telemetry.array_histogram import ArrayHistogram

# The library adds a series to each counter for its creation time: half of all series, and not used.
disable_created_metrics()  # type: ignore[no-untyped-call]

# From 1 ms, finest around the usual decision times; the last ones are for late payments.
LATENCY_BOUNDS_S = (
    *(0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75),
    *(1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 600.0, 3_600.0, 86_400.0),
)
DURATION_BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
# From a minute to a year: a case closed at once, a chargeback after months.
LABEL_LAG_BOUNDS_S = tuple(
    60.0 * n for n in (1, 10, 60, 360, 1_440, 4_320, 10_080, 20_160, 43_200, 86_400, 129_600, 525_600)
)
BATCH_BOUNDS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 50_000, 100_000)
BYTES_BOUNDS = tuple(1024.0 * 4**power for power in range(10))  # 1 KiB to 256 MiB


class Definitions:
    """Makes metrics in `registry`, with the prefix `fraudstream_`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry

    def counter(self, name: str, text: str, *labels: str) -> Counter:
        """A counter; Prometheus appends `_total` to its name."""
        return Counter(f"fraudstream_{name}", text, labels, registry=self.registry)

    def gauge(self, name: str, text: str, *labels: str) -> Gauge:
        """A gauge."""
        return Gauge(f"fraudstream_{name}", text, labels, registry=self.registry)

    def histogram(self, name: str, text: str, bounds: Iterable[float], label: str | None = None) -> ArrayHistogram:
        """A histogram with these bucket bounds."""
        return ArrayHistogram(f"fraudstream_{name}", text, tuple(bounds), self.registry, label)


def describe_process(registry: CollectorRegistry, version: str) -> None:
    """Metrics of the process itself, its release among them. `version`: of fraudstream."""
    ProcessCollector(registry=registry)
    build = build_info(registry)
    build.info({"version": version, "python": platform.python_version()})


def build_info(registry: CollectorRegistry) -> Info:
    """The metric that names the release."""
    return Info("fraudstream_build", "Versions of the program and of Python.", registry=registry)


class ProcessMetrics:
    """Metrics that workers and case agents share.

    `reasons`: codes of dead letters. Each counter exists at 0 from the start, so that a rate includes its first letter.
    `by`: the label for the parts of the process, such as `stage`, if it has several.
    """

    def __init__(self, define: Definitions, reasons: Iterable[str], by: str | None = None) -> None:
        parts = () if by is None else (by,)
        ProcessCollector(registry=define.registry)
        self.build = build_info(define.registry)
        self.dead_letters = define.counter("dead_letters", "Records that could not be handled.", "reason")
        for reason in reasons:
            self.dead_letters.labels(reason)
        self.lag = define.gauge("lag_records", "Records behind the end of the partition.", *parts, "partition")
        self.stalled = define.gauge(
            "stalled_seconds", "Time since the partition last advanced while records waited in it.", *parts, "partition"
        )
        self.unstable = define.gauge(
            "unstable_records",
            "Records from the last stable offset on: of open transactions of publishers, and behind them.",
            *parts,
            "partition",
        )
        self.open_transaction = define.gauge(
            "open_transaction_seconds",
            "Time that the partition has waited for an open transaction.",
            *parts,
            "partition",
        )
        self.broker_outage = define.gauge(
            "broker_outage_seconds", "Time since a broker last answered; 0 while they answer.", *parts
        )
        self.assigned = define.gauge("assigned_partitions", "Partitions assigned to this process.", *parts)
        self.recovering = define.gauge(
            "recovering_partitions", "Partitions whose state is still being restored.", *parts
        )
        self.recovered_ratio = define.gauge("recovered_ratio", "Share of the state that is restored, 0 to 1.", *parts)
        self.recovery_seconds = define.histogram(
            "recovery_seconds", "Time to restore the state of one partition.", DURATION_BOUNDS_S, by
        )


class WorkerMetrics(ProcessMetrics):
    """Metrics of a worker. Those without the label `stage` belong to the stage that decides, or to the process."""

    def __init__(self, define: Definitions, reasons: Iterable[str], label_causes: Iterable[str] = ()) -> None:
        """`label_causes`: why labels find no payment. Each counter exists at 0 from the start, as with `reasons`."""
        super().__init__(define, reasons, "stage")
        self._define_records(define)
        self._define_verdicts(define)
        for cause in label_causes:
            self.labels_unmatched.labels(cause)
        self._define_latency(define)
        self._define_state(define)
        self._define_partitions(define)

    def _define_records(self, define: Definitions) -> None:
        self.records = define.counter("records", "Records read from the stage's topic.", "stage")
        self.misplaced = define.counter(
            "misplaced_records", "Records whose key belongs to another partition.", "partition", "policy"
        )
        self.forwarded = define.counter("forwarded", "Payments and labels forwarded to the next stage.", "stage")
        self.resent = define.counter("resent_records", "Records dropped as the previous stage repeated them.", "stage")
        self.replies = define.counter(
            "replies", "Answers that headers of payments ask for, by what became of them.", "stage", "result"
        )
        self.labels_forwarded = define.counter("labels_forwarded", "Records forwarded from the labels topic.")

    def _define_verdicts(self, define: Definitions) -> None:
        self.payments = define.counter("payments", "Payments decided, repeats included.")
        self.decisions = define.counter(
            "decisions", "Decisions published; unjudged: on records that could not be judged.", "outcome"
        )
        self.alerts = define.counter("alerts", "Alerts published.")
        self.rules = define.counter("alert_rules", "Rules in alerts.", "rule", "severity")
        self.scores = define.counter("scores", "Payments by the bin of their score, named by its upper end.", "bin")
        self.shadow_scores = define.counter(
            "shadow_scores", "Payments by the bin of each score that decides nothing.", "scorer", "bin"
        )
        self.shadow_alerts = define.counter(
            "shadow_alerts",
            "Payments that a score that decides nothing would alert, by whether they are alerted: alert or none.",
            "scorer",
            "live",
        )
        self.shadow_rules = define.counter("shadow_rules", "Payments for which a shadow rule fired.", "rule")
        self.late = define.counter("late_payments", "Payments older than the history that their account's state holds.")
        self.repeats = define.counter("repeated_payments", "Payments whose event_id was decided before.")
        self.unmatched = define.counter(
            "unmatched_payments", "Reversals and captures whose payment is not in the state of an entity."
        )
        self.altered = define.counter("altered_payments", "Repeated payments whose content has changed.")
        self.without_rate = define.counter(
            "payments_without_rate", "Payments that were not converted: their currency has no rate.", "currency"
        )
        self.labels = define.counter("labels", "Labels applied.")
        self.labels_unmatched = define.counter("labels_unmatched", "Labels whose payment is not in the state.", "cause")
        self.label_lag = define.histogram(
            "label_lag_seconds", "Time from a payment to the time of its label.", LABEL_LAG_BOUNDS_S
        )

    def _define_latency(self, define: Definitions) -> None:
        self.since_occurred = define.histogram(
            "since_occurred_seconds", "From a payment's occurred_at to its answer.", LATENCY_BOUNDS_S
        )
        self.since_arrival = define.histogram(
            "since_arrival_seconds", "From a payment's arrival in Kafka to its answer.", LATENCY_BOUNDS_S
        )
        self.batch_records = define.histogram("batch_records", "Records in one batch.", BATCH_BOUNDS, "stage")
        self.batch_seconds = define.histogram("batch_seconds", "Time to process one batch.", DURATION_BOUNDS_S, "stage")

    def _define_state(self, define: Definitions) -> None:
        self.watermark_age = define.gauge(
            "watermark_age_seconds", "Now minus the partition's watermark.", "stage", "partition"
        )
        self.state_rows = define.gauge("state_rows", "Rows of the state.", "stage", "partition")
        self.state_bytes = define.gauge("state_bytes", "Bytes of the rows of the state.", "stage", "partition")
        self.checkpoint_seconds = define.histogram(
            "checkpoint_seconds", "Time one checkpoint took.", DURATION_BOUNDS_S, "stage"
        )
        self.checkpoint_bytes = define.histogram(
            "checkpoint_bytes", "Bytes written by one checkpoint.", BYTES_BOUNDS, "stage"
        )
        self.checkpoint_records = define.counter("checkpoint_records", "Records written by checkpoints.", "stage")
        self.recovery_records = define.counter("recovery_records", "Changelog records read to restore state.", "stage")
        self.unsaved_age = define.gauge(
            "unsaved_age_seconds",
            "Age of the oldest batch that is in no checkpoint yet: a crash repeats it.",
            "stage",
            "partition",
        )

    def _define_partitions(self, define: Definitions) -> None:
        self.backfill_lag = define.gauge(
            "backfill_lag_records",
            "Records that a backfilling state version still has to read.",
            "stage",
            "partition",
        )
        self.stopped = define.gauge(
            "stopped_partitions", "Partitions assigned here and not processed, as /readyz says why.", "stage"
        )
        self.standby_lag = define.gauge(
            "standby_lag_records",
            "Changelog records that a standby of the partition has not read yet.",
            "stage",
            "partition",
        )
        self.missing = define.counter(
            "missing_records", "Records that retention deleted unprocessed, after their loss was accepted.", "stage"
        )
        self.labels_missing = define.counter(
            "labels_missing", "Records of the labels topic that retention deleted before they were forwarded."
        )
        self.cut_over = define.gauge("cut_over_partitions", "Partitions that a newer state version decides.", "stage")
        self.rule_sets = define.gauge(
            "rule_set_partitions", "Partitions decided here, by the rule set in force.", "stage", "rule_set"
        )
        self.rebalances = define.counter("rebalances", "Rebalances of the consumer group seen by this worker.")
        self.rebalance_seconds = define.histogram(
            "rebalance_seconds", "Time of one rebalance, recovery included.", DURATION_BOUNDS_S
        )


class CasesMetrics(ProcessMetrics):
    """Metrics of the case agent."""

    def __init__(self, define: Definitions, reasons: Iterable[str]) -> None:
        super().__init__(define, reasons)
        self.alerts = define.counter("case_alerts", "Alerts that joined or opened a case.", "severity")
        self.opened = define.counter("cases_opened", "Cases opened.")
        self.actions = define.counter("case_actions", "Actions of analysts that changed a case.", "action")
        self.removed = define.counter("cases_removed", "Cases that have left: retention or erasure.", "reason")
        self.repeats = define.counter("case_repeats", "Alerts and actions that were handled before.", "kind")
        self.mismatches = define.counter("verdict_mismatches", "Alerts that were repeated with a different verdict.")
        self.rejected = define.counter("case_actions_rejected", "Actions that their case did not allow.", "code")
        self.notice_answers = define.counter(
            "notice_answers", "Customers' answers to notices: me, not_me, or why one was refused.", "outcome"
        )
        for outcome in ("me", "not_me", "unknown_notice", "wrong_account"):  # alert rules look at their increase
            self.notice_answers.labels(outcome)
        self.missing = define.counter(
            "case_records_missing", "Alerts and actions that retention deleted before they were handled.", "topic"
        )
        self.labels = define.counter("case_labels", "Labels written for closed cases.")
        self.unlabelled = define.counter("case_alerts_unlabelled", "Alerts of closed cases that got no label.")
        self.open = define.gauge("open_cases", "Cases that are not closed.", "partition")
        self.service_levels = define.gauge(
            "service_level_cases",
            "Cases that are not closed, by what their service level has come to: within, warned, breached.",
            *("partition", "queue", "level"),
        )
        self.view_behind = define.gauge("view_behind_cases", "Cases waiting to be written to the view in Redis.")
        self.view_lost = define.gauge("view_lost", "1 while Redis does not answer.")

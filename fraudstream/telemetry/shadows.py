"""The metrics of scores and rules that decide nothing: their labels are names that activated rule sets declare."""

from __future__ import annotations

from fraudstream.telemetry.children import Children
from fraudstream.telemetry.metrics import WorkerMetrics
from fraudstream.telemetry.observed_batch import JudgedBatch
from fraudstream.telemetry.score_bins import ScoreBins


class ShadowTelemetry:
    """Counts what shadow scores and rules made of batches."""

    def __init__(self, metrics: WorkerMetrics) -> None:
        self._metrics = metrics
        self._scores: dict[str, ScoreBins] = {}
        self._alerts, self._rules = Children(metrics.shadow_alerts), Children(metrics.shadow_rules)

    def observe(self, batch: JudgedBatch) -> None:
        """Count a batch."""
        for scorer, scores in batch.shadow_scores.items():
            bins = self._scores.get(scorer)
            if bins is None:
                bins = self._scores[scorer] = ScoreBins(self._metrics.shadow_scores, scorer)
            bins.observe(scores)
        for scorer_and_live, count in batch.shadow_alerts.items():
            self._alerts[scorer_and_live].inc(count)
        for rule, count in batch.shadow_rules.items():
            self._rules[rule].inc(count)

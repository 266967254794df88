"""The report beside a calibration: what the score learned from, what thresholds come to, what each part says."""

from __future__ import annotations

from fraudstream.contracts.timestamps import utc_text
from fraudstream.engine.learned_score.calibration import CalibrationContent, Threshold
from fraudstream.engine.learned_score.counts import WEIGHT_ONE
from fraudstream.engine.learned_score.evidence import ONE_LABELLED_IN
from fraudstream.engine.learned_score.score_state import SavedPart, SavedTotals
from fraudstream.engine.scorer import POINTS_MAX


def tuning_report(content: CalibrationContent, digest: str) -> str:
    """The report as Markdown."""
    totals = content.totals
    lines = [
        f"# Calibration {digest[:16]}",
        "",
        f"Learned from {content.payments:,} payments, {utc_text(content.begin_ms)} to {utc_text(content.end_ms)}, with "
        f"{totals.fraud:,} labels of fraud and {totals.genuine:,} of genuine payments{_fraud_share(totals)}.",
        *_weights_note(totals, content.payments),
        "",
        "| budget | threshold | alerts a day | precision | recall |",
        "| --- | --- | --- | --- | --- |",
        *map(_threshold_line, content.thresholds),
        "",
        "| part | weight | values seen | frauds | genuine |",
        "| --- | --- | --- | --- | --- |",
        *(_part_line(name, part) for name, part in zip(content.names, content.parts, strict=True)),
        "",
    ]
    return "\n".join(lines)


def _fraud_share(totals: SavedTotals) -> str:
    """What the `prior` of a risk should be.

    >>> _fraud_share(SavedTotals(genuine=995, fraud=5, bias=0, square=0)), _fraud_share(SavedTotals(0, 0, 0, 0))
    (', a share of frauds of 0.005', '')
    """
    labels = totals.fraud + totals.genuine
    return f", a share of frauds of {totals.fraud / labels:.2g}" if labels else ""


def _weights_note(totals: SavedTotals, payments: int) -> list[str]:
    """What to know of weights and base rate where labels are no sample of the payments.

    >>> _weights_note(SavedTotals(genuine=250, fraud=0, bias=0, square=0), 1000)
    []
    >>> print(*_weights_note(SavedTotals(genuine=0, fraud=249, bias=0, square=0), 1000))
    Less than one payment in 4 is labelled, so weights and base rate were not learned from all labels: scores rank \
payments, but are no probabilities until you set `fraud_share`.
    """
    if (totals.fraud + totals.genuine) * ONE_LABELLED_IN >= payments:
        return []
    return [
        f"Less than one payment in {ONE_LABELLED_IN} is labelled, so weights and base rate were not learned from all "
        "labels: scores rank payments, but are no probabilities until you set `fraud_share`."
    ]


def _threshold_line(threshold: Threshold) -> str:
    budget = f"{threshold.budget}: {threshold.amount:g}"
    cells = budget, f"{threshold.points / POINTS_MAX:.6f}", f"{threshold.alerts_a_day:.1f}"
    return f"| {' | '.join(cells)} | {_share(threshold.precision)} | {_share(threshold.recall)} |"


def _part_line(name: str, part: SavedPart) -> str:
    weight, seen = part.weight / WEIGHT_ONE, sum(part.values)
    return f"| {name} | {weight:.2f} | {seen:,} | {sum(part.fraud):,} | {sum(part.genuine):,} |"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"

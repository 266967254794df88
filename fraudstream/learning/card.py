"""The card of a model: what it was made from, how well it did on payments that it had not seen, and what it is not for.

Source: Mitchell et al., "Model cards for model reporting", FAT* 2019.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from fraudstream.contracts.timestamps import utc_text
from fraudstream.engine.arrays import Int64Array
from fraudstream.engine.rule_set import RuleSet
from fraudstream.engine.trees.calibration import MILLION, Calibration, points_of
from fraudstream.engine.trees.ensemble import LEAF, Trees
from fraudstream.evaluation.ranking import area_under_roc, average_precision, weights_by_score
from fraudstream.learning.boosting import Boosting
from fraudstream.learning.probability import DAY_MS
from fraudstream.learning.sampling import Rows
from fraudstream.learning.training_table import Period, TrainingTable

INTENDED_USE: Final = "Ranks payments of the deployment whose payments it was trained on, for review by a person."
LIMITS: Final = (
    "It knows the kinds of fraud that had labels in its period. A new kind may look genuine to it.",
    "Labels that are wrong or missing are learned as they are.",
    "Its probabilities hold while the share of frauds and the mix of payments stay as they were. Watch for drift.",
    "The trees were grown again with the payments of the calibration, whose figures are those of the first trees.",
)

_WEEK_MS: Final = 7 * DAY_MS
_MONDAY_MS: Final = 4 * DAY_MS  # the epoch was a Thursday
_CALIBRATION_BINS: Final = 10


class LaterRows(NamedTuple):
    """The payments that calibrated the model. `sums`: of trees that have not seen them, in 2**-40; int64, shape (n,).

    `threshold`: in millionths, from a budget of `alerts_a_day`.
    """

    rows: Rows
    sums: Int64Array
    calibration: Calibration
    threshold: int
    alerts_a_day: float


def model_card(
    rule_set: RuleSet,
    table: TrainingTable,
    period: Period,
    boosting: Boosting,
    inputs: Sequence[str],
    grown_from: Rows,
    trees: Trees,
    later: LaterRows,
) -> dict[str, Any]:
    """The card as plain data, the same for the same training. `grown_from`: the rows of `trees`."""
    millionths = points_of(later.sums, later.calibration, MILLION)
    return {
        "intended_use": INTENDED_USE,
        "limits": list(LIMITS),
        "rule_set": rule_set.digest,
        "data": {
            "payments_read": table.payments,
            "first": utc_text(table.first_ms, "seconds"),
            "last": utc_text(table.last_ms, "seconds"),
            "learned_from": utc_text(max(period.from_ms, table.first_ms), "seconds"),
            "calibrated_from": utc_text(period.split_ms, "seconds"),
            "known_by": utc_text(period.until_ms, "seconds"),
            "label_delay_ms": period.label_delay_ms,
            "frauds": int(grown_from.fraud.sum()),
            "genuine": round(float(grown_from.weight[~grown_from.fraud].sum())),
            "genuine_sampled": int((~grown_from.fraud).sum()),
        },
        "training": {"kind": "LightGBM", **dataclasses.asdict(boosting)},
        "inputs": list(inputs),
        "splits_by_input": splits_by_input(trees, inputs),
        "threshold": later.threshold / MILLION,
        "alerts_a_day": later.alerts_a_day,
        "later_payments": _metrics(later.rows, millionths, later.threshold),
        "weeks": _by_week(later.rows, millionths, later.threshold),
        "calibration": _reliability(later.rows, millionths),
    }


def splits_by_input(trees: Trees, inputs: Sequence[str]) -> dict[str, int]:
    """How many nodes compare each input, most first."""
    counts = np.bincount(trees.feature[trees.feature != LEAF], minlength=len(inputs)).tolist()
    return dict(sorted(zip(inputs, counts, strict=True), key=lambda pair: (-pair[1], pair[0])))


def _metrics(rows: Rows, millionths: Int64Array, threshold: int) -> dict[str, Any]:
    """Ranking and alerts; genuine payments count by their weight."""
    alerted = millionths >= threshold
    alerts, caught = float(rows.weight[alerted].sum()), int((alerted & rows.fraud).sum())
    frauds, by_score = int(rows.fraud.sum()), weights_by_score(millionths, rows.fraud, rows.weight)
    return {
        "frauds": frauds,
        "genuine": round(float(rows.weight[~rows.fraud].sum())),
        "auc": _rounded(area_under_roc(*by_score)),
        "average_precision": _rounded(average_precision(*by_score)),
        "alerts": round(alerts),
        "precision": _rounded(caught / alerts if alerts else None),
        "recall": _rounded(caught / frauds if frauds else None),
    }


def _by_week(rows: Rows, millionths: Int64Array, threshold: int) -> list[dict[str, Any]]:
    """Metrics of each week, which begins on Monday, UTC."""
    week = (rows.occurred_at_ms - _MONDAY_MS) // _WEEK_MS
    found = []
    for number in np.unique(week).tolist():
        chosen = week == number
        of_week = Rows(*(column[chosen] for column in rows))
        begins = utc_text(number * _WEEK_MS + _MONDAY_MS, "seconds")
        found.append({"week": begins[:10], **_metrics(of_week, millionths[chosen], threshold)})
    return found


def _reliability(rows: Rows, millionths: Int64Array) -> list[dict[str, Any]]:
    """Stated against observed share of frauds, in bins that hold as many frauds each."""
    order = np.argsort(millionths, kind="stable")
    frauds = np.cumsum(rows.fraud[order])
    bins = np.minimum(frauds * _CALIBRATION_BINS // max(int(frauds[-1]), 1), _CALIBRATION_BINS - 1)
    found = []
    for number in np.unique(bins).tolist():
        chosen = order[bins == number]
        weight = rows.weight[chosen]
        stated = float((weight * millionths[chosen]).sum() / weight.sum() / MILLION)
        observed = float(weight[rows.fraud[chosen]].sum() / weight.sum())
        found.append({"payments": round(float(weight.sum())), "stated": _digits(stated), "observed": _digits(observed)})
    return found


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _digits(value: float) -> float:
    """Three significant digits."""
    return float(f"{value:.3g}")


def card_text(name: str, digest: str, card: Mapping[str, Any]) -> str:
    """The card as Markdown. `name`, `digest`: of the artefact. A card of an imported model has fewer sections."""
    lines = [f"# Model {name}", "", f"Artefact `{digest}`.", ""]
    lines += [f"**Intended use.** {card['intended_use']}", "", "**Limits.**", ""]
    lines += [*(f"- {limit}" for limit in card["limits"]), ""]
    if "data" in card:
        lines += ["## Data", "", "| | |", "| --- | --- |"]
        lines += [*(f"| {key.replace('_', ' ')} | {_shown(value)} |" for key, value in card["data"].items()), ""]
    if "later_payments" in card:
        lines += [
            "## On later payments",
            "",
            f"Threshold {card['threshold']:.6f}, for {card['alerts_a_day']:g} alerts a day.",
            "",
            *_table([{"week": "all", **card["later_payments"]}, *card["weeks"]]),
            "",
            "## Calibration",
            "",
            *_table(card["calibration"]),
            "",
        ]
    lines += ["## Training", "", "| | |", "| --- | --- |"]
    lines += [*(f"| {key.replace('_', ' ')} | {_shown(value)} |" for key, value in card["training"].items()), ""]
    lines += ["## Inputs", "", "| input | splits |", "| --- | --- |"]
    lines += [f"| `{name}` | {count:,} |" for name, count in card["splits_by_input"].items()]
    return "\n".join(lines) + "\n"


def _table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    names = list(rows[0])
    head = ["| " + " | ".join(name.replace("_", " ") for name in names) + " |", "| --- " * len(names) + "|"]
    return [*head, *("| " + " | ".join(_shown(row[name]) for name in names) + " |" for row in rows)]


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else str(value)

"""Evaluates what a replay wrote: its decisions, other scorers beside its score, drift of scores and features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np

from fraudstream.contracts.timestamps import utc_text
from fraudstream.contracts.undecodable import UNDECODABLE
from fraudstream.evaluation.decisions_file import (
    DECISIONS,
    DecisionsFileError,
    ReplayedPayments,
    feature_names,
    is_replay,
    read_feature,
    read_replay,
    read_scores,
)
from fraudstream.evaluation.drift import ReferenceHistogram, reference_histogram
from fraudstream.evaluation.evaluate import DriftInput, evaluate
from fraudstream.evaluation.options import Options
from fraudstream.evaluation.payments import Float64Array, in_period
from fraudstream.evaluation.report.page import report_page
from fraudstream.evaluation.results import Evaluation, encode

EVALUATION, REPORT = "evaluation.json", "report.html"


def evaluate_replay(
    directory: Path, options: Options, scorers: Mapping[str, Path], reference: Path | None = None
) -> Evaluation:
    """Measure the decisions in a replay's directory.

    `scorers`: challengers by name, each a Parquet file with `event_id` and `score`, or the directory of another replay.
    They need a score of the payments that are measured.
    `reference`: a JSON list of `ReferenceHistogram`, or a calibration that has one; without it, the payments before the
    period are the reference.
    Raises `DecisionsFileError`, `NoPaymentsError`, `OSError`.
    """
    replayed = read_replay(directory)
    scores = dict(replayed.payments.scores)
    measured = in_period(replayed.payments, options.from_ms, options.last_end_ms)
    for name, path in scorers.items():
        if name in scores:
            raise DecisionsFileError(f"there are two scorers named '{name}'; give one of them another name.")
        scores[name] = read_scores(path / DECISIONS if is_replay(path) else path, replayed.event_id, measured)
    payments = replace(replayed.payments, scores=scores)
    drifting = _drift_input(replayed._replace(payments=payments), directory, options, reference)
    return evaluate(payments, options, drifting, replayed.rule_set)


def write_evaluation(evaluation: Evaluation, directory: Path, title: str) -> None:
    """Write `evaluation.json` and `report.html`; each appears when it is complete. Raises `OSError`."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, content in ((EVALUATION, encode(evaluation)), (REPORT, report_page(evaluation, title))):
        draft = directory / f".{name}.part"
        draft.write_bytes(content)
        draft.replace(directory / name)


class _WithReference(msgspec.Struct):
    """What an evaluation reads of a calibration."""

    reference: ReferenceHistogram


def read_references(path: Path) -> list[ReferenceHistogram]:
    """The histograms of a JSON file: a list, or that of a calibration. Raises `DecisionsFileError`, `OSError`."""
    try:
        found = msgspec.json.decode(path.read_bytes(), type=list[ReferenceHistogram] | _WithReference)
    except UNDECODABLE as error:
        raise DecisionsFileError(f"{path} is no list of reference histograms and no calibration: {error}.") from error
    return [found.reference] if isinstance(found, _WithReference) else found


def _drift_input(
    replayed: ReplayedPayments, directory: Path, options: Options, reference: Path | None
) -> DriftInput | None:
    """What to compare; None without a reference."""
    payments = replayed.payments
    features = feature_names(directory)

    def values(name: str) -> Float64Array:
        return payments.scores[name] if name in payments.scores else read_feature(directory, name, replayed.rows)

    names = [*payments.scores, *features]
    if reference is not None:
        found = read_references(reference)
        return DriftInput([each for each in found if each.name in names], values, str(reference))
    if options.from_ms is None:
        return None
    before = payments.occurred_at_ms < options.from_ms
    if not before.any():
        return None
    scored = [name for name in names if name not in payments.scores or not np.isnan(payments.scores[name]).any()]
    histograms = [reference_histogram(name, values(name)[before]) for name in scored]
    first = int(payments.occurred_at_ms.min())
    source = f"the {int(np.count_nonzero(before)):,} payments from {utc_text(first)} to the period"
    return DriftInput(histograms, values, source)

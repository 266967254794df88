"""Reads an evidence score from `score.yaml`.

kind: evidence
threshold: 0.5                  # or alerts_per_day: 50, or precision_floor: 0.3, resolved by a calibration
learning: on                    # off: stay with the calibration
calibration: tuned              # an artefact of the rule set
parts:
  - part: amount_for_account
    value: account.amount_z_30d
    bins: {from: -4, step: 0.1, count: 200}
  - part: terminal_risk
    value: terminal.risk_7d
    bins: {doublings_of: 0.00001, neutral: 0.005}
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from fraudstream.engine.artefacts import Artefact
from fraudstream.engine.document import Node
from fraudstream.engine.expression import Domains, Expression, Symbols, Type, ValueLists
from fraudstream.engine.expression.nodes import Constant
from fraudstream.engine.learned_score.calibration import (
    Budget,
    BudgetKind,
    Calibration,
    CalibrationError,
    read_calibration,
)
from fraudstream.engine.learned_score.counts import VALUE_BINS_MAX
from fraudstream.engine.learned_score.definition import Doublings, EvidencePart, FixedBins, Learning
from fraudstream.engine.learned_score.scorer import BASE, EvidenceScorer
from fraudstream.engine.part_names import read_part_name, read_parts
from fraudstream.engine.rules import read_expression
from fraudstream.engine.scorer import POINTS_MAX

PARTS_MAX: Final = 100

_KEYS: Final = (
    "kind",
    "threshold",
    "alerts_per_day",
    "precision_floor",
    "fraud_share",
    "pull",
    "learning",
    "calibration",
    "parts",
)
_BUDGETS: Final[tuple[BudgetKind, ...]] = ("alerts_per_day", "precision_floor")
_PART_KEYS: Final = ("part", "value", "bins", "normal", "when")
_TRUTH_BINS: Final = FixedBins(0.0, 1.0, 2)


def read_evidence_score(
    root: Node,
    symbols: Symbols,
    lists: ValueLists,
    domains: Domains | None,
    artefacts: Mapping[str, Artefact],
    *,
    to_be_tuned: bool = False,
) -> EvidenceScorer:
    """The evidence score of a document; faults are added to the document's. Parameters as of `score.read_score`.

    `artefacts`: of the rule set, by name. `to_be_tuned`: read a score whose calibration is to be made: it learns from
    the beginning, and a budget need not be resolved.
    """
    entries = root.entries("the score", _KEYS, ("parts",))
    nodes = entries["parts"].items("parts") if "parts" in entries else []
    if not 0 < len(nodes) <= PARTS_MAX and "parts" in entries:
        entries["parts"].fault(f"{len(nodes)} parts: an evidence score has 1 to {PARTS_MAX}.")
    parts = read_parts(nodes[:PARTS_MAX], lambda node: _read_part(node, symbols, lists, domains))
    learns = "learning" not in entries or entries["learning"].choice("learning", ("on", "off")) == "on"
    learning = _read_learning(entries)
    budget = _read_budget(root, entries)
    if to_be_tuned:
        return EvidenceScorer(POINTS_MAX, tuple(parts), learning, True, None, budget)
    calibration = _read_calibration(entries, artefacts)
    scorer = EvidenceScorer(0, tuple(parts), learning, learns, calibration)
    if calibration is not None and calibration.content.parts_digest != scorer.parts_digest:
        entries["calibration"].fault(
            "this calibration was made for other parts, or for parts with other values or bins: run `fraudstream score "
            "tune` again."
        )
    threshold = _given_threshold(entries) if budget is None else _resolved(budget, entries, calibration)
    return EvidenceScorer(threshold, tuple(parts), learning, learns, calibration, budget)


def _read_part(node: Node, symbols: Symbols, lists: ValueLists, domains: Domains | None) -> EvidencePart | None:
    entries = node.entries("a part", _PART_KEYS, ("part", "value"))
    if not {"part", "value"} <= entries.keys():
        return None
    name = read_part_name(entries["part"])
    if name == BASE:
        entries["part"].fault(f"'{BASE}' is what alerts call the log odds before any evidence. Choose another name.")
    when = None
    if "when" in entries:
        when = read_expression(entries["when"], "when", symbols, Type.BOOL, lists, domains)
    types = (Type.NUMBER, Type.DURATION, Type.BOOL)
    value = read_expression(entries["value"], "value", symbols, types, lists, domains)
    normal = read_expression(entries["normal"], "normal", symbols, tuple(Type)) if "normal" in entries else None
    if value is None:
        return None
    if value.type is Type.BOOL:
        if "bins" in entries:
            entries["bins"].fault("the value is true or false: it has no 'bins'. Remove them.")
        return EvidencePart(name, value, _TRUTH_BINS, normal, when)
    if "bins" not in entries:
        node.fault("a part needs 'bins': {from: …, step: …}, or {doublings_of: …, neutral: …} of a risk. Add them.")
        return None
    bins = _read_bins(entries["bins"], value)
    return None if bins is None else EvidencePart(name, value, bins, normal, when)


def _read_bins(node: Node, value: Expression) -> FixedBins | Doublings | None:
    entries = node.entries("bins", ("from", "step", "count", "doublings_of", "neutral"))
    if "doublings_of" in entries:
        return _read_doublings(node, entries)
    if not {"from", "step"} <= entries.keys() or "neutral" in entries:
        node.fault(
            "bins have 'from' and 'step', and 'count' if there are fewer than 200; or 'doublings_of', 'neutral'."
        )
        return None
    start, step = (_constant(entries[key], key, value.type) for key in ("from", "step"))
    count = entries["count"].number("count") if "count" in entries else VALUE_BINS_MAX
    if not (2 <= count <= VALUE_BINS_MAX and count == int(count)):
        entries["count"].fault(f"there are 2 to {VALUE_BINS_MAX} bins, not {count:g}.")
        return None
    if start is None or step is None:
        return None
    if step <= 0:
        entries["step"].fault("the step must be above 0.")
        return None
    return FixedBins(start, step, int(count))


def _read_doublings(node: Node, entries: Mapping[str, Node]) -> Doublings | None:
    if entries.keys() != {"doublings_of", "neutral"}:
        node.fault("bins with 'doublings_of' have 'neutral', the value that says nothing, and nothing else.")
        return None
    floor, neutral = (entries[key].number(key) for key in ("doublings_of", "neutral"))
    if not 0 < floor < neutral:
        node.fault("'doublings_of' must be above 0, and 'neutral' above it.")
        return None
    return Doublings(floor, neutral)


def _constant(node: Node, what: str, type_: Type) -> float | None:
    """A number, or a duration in ms; None and a fault if it is not one."""
    if type_ is Type.NUMBER:
        return node.number(what)
    expression = read_expression(node, what, {}, type_)
    if expression is None:
        return None
    if isinstance(expression.quantity, Constant):
        return float(expression.quantity.value)
    node.fault(f"{what} must be a single number or duration.")
    return None


def _read_learning(entries: Mapping[str, Node]) -> Learning:
    share, pull = Learning.fraud_share, Learning.pull
    if "fraud_share" in entries:
        text = entries["fraud_share"].word("fraud_share")
        try:
            share = Decimal(text)
        except ArithmeticError:
            share = Decimal(0)
        if not (share.is_finite() and Decimal("0.000001") <= share <= Decimal("0.5")):
            entries["fraud_share"].fault(f"fraud_share must be between 0.000001 and 0.5, not '{text[:40]}'.")
            share = Learning.fraud_share
    if "pull" in entries:
        number = entries["pull"].number("pull")
        pull = int(number) if 1 <= number <= 10_000 else Learning.pull
        if pull != number:
            entries["pull"].fault(f"pull is a whole number of frauds from 1 to 10,000, not {number:g}.")
    return Learning(pull=pull, fraud_share=share)


def _read_calibration(entries: Mapping[str, Node], artefacts: Mapping[str, Artefact]) -> Calibration | None:
    if "calibration" not in entries:
        return None
    node = entries["calibration"]
    name = node.word("calibration")
    if name not in artefacts:
        node.fault(f"there is no artefact '{name[:70]}'. Declare the file that `fraudstream score tune` wrote.")
        return None
    try:
        return read_calibration(artefacts[name].content)
    except CalibrationError as error:
        node.fault(f"artefact '{name}' is {error}")
        return None


def _read_budget(root: Node, entries: Mapping[str, Node]) -> Budget | None:
    """The budget that resolves the threshold; None where the threshold is given, or nothing, which is a fault."""
    given = [key for key in ("threshold", *_BUDGETS) if key in entries]
    if len(given) != 1:
        choices = " or ".join(("threshold", *_BUDGETS))
        root.fault(f"the score needs one of {choices}, not {' and '.join(given) or 'none'}.")
        return None
    for kind in _BUDGETS:
        if kind in entries:
            amount = entries[kind].number(kind)
            if amount <= 0 or (kind == "precision_floor" and amount >= 1):
                entries[kind].fault(f"{kind} must be above 0{' and below 1' * (kind == 'precision_floor')}.")
            return Budget(kind, amount)
    return None


def _given_threshold(entries: Mapping[str, Node]) -> int:
    """The threshold in points; `POINTS_MAX` and a fault if it is not one."""
    if "threshold" not in entries:
        return POINTS_MAX
    amount = entries["threshold"].number("threshold")
    points = round(amount * POINTS_MAX)
    if 0 < points <= POINTS_MAX:
        return points
    entries["threshold"].fault(f"threshold must be a number above 0, at most 1, not {amount:g}.")
    return POINTS_MAX


def _resolved(budget: Budget, entries: Mapping[str, Node], calibration: Calibration | None) -> int:
    """The threshold that a calibration gives for a budget, in points; `POINTS_MAX` and a fault if there is none."""
    for threshold in [] if calibration is None else calibration.content.thresholds:
        if (threshold.budget, threshold.amount) == (budget.budget, budget.amount):
            return threshold.points
    if calibration is not None or "calibration" not in entries:  # else its own fault says why
        entries[budget.budget].fault(
            f"no calibration says which threshold gives {budget.budget}: {budget.amount:g}. Run `fraudstream score "
            "tune`, and name what it wrote as 'calibration'."
        )
    return POINTS_MAX

"""Whether two rule sets need the same state: then one can replace the other without a backfill."""

from __future__ import annotations

from fraudstream.engine.catalogue_difference import catalogue_difference
from fraudstream.engine.learned_score.scorer import EvidenceScorer
from fraudstream.engine.rule_set import RuleSet


def state_difference(old: RuleSet, new: RuleSet, *, forwarded: bool) -> str | None:
    """The first reason why state built under `old` can't be used under `new`, in a few words; None if it can.

    What a score has learned is state: its parts may not change, nor how it learns. Thresholds and rules may. Rates may
    too, unless payments are `forwarded` by earlier stages: those do not read switches of rules, and have converted the
    amounts in their state and their features by the rates in force.
    """
    difference = catalogue_difference(old.catalogue, new.catalogue)
    if difference is not None:
        return difference
    if forwarded and old.currencies != new.currencies:
        return "currencies.yaml differs, and the stages before the one that decides convert by that in force"
    before, after = _learned(old), _learned(new)
    if before == after:
        return None
    if before is None:
        return "its score learns, the one in force does not"
    if after is None:
        return "the score in force learns, its own does not"
    return "its score learns from other parts, or in another way"


def _learned(rule_set: RuleSet) -> str | None:
    return rule_set.base_score.layout if isinstance(rule_set.base_score, EvidenceScorer) else None

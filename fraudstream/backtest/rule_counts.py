"""Counts where each rule of one rule set fires, and with what, incrementally in constant memory."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fraudstream.backtest.verdicts_by_event import VerdictsByEvent
from fraudstream.engine.arrays import BoolArray, Int8Array, Int64Array
from fraudstream.engine.rule_set import RuleSet
from fraudstream.evaluation.rule_difference import Detected, RuleOverlap, detected


class RuleCounts:
    """Counts of one rule set. `looked_at`: numbers of the rules whose overlap with all others is counted."""

    def __init__(self, rule_set: RuleSet, looked_at: Sequence[int] = ()) -> None:
        n = len(rule_set.rules)
        self._names = [rule.name for rule in rule_set.rules]
        self._live: BoolArray = np.array([rule.status == "live" for rule in rule_set.rules], np.bool_)
        self._fired = np.zeros((3, n), np.int64)  # on all payments, on fraud, on genuine
        self._reaches = np.zeros(3, np.int64)
        self._looked_at = list(looked_at)
        self._together = np.zeros((len(looked_at), n), np.int64)
        self._alone = np.zeros(len(looked_at), np.int64)
        self._with_score = np.zeros(len(looked_at), np.int64)
        self._undecided = 0

    def add(self, judged: VerdictsByEvent, at: Int64Array, labels: Int8Array, undecided: int) -> None:
        """Count the events `at`, int64, with their labels: 1 fraud, 0 genuine, -1 unlabelled. `undecided`: payments of
        the batch that could not be decided."""
        fired, reaches = judged.fired[at], judged.reaches[at]
        for number, chosen in enumerate((slice(None), labels == 1, labels == 0)):
            self._fired[number] += fired[chosen].sum(axis=0)
            self._reaches[number] += int(reaches[chosen].sum())
        self._undecided += undecided
        if not self._looked_at:
            return
        live = fired[:, self._live].sum(axis=1)
        for k, number in enumerate(self._looked_at):
            where = fired[:, number]
            others = live[where] - int(self._live[number])
            self._together[k] += fired[where].sum(axis=0)
            self._alone[k] += int(((others == 0) & ~reaches[where]).sum())
            self._with_score[k] += int(reaches[where].sum())

    @property
    def undecided(self) -> int:
        """Payments that could not be decided."""
        return self._undecided

    def rule(self, number: int) -> Detected:
        """Where the rule fired."""
        return detected(*self._fired[:, number].tolist())

    def score(self) -> Detected:
        """Where the score reached the threshold."""
        return detected(*self._reaches.tolist())

    def overlap(self, number: int) -> RuleOverlap | None:
        """Of one of the rules that are looked at; None of another. The rules that fire with it most come first."""
        if number not in self._looked_at:
            return None
        k = self._looked_at.index(number)
        together = [
            (self._names[other], count)
            for other, count in enumerate(self._together[k].tolist())
            if count and other != number
        ]
        together.sort(key=lambda each: (-each[1], each[0]))
        return RuleOverlap(int(self._alone[k]), int(self._with_score[k]), dict(together))

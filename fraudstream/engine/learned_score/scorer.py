"""The evidence score: an estimate of the probability that a payment will be labelled fraud.

The sum of what is known before any evidence (`BASE`) and of each part's evidence, times its learned weight, are log
odds in bits: log2(p / (1 - p)). Points are p in millionths, so they never fall with the sum. See `kernel`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from math import isqrt
from typing import Final, Literal

import msgspec
import numpy as np

from fraudstream.compiled.direct import Direct
from fraudstream.contracts.alert import ScorePart
from fraudstream.engine.arrays import Int32Array, Int64Array, UInt8Array
from fraudstream.engine.evidence import TextOfRow, text_of_row
from fraudstream.engine.expression import ColumnSource, Expression
from fraudstream.engine.fixed_log import ONE
from fraudstream.engine.learned_score.calibration import Budget, Calibration
from fraudstream.engine.learned_score.counts import CODE_BITS, CODE_MAX, MISSING_CODE, DefinitionArrays
from fraudstream.engine.learned_score.definition import (
    Doublings,
    EvidencePart,
    FixedBins,
    Learning,
    definition_arrays,
)
from fraudstream.engine.learned_score.fixed_odds import points_of_log_odds
from fraudstream.engine.payment_row import PaymentRow
from fraudstream.engine.scorer import POINTS_MAX, Scorer

BASE: Final = "base_rate"  # in place of a part's name: the log odds before any evidence
BITS: Final[Literal["bits"]] = "bits"  # unit of the contributions that alerts show


def _one_in(code: int) -> int:
    """2**(code / 8), rounded down: each of the square roots is."""
    power = 1 << code
    for _ in range(CODE_BITS):
        power = isqrt(power)
    return power


_ONE_IN: Final = tuple(_one_in(code) for code in range(CODE_MAX + 1))
_points_of_log_odds = Direct(points_of_log_odds)


class EvidenceScores:
    """The scores of a batch of n payments; as `scorer.Scores`. `contribution`, `points`, `code`: as of
    `kernel.score_log`. `rare`: by index, the names of the parts whose codes are rarities."""

    def __init__(self, contribution: Int64Array, points: Int32Array, code: UInt8Array, rare: Mapping[int, str]) -> None:
        self._contribution, self._points, self._code, self._rare = contribution, points, code, rare

    @property
    def points(self) -> Int32Array:
        """As `scorer.Scores`: int32, shape (n,)."""
        return self._points

    def contributions(self, rows: Int64Array) -> Int64Array:
        """As `scorer.Scores`, in 1/65,536 bits: int64, shape (parts + 1, len(rows))."""
        return self._contribution[rows].T

    def rarities(self, rows: Int64Array) -> list[Mapping[str, int]]:
        """As `scorer.Scores`; a missing value has none."""
        return [
            {name: _ONE_IN[codes[part]] for part, name in self._rare.items() if codes[part] != MISSING_CODE}
            for codes in self._code[rows].tolist()
        ]

    def points_of(self, sums: Int64Array) -> Int32Array:
        """As `scorer.Scores`."""
        points = np.empty(len(sums), np.int32)
        _points_of_log_odds(np.ascontiguousarray(sums), POINTS_MAX, points)
        return points


@dataclass(frozen=True)
class EvidenceScorer:
    """A score as weighted evidence; as `scorer.Scorer`, but that it scores by what a partition has learned.

    `threshold_points`: millionths. `learns`: whether partitions go on learning; else the score is that of `calibration`
    for ever. `calibration`: what it begins with, if anything. `budget`: what the threshold was resolved from, if it was
    not given.
    """

    threshold_points: int
    parts: tuple[EvidencePart, ...]
    learning: Learning
    learns: bool
    calibration: Calibration | None = None
    budget: Budget | None = None

    @cached_property
    def inputs(self) -> Mapping[str, frozenset[str]]:
        """By part, the fields and features that it reads. The first is no part: `BASE`."""
        return {BASE: frozenset(), **{part.name: part.names for part in self.parts}}

    @property
    def digest_content(self) -> object:
        """All that can change a score; the calibration counts by its digest."""
        digest = None if self.calibration is None else self.calibration.digest
        return {
            "kind": "evidence",
            "threshold_points": self.threshold_points,
            "parts": self.parts,
            "learning": [self.learning.pull, str(self.learning.fraud_share), self.learning.rate, self.learning.decay],
            "learns": self.learns,
            "calibration": digest,
        }

    @cached_property
    def parts_digest(self) -> str:
        """16 hex digits over what the counts of its parts mean: a calibration of other parts does not fit."""
        return _digest([_learned_from(part) for part in self.parts])

    @cached_property
    def layout(self) -> str | None:
        """8 hex digits over everything that a partition's counts depend on beside the log; None if it learns
        nothing."""
        if not self.learns:
            return None
        begins = None if self.calibration is None else self.calibration.digest
        learning = self.learning
        return _digest([self.parts_digest, learning.pull, learning.one_in, learning.rate, learning.decay, begins])[:8]

    @cached_property
    def rare(self) -> Mapping[int, str]:
        """By index, the names of the parts that are scored by how rare their value is."""
        return {part: found.name for part, found in enumerate(self.parts) if isinstance(found.bins, FixedBins)}

    @property
    def held_bytes(self) -> int:
        """Bytes that are held of each payment until its label comes: its codes."""
        return len(self.parts) if self.learns else 0

    @cached_property
    def arrays(self) -> DefinitionArrays:
        """The definition as the kernel reads it."""
        return definition_arrays(self.parts, self.learning)

    def score(self, columns: ColumnSource) -> EvidenceScores:
        """Not possible from columns alone: `scoring.EvidenceScoring` scores."""
        raise TypeError("an evidence score reads what its partition has learned: use EvidenceScoring")

    def explain(self, contributions: Sequence[int], row: PaymentRow, *, include_zero: bool) -> list[ScorePart]:
        """Bits, value and the account's normal of each part. Parameters as in `scorer.Scorer`."""
        explained = [ScorePart(BASE, contributions[0] / ONE, 0.0, unit=BITS)]
        for texts, bits in zip(self._texts, contributions[1:], strict=True):
            if bits or include_zero:
                name, value_of, normal_of = texts
                normal = None if normal_of is None else normal_of(row)
                explained.append(ScorePart(name, bits / ONE, 0.0, value_of(row), normal, BITS))
        return explained

    @cached_property
    def _texts(self) -> list[tuple[str, TextOfRow, TextOfRow | None]]:
        """Of each part its name, and functions with the text of its value and of the account's normal."""
        return [
            (part.name, text_of_row(part.value), None if part.normal is None else text_of_row(part.normal))
            for part in self.parts
        ]


def evidence_parts(scorer: Scorer) -> tuple[EvidencePart, ...]:
    """The parts of an evidence score; of another scorer, none."""
    return scorer.parts if isinstance(scorer, EvidenceScorer) else ()


def _learned_from(part: EvidencePart) -> list[object]:
    """What the counts of a part depend on, as plain data."""

    def source(expression: Expression | None) -> str | None:
        return None if expression is None else expression.source

    bins = part.bins
    shape = ["fixed", bins.start, bins.step, bins.count] if isinstance(bins, FixedBins) else _doublings(bins)
    return [part.name, source(part.value), source(part.when), shape]


def _doublings(bins: Doublings) -> list[object]:
    return ["doublings", bins.floor, bins.neutral]


def _digest(content: object) -> str:
    return blake2b(msgspec.json.encode(content), digest_size=8).hexdigest()

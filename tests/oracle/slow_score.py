"""The evidence score written down from its definition, one event after the other, with lists and dictionaries.

It shares only the logarithm and the odds of `fixed_log` and `fixed_odds` with the engine: these have tests of their
own. Everything else is counted afresh for each payment.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from fraudstream.engine.fixed_log import log2_fixed
from fraudstream.engine.learned_score.fixed_odds import log2_of_sum, probability

ONE = 65_536
CERTAIN = 1 << 30
FIRST_WEIGHT = 6 * (1 << 24) // 10


@dataclass(frozen=True)
class SlowPart:
    """`start`, `step`, `bins`: of fixed bins; `floor` instead of a risk. `guess`: of each code, 1/65,536 bits."""

    guess: list[int]
    start: float = 0.0
    step: float = 1.0
    bins: int = 200
    floor: float | None = None


@dataclass(frozen=True)
class Scored:
    """A payment's codes, and what each part added after the base; 1/65,536 bits."""

    codes: list[int | None]
    contributions: list[int]


@dataclass
class SlowScore:
    """`values`: of each part, the bins of the values so far. `labelled`: of each payment with a label that counts, its
    codes and the label."""

    parts: list[SlowPart]
    pull: int
    one_in: int
    rate: int
    decay: int
    values: list[list[int]] = field(default_factory=list)
    codes: dict[int, list[int | None]] = field(default_factory=dict)
    labelled: dict[int, bool] = field(default_factory=dict)
    counted: list[int] = field(default_factory=list)
    weights: list[int] = field(default_factory=list)
    squares: list[int] = field(default_factory=list)
    bias: int = 0

    def __post_init__(self) -> None:
        self.values = [[] for _ in self.parts]
        self.weights = [FIRST_WEIGHT] * len(self.parts)
        self.squares = [1 << 40] * (len(self.parts) + 1)

    def payment(self, number: int, values: list[float], counted: bool) -> Scored:
        """Score a payment, then count it. `number`: by which its label names it."""
        codes = [self._code(k, value) for k, value in enumerate(values)]
        added = [self.weights[k] * self._evidence(k, code) >> 24 for k, code in enumerate(codes)]
        result = Scored(codes, [self._base(), *added])
        self.codes[number] = codes
        if counted:
            self.counted.append(number)
            for k, value in enumerate(values):
                if not math.isnan(value):
                    self.values[k].append(self._bin(k, value))
        return result

    def label(self, number: int, fraud: bool) -> None:
        """Learn a label of an earlier payment, which may correct one before."""
        if self.labelled.get(number) == fraud:
            return
        if self._are_sample():
            self._step(self.codes[number], fraud)
        self.labelled[number] = fraud

    def _bin(self, k: int, value: float) -> int:
        place = (value - self.parts[k].start) / self.parts[k].step
        return int(min(max(place, 0.0), float(self.parts[k].bins - 1)))

    def _code(self, k: int, value: float) -> int | None:
        part, earlier = self.parts[k], self.values[k]
        if math.isnan(value):
            return None
        if part.floor is not None:
            return sum(value >= part.floor * 2.0**doubling for doubling in range(1, 18))
        as_high = sum(other >= self._bin(k, value) for other in earlier)
        bits = log2_fixed(len(earlier) + 1) - log2_fixed(as_high + 1)
        return min(bits * 8 // ONE, 254)

    def _label_bin(self, k: int, code: int | None) -> int | None:
        if code is None:
            return None
        return code if self.parts[k].floor is not None else min(code // 8, 17)

    def _evidence(self, k: int, code: int | None) -> int:
        if code is None:
            return 0
        at = self._label_bin(k, code)
        bins = [self._label_bin(k, self.codes[number][k]) for number in self.counted]
        of_frauds = [self._label_bin(k, self.codes[number][k]) for number, fraud in self.labelled.items() if fraud]
        payments, frauds = (sum(bin_ is not None for bin_ in each) for each in (bins, of_frauds))
        total = log2_fixed(self.pull) + self.parts[k].guess[code]
        if of_frauds.count(at):
            odds = log2_fixed(of_frauds.count(at)) - log2_fixed(max(0, bins.count(at) - of_frauds.count(at)) + 1)
            total = log2_of_sum(odds + log2_fixed(max(0, payments - frauds) + 18), total)
        return max(-16 * ONE, min(total - log2_fixed(frauds + self.pull), 16 * ONE))

    def _are_sample(self) -> bool:
        return 4 * len(self.labelled) >= max(self._of_codes(k) for k in range(len(self.parts)))

    def _of_codes(self, k: int) -> int:
        return sum(self.codes[number][k] is not None for number in self.counted)

    def _base(self) -> int:
        return (self.bias >> 8) - log2_fixed(self.one_in)

    def _step(self, codes: list[int | None], fraud: bool) -> None:
        evidence = [self._evidence(k, code) for k, code in enumerate(codes)]
        odds = self._base() + sum(w * e >> 24 for w, e in zip(self.weights, evidence, strict=True))
        gradient = probability(odds) - CERTAIN * fraud
        for k, code in enumerate(codes):
            if code is not None:
                away = (self.weights[k] - FIRST_WEIGHT) << 6
                slope = (gradient * evidence[k] >> 16) + (away * self.decay >> 16)
                self.weights[k] = _within(self.weights[k] - self._moved(k, slope), 8 << 24)
        self.bias = _within(self.bias - self._moved(len(codes), gradient), 64 << 24)

    def _moved(self, k: int, slope: int) -> int:
        self.squares[k] = min(self.squares[k] + (slope >> 10) ** 2, 1 << 62)
        return (slope << 14) // int(math.sqrt(float(self.squares[k]))) * self.rate >> 16


def _within(number: int, most: int) -> int:
    return max(-most, min(number, most))

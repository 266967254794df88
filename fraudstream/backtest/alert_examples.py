"""A few alerts of one kind as examples, each with the reason in one line: the same ones for any batch size."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappush, heappushpop
from typing import Final

import msgspec
import numpy as np

from fraudstream.contracts.alert import RuleHit
from fraudstream.contracts.fields import SEVERITIES
from fraudstream.engine.scorer import POINTS_MAX, threshold
from fraudstream.engine.verdict import Verdicts
from fraudstream.evaluation.rule_difference import Example

_PARTS_NAMED: Final = 3

_hits = msgspec.json.Decoder(tuple[RuleHit, ...])


class ExampleSample:
    """Keeps the `size` examples whose events have the lowest digests, which are as good as drawn at random."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept: list[tuple[int, int, Example]] = []  # a heap: minus the digest, how many were offered before
        self._offered = 0

    def offer(self, digest: int, make: Callable[[], Example]) -> None:
        """Take an example in, if it belongs to those to keep. `digest`: of its event; `make` is called only then."""
        self._offered += 1
        if self._size == 0 or (len(self._kept) == self._size and -digest <= self._kept[0][0]):
            return
        entry = (-digest, self._offered, make())
        if len(self._kept) < self._size:
            heappush(self._kept, entry)
        else:
            heappushpop(self._kept, entry)

    def examples(self) -> tuple[Example, ...]:
        """Those kept, in order of time."""
        found = [example for _, _, example in self._kept]
        return tuple(sorted(found, key=lambda each: (each.occurred_at_ms, each.event_id)))


def reason_of(verdicts: Verdicts, row: int) -> str:
    """Why a payment is alerted: the message of the most severe live rule that fired, and how many others did; without
    one, the score and the parts that raised it most."""
    rules, explainer = verdicts.rule_set.rules, verdicts.explainer
    fired = explainer.rules_in(tuple(verdicts.fired_bits[:, row].tolist()))
    live = [number for number in fired if rules[number].status == "live"]
    if not live:
        return _score_reason(verdicts, row)
    hits = _hits.decode(explainer.hits(verdicts.row(row), live))
    first = max(hits, key=lambda hit: SEVERITIES.index(hit.severity))
    others = f" (and {len(live) - 1} more)" if len(live) > 1 else ""
    return f"{first.rule}: {first.message}{others}"


def _score_reason(verdicts: Verdicts, row: int) -> str:
    rows = np.array([row], np.int64)
    contributions = verdicts.contributions(rows)[:, 0].tolist()
    parts = verdicts.explainer.score_parts(verdicts.row(row), contributions, verdicts.scores.rarities(rows)[0])
    raising = sorted((part for part in parts if part.points > 0), key=lambda part: -part.points)[:_PARTS_NAMED]
    score = verdicts.score_points.item(row) / POINTS_MAX
    said = f"score {score:.4f} reaches {threshold(verdicts.rule_set.scorer):g}"
    return f"{said}: {', '.join(part.part for part in raising)}" if raising else said

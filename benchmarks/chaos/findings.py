"""The errors that a verifier found: counts by kind, and the first of them as sentences."""

from __future__ import annotations

from collections import Counter
from typing import Final, Literal

FINDINGS_REPORTED: Final = 20

Wrong = Literal["lost", "counted twice", "differing", "invented", "out of order"]
WRONGS: Final[tuple[Wrong, ...]] = ("lost", "counted twice", "differing", "invented", "out of order")


class Findings:
    """Collects errors. `repeats`: number of outputs that were sent again, by topic."""

    def __init__(self) -> None:
        self.wrong: Counter[Wrong] = Counter()
        self.sentences: list[str] = []
        self.repeats: Counter[str] = Counter()

    def find(self, wrong: Wrong, sentence: str) -> None:
        """Count an error; keep its sentence if it is among the first."""
        self.wrong[wrong] += 1
        if len(self.sentences) < FINDINGS_REPORTED:
            self.sentences.append(f"{wrong}: {sentence}")

"""A calibration: what an evidence score has learned, with the thresholds and the reference that go with it.

`fraudstream score tune` writes it as an artefact, named by the digest of its bytes: JSON, keys sorted, so the same
counts have the same digest. A score begins with its counts, or stays with them (`learning: off`).
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from fraudstream.contracts.artefact import artefact_digest
from fraudstream.contracts.undecodable import UNDECODABLE
from fraudstream.engine.learned_score.score_state import SavedPart, SavedTotals

BudgetKind = Literal["alerts_per_day", "precision_floor"]

FORMAT: Final = "fraudstream-calibration-1"


class Budget(msgspec.Struct, frozen=True):
    """What a threshold is to achieve: `amount` alerts a day, or a precision of at least `amount`."""

    budget: BudgetKind
    amount: float


class Threshold(msgspec.Struct, frozen=True):
    """What a budget came to when the score was tuned. `points`: millionths; `alerts_a_day`, `precision`, `recall`: what
    the score alone reached on the tuning span; None without labelled alerts or frauds."""

    budget: BudgetKind
    amount: float
    points: int
    alerts_a_day: float
    precision: float | None
    recall: float | None


class Reference(msgspec.Struct, frozen=True):
    """How the scores of the tuning span were distributed, to see drift from it. Bin k holds scores above `edges[k - 1]`
    and up to `edges[k]`; `counts` has one more than `edges`. `missing`: payments without a score."""

    name: str
    edges: list[float]
    counts: list[int]
    missing: int


class CalibrationContent(msgspec.Struct, frozen=True):
    """The content of the artefact. `parts_digest`: `EvidenceScorer.parts_digest`. `begin_ms`, `end_ms`: event time of
    the first and last payment it was tuned on."""

    format: Literal["fraudstream-calibration-1"]
    parts_digest: str
    names: list[str]
    parts: list[SavedPart]
    totals: SavedTotals
    payments: int
    begin_ms: int
    end_ms: int
    thresholds: list[Threshold]
    reference: Reference


class Calibration(msgspec.Struct, frozen=True):
    """A calibration and the digest of its bytes."""

    digest: str
    content: CalibrationContent


class CalibrationError(ValueError):
    """An artefact that is no calibration."""


def encode_calibration(content: CalibrationContent) -> bytes:
    """The bytes of the artefact."""
    return msgspec.json.encode(content, order="sorted") + b"\n"


def read_calibration(content: bytes) -> Calibration:
    """The calibration in an artefact. Raises `CalibrationError`."""
    try:
        found = msgspec.json.decode(content, type=CalibrationContent)
    except UNDECODABLE as error:
        raise CalibrationError(f"not a calibration: {str(error).rstrip('.')}.") from error
    if len(found.names) != len(found.parts):
        raise CalibrationError(f"not a calibration: {len(found.parts)} parts have {len(found.names)} names.")
    return Calibration(artefact_digest(content), found)

"""The labels that follow from closing a case. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from fraudstream.cases.refusal import acted_at_ms
from fraudstream.contracts import Case, CaseAction, Label
from fraudstream.contracts.case_values import Disposition
from fraudstream.contracts.fields import LabelName

# Of a payment that was genuine but looked risky, the source is less sure; evaluations report by confidence.
RISKY_CONFIDENCE: Final = 0.7
_LABELS: Final[Mapping[Disposition, tuple[LabelName, float | None]]] = {
    "confirmed_fraud": ("fraud", None),
    "false_positive": ("genuine", None),
    "genuine_but_risky": ("genuine", RISKY_CONFIDENCE),
}


def labels_of(case: Case, action: CaseAction) -> list[Label]:
    """The labels that follow from an action by which `case`, as it is after it, was closed: one for each alert that the
    case still lists, none if the disposition is inconclusive.

    The labels depend on the log alone, so writing them twice is harmless.
    """
    if action.action not in ("close", "approve") or case.disposition is None or case.disposition not in _LABELS:
        return []
    label, confidence = _LABELS[case.disposition]
    return [
        Label(
            event_id=line.event_id,
            account_id=case.account_of(line),
            label=label,
            labelled_at=acted_at_ms(action),
            payment_occurred_at=line.occurred_at_ms,
            source=case.case_id,
            confidence=confidence,
        )
        for line in case.alerts
    ]

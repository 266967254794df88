"""Whether a stage keeps an index of its payments for their labels, and what an entry holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

import msgspec

from fraudstream.contracts.duration import UNITS_MS
from fraudstream.engine.aggregates.registry import REGISTRY
from fraudstream.engine.catalogue import Catalogue
from fraudstream.engine.plan import EntityPlan

# Without windows to choose it by: what chargebacks and customers' answers take.
_UNWINDOWED_MS = 60 * UNITS_MS["d"]
# A payment may be older than the newest one in the log: what it reads must not have expired with it.
_SLACK_MS = UNITS_MS["d"]


@dataclass(frozen=True, slots=True)
class LabelPlan:
    """`entities`: those whose row an entry names, by column; the stage's first comes first. `retention_ms`: how much
    older than the watermark a payment may be when its label comes. `bins`: bytes of an entry that the scorer fills.
    `forwards`: another stage follows, to which labels must find their way."""

    entities: tuple[str, ...]
    retention_ms: int
    bins: int
    forwards: bool

    @property
    def layout(self) -> str:
        """Digest of everything that saved entries depend on, 8 hex digits."""
        content = [self.entities, self.retention_ms, self.bins, self.forwards]
        return blake2b(msgspec.json.encode(content), digest_size=4).hexdigest()


def plan_labels(
    catalogue: Catalogue, own: Sequence[EntityPlan], later: Sequence[EntityPlan], bins: int = 0
) -> LabelPlan | None:
    """The plan of a stage; None if neither its features nor those of later stages read labels, nor the score does.

    `own`: its entities; `later`: those of the stages after it. `bins`: bytes that the deciding stage's scorer keeps of
    each payment for its label.
    """
    if not bins and not any(_reads_labels(plan) for plan in (*own, *later)):
        return None
    tracked = tuple(plan.entity.name for k, plan in enumerate(own) if k == 0 or _reads_labels(plan))
    return LabelPlan(tracked, label_retention_ms(catalogue), 0 if later else bins, bool(later))


def _reads_labels(plan: EntityPlan) -> bool:
    return any(REGISTRY[feature.aggregate].reads_labels for feature in plan.features)


def label_retention_ms(catalogue: Catalogue) -> int:
    """How long labels find payments: as declared; else enough for the longest delay and window that read labels, and
    a day."""
    if catalogue.label_retention_ms:
        return catalogue.label_retention_ms
    reading = [feature for feature in catalogue.features if REGISTRY[feature.aggregate].reads_labels]
    windowed = [feature.window_ms + feature.delay_ms for feature in reading if feature.window_ms]
    unwindowed = not reading or any(feature.window_ms == 0 for feature in reading)
    return max([*windowed, *([_UNWINDOWED_MS] if unwindowed else [])]) + _SLACK_MS

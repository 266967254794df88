"""What became of the labels of a batch: how long after their payments they came, and why some found none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np

from fraudstream.engine.arrays import Float64Array
from fraudstream.engine.batch import Batch
from fraudstream.engine.entity_update import Updated
from fraudstream.engine.kernel_types import UNMATCHED
from fraudstream.engine.label_entries import EXPIRED, OTHER_ACCOUNT
from fraudstream.engine.label_index import LabelIndex

CAUSES: Final = ("unknown", "expired", "other_account")

_CAUSE_OF: Final = {EXPIRED: "expired", OTHER_ACCOUNT: "other_account"}


class LabelResults(NamedTuple):
    """`lag_ms`: from `occurred_at` to `labelled_at`, of the labels whose payment the label index has; float64.
    `unmatched`: how many found no payment, by cause, one of `CAUSES`."""

    lag_ms: Float64Array
    unmatched: Mapping[str, int]


def label_results(updated: Updated, index: LabelIndex | None) -> LabelResults:
    """The results of a batch whose labels were applied. `index`: of the same state, before its next batch."""
    batch = updated.batch
    if not batch.labels:
        return _NONE
    lost = updated.label_status == UNMATCHED
    if index is None:
        return LabelResults(_NO_LAGS, {"unknown": int(lost.sum())} if lost.any() else {})
    before = updated.found.before[batch.label_at][lost]
    causes = Counter(_CAUSE_OF.get(cause, "unknown") for cause in before.tolist())
    return LabelResults(_lag_ms(batch, updated, index), causes)


def _lag_ms(batch: Batch, updated: Updated, index: LabelIndex) -> Float64Array:
    entry = updated.found.entry[batch.label_at]
    found = entry >= 0
    lag: Float64Array = (batch.label_columns.labelled_ms[found] - index.arrays.t[entry[found]]).astype(np.float64)
    return lag


_NO_LAGS: Final = np.zeros(0, np.float64)
_NONE: Final = LabelResults(_NO_LAGS, {})

"""The last labelled payments of a row, newest first: what `risk_last` reads. Compiled.

They have the order of their first labels in the log. A correction changes the label where it is; one of a payment that
is no longer among them changes nothing here. The order does not depend on event times, nor on what the ring still
holds.

    bit   31 ────────────── 2   1   0
          digest of event_id    1   1 fraud, 0 genuine              0: no payment
"""

from __future__ import annotations

from typing import Final

import numpy as np

from fraudstream.compiled.jit import jit
from fraudstream.engine.arrays import UInt32Array
from fraudstream.engine.ring import FRAUD

RECENT_LABELS_MAX: Final = 8  # payments that a row remembers

_DIGEST: Final = np.uint64(0xFFFFFFFC)
_PRESENT: Final = np.uint32(2)
_FRAUD_BIT: Final = np.uint32(1)


@jit
def remember_label(recent: UInt32Array, row: int, event: np.uint64, before: int, label: int) -> bool:
    """A payment of the row gets a label. Returns whether anything changed. `recent`: uint32, shape (rows,
    RECENT_LABELS_MAX), or (rows, 0), which remembers nothing. `event`: digest of its event_id. `before`: its label
    until now, 0 for none."""
    width = recent.shape[1]
    entry = np.uint32(event & _DIGEST) | _PRESENT
    if label == FRAUD:
        entry |= _FRAUD_BIT
    if width == 0 or before == label:
        return False
    if before == 0:
        for k in range(width - 1, 0, -1):
            recent[row, k] = recent[row, k - 1]
        recent[row, 0] = entry
        return True
    for k in range(width):
        if recent[row, k] | _FRAUD_BIT == entry | _FRAUD_BIT:
            recent[row, k] = entry
            return True
    return False


@jit
def frauds_among(recent: UInt32Array, row: int, last: int) -> tuple[int, int]:
    """How many of the last `last` labelled payments of the row are frauds, and how many there are, `last` at most."""
    frauds, found = 0, 0
    for k in range(min(last, recent.shape[1])):
        if recent[row, k] != np.uint32(0):
            found += 1
            frauds += 1 if (recent[row, k] & _FRAUD_BIT) != np.uint32(0) else 0
    return frauds, found

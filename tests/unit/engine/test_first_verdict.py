"""References to first verdicts of the same batch."""

from __future__ import annotations

import numpy as np

from fraudstream.engine.first_verdict import index_of, is_reference, reference_to
from fraudstream.engine.ledger import UNKNOWN


def test_an_index_comes_back_from_its_reference() -> None:
    index = np.array([0, 1, 4_999, 2**31 - 3])
    reference = reference_to(index)
    assert (reference.dtype, bool((reference < 0).all())) == (np.dtype(np.int32), True)
    assert index_of(reference).tolist() == index.tolist()


def test_a_score_a_reference_and_a_verdict_no_longer_held_are_told_apart() -> None:
    encoded = np.array([0, 10_000, -1, -5_000, UNKNOWN], np.int32)
    assert is_reference(encoded).tolist() == [False, False, True, True, False]

"""A state restored from its records continues as if it had never been saved, wherever that was.

Read back in the pieces in which it was saved, all at once, and from a compacted changelog, which has kept the last
record of each key. Records saved later are equal too, so a second restart is as good as the first.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraudstream.engine.partition_state import PartitionState
from tests.property.batches import split
from tests.property.judged_log import judged
from tests.property.payment_logs import Log, logs
from tests.property.profile import EXAMPLES
from tests.property.rule_sets import ENGINES

_cuts = st.lists(st.integers(0, 60), min_size=1, max_size=5)


@pytest.mark.parametrize("name", ENGINES)
@EXAMPLES
@given(log=logs(), cuts=_cuts)
def test_a_restored_state_continues_as_the_one_that_was_saved(name: str, log: Log, cuts: list[int]) -> None:
    engine = ENGINES[name]
    state = engine.new_state()  # never restarted
    copies: list[PartitionState] = []  # restored where a piece of the log ended
    saved: list[list[tuple[bytes, bytes]]] = []
    for piece in split(log, cuts):
        expected = judged(engine, state, [piece])
        saved.append(state.changes())
        for copy in copies:
            assert judged(engine, copy, [piece]) == expected
            assert sorted(copy.changes()) == sorted(saved[-1])
        whole = [record for records in saved for record in records]
        for changelog in (saved, [whole], [_compacted(saved)]):
            copies.append(_restored(engine.new_state(), changelog))
        for copy in copies[-3:]:
            assert (copy.layout, copy.watermark_ms) == (state.layout, state.watermark_ms)
            assert copy.changes() == [], "what was read back counts as saved"


def test_a_record_of_an_entity_that_the_catalogue_lacks_is_refused() -> None:
    with pytest.raises(
        ValueError, match="a saved row belongs to the entity 'terminal', which the catalogue does not have"
    ):
        ENGINES["roomy"].new_state().restore([(b"terminal\0t-1\0h", b"")])


def _restored(state: PartitionState, saved: list[list[tuple[bytes, bytes]]]) -> PartitionState:
    for records in saved:
        state.restore(records)
    return state


def _compacted(saved: list[list[tuple[bytes, bytes]]]) -> list[tuple[bytes, bytes]]:
    """What a compacted topic keeps: the last record of each key, in the order in which these were written."""
    kept: dict[bytes, bytes] = {}
    for records in saved:
        for key, value in records:
            kept.pop(key, None)
            kept[key] = value
    return list(kept.items())

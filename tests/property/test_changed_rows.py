"""The records of changed rows are, to the byte, those of the slow twin, whatever the size of the pieces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraudstream.engine.changed_rows import PIECE_BYTES, PIECE_RECORDS, take_changed_rows
from fraudstream.engine.partition_state import PartitionState
from tests.property.batches import split
from tests.property.judged_log import judged
from tests.property.payment_logs import Log, logs
from tests.property.profile import EXAMPLES
from tests.property.rule_sets import ACCOUNT_ENGINES, ENGINES
from tests.property.slow_changes import take_changes

_cuts = st.lists(st.integers(0, 60), max_size=5)
_limits = st.tuples(st.sampled_from((1, 500, 5_000, PIECE_BYTES)), st.sampled_from((1, 2, 7, PIECE_RECORDS)))
_engines = ENGINES | {f"{name}, accounts alone": engine for name, engine in ACCOUNT_ENGINES.items()}


@pytest.mark.parametrize("name", _engines)
@EXAMPLES
@given(log=logs(), cuts=_cuts, limits=_limits)
def test_packed_changes_are_those_of_the_twin(name: str, log: Log, cuts: list[int], limits: tuple[int, int]) -> None:
    engine = _engines[name]
    state, other = engine.new_state(), engine.new_state()
    for piece in split(log, cuts):
        assert judged(engine, state, [piece]) == judged(engine, other, [piece])
        expected = _of_twin(other)
        assert sorted(_packed(state, *limits)) == sorted(expected)
        assert _packed(state, *limits) == [], "nothing is dirty any more"


def _packed(state: PartitionState, piece_bytes: int, piece_records: int) -> list[tuple[bytes, bytes]]:
    """The changed rows of all entities, in pieces within the limits, or of one record."""
    found: list[tuple[bytes, bytes]] = []
    for entity in state.entities:
        pieces = take_changed_rows(entity.plan.entity.name, entity.index, entity.arena, piece_bytes, piece_records)
        assert all(piece.n == 1 or (piece.n <= piece_records and piece.size <= piece_bytes) for piece in pieces)
        assert sum(piece.size for piece in pieces) == sum(len(k) + len(v) for piece in pieces for k, v in piece.pairs())
        found += [pair for piece in pieces for pair in piece.pairs()]
    return found


def _of_twin(state: PartitionState) -> list[tuple[bytes, bytes]]:
    return [
        pair for entity in state.entities for pair in take_changes(entity.plan.entity.name, entity.index, entity.arena)
    ]

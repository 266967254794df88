"""Which state version decides a partition, from the last checkpoints of all versions."""

from __future__ import annotations

import pytest

from fraudstream.operations.deciding_versions import deciding
from fraudstream.stream.checkpoints.checkpoint_record import CheckpointRecord


def checkpoint(next_offset: int, *, backfilling: bool = False, cut_over_to: int | None = None) -> CheckpointRecord:
    return CheckpointRecord(
        next_offset=next_offset,
        input_topic="payments",
        input_id="id",
        rule_set="0123456789abcdef",
        layout="1",
        mode="batch",
        epoch="e",
        backfilling=backfilling,
        cut_over_to=cut_over_to,
    )


@pytest.mark.parametrize(
    ("versions", "decides", "from_offset", "reached", "backfilling"),
    [
        ({1: checkpoint(9)}, 1, None, True, None),
        ({1: None}, 1, None, True, None),
        ({1: checkpoint(9), 2: checkpoint(4, backfilling=True)}, 1, None, True, 2),
        ({1: checkpoint(9, cut_over_to=2), 2: checkpoint(4, backfilling=True)}, 2, 8, False, 2),
        ({1: checkpoint(9, cut_over_to=2), 2: checkpoint(12)}, 2, 8, True, None),
        ({2: checkpoint(12)}, 2, None, True, None),  # the topics of version 1 are deleted
        ({1: checkpoint(9, cut_over_to=2), 2: checkpoint(12, cut_over_to=3), 3: checkpoint(15)}, 3, 11, True, None),
        ({1: checkpoint(9, cut_over_to=2)}, 2, 8, False, None),
    ],
)
def test_the_version_that_decides_a_partition(
    versions: dict[int, CheckpointRecord | None],
    decides: int,
    from_offset: int | None,
    reached: bool,
    backfilling: int | None,
) -> None:
    found = deciding({version: {0: held} for version, held in versions.items()}, 0)
    assert (found.state_version, found.from_offset, found.reached) == (decides, from_offset, reached)
    assert found.backfilling == (backfilling if decides != backfilling else None)
    assert found.checkpoint == versions.get(decides)

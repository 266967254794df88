"""What is reported of recovery: how many partitions are not restored yet, and which share of the records is read."""

from __future__ import annotations

from typing import cast

from fraudstream.engine.partition_state import PartitionState
from fraudstream.stream.partition import Partition
from fraudstream.stream.ports import ChangelogWriter
from fraudstream.stream.recovery_progress import RecoveryProgress, recovery_progress


def partition(number: int, begin: int = 0, read: int = 0) -> Partition:
    made = Partition(number, cast(PartitionState, None), cast(ChangelogWriter, None), "transaction")
    made.changelog_begin, made.changelog_read = begin, read
    return made


def kept(number: int) -> Partition:
    """One that stayed in a rebalance: it is not restored."""
    made = partition(number)
    made.restorer = None
    return made


def test_the_share_is_that_of_all_records_to_be_read() -> None:
    held = [partition(0, 0, 100), partition(1, 0, 50), partition(2)]
    assert recovery_progress(held, {0: 100, 1: 200, 2: 100}) == RecoveryProgress(2, 3, 150 / 400, 0)


def test_what_compaction_took_from_the_beginning_is_not_to_be_read() -> None:
    assert recovery_progress([partition(0, 900, 950)], {0: 1000}).share == 0.5


def test_partitions_that_stayed_are_assigned_but_not_recovering() -> None:
    assert recovery_progress([kept(0), kept(1), partition(2, 0, 10)], {2: 20}) == RecoveryProgress(1, 3, 0.5, 0)


def test_nothing_is_read_while_no_end_is_known() -> None:
    assert recovery_progress([partition(0), partition(1)], {}) == RecoveryProgress(2, 2, 0.0, 0)


def test_a_changelog_read_to_its_end_is_not_recovering_any_more() -> None:
    assert recovery_progress([partition(0, 0, 10), partition(1, 0, 5)], {0: 10, 1: 10}) == RecoveryProgress(
        1, 2, 0.75, 0
    )

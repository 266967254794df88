"""What recovery restores from a changelog, record by record: incomplete checkpoints and late writers change nothing."""

from typing import NamedTuple

import msgspec
import pytest

from fraudstream.engine.packed_records import PackedRecords
from fraudstream.stream.checkpoints.changelog import (
    CHECKPOINT_KEY,
    EPOCH_HEADER,
    EPOCH_KEY,
    IMPORT_KEY,
    ChangelogRestorer,
)
from fraudstream.stream.checkpoints.checkpoint_record import CheckpointRecord, encode_checkpoint


class Record(NamedTuple):
    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()
    offset: int = 0
    timestamp: int = 0


class Rows(dict[bytes, bytes]):
    def restore_packed(self, records: PackedRecords) -> None:
        self.update(records.pairs())


def row(key: str, value: str, epoch: str) -> Record:
    return Record(key.encode(), value.encode(), ((EPOCH_HEADER, epoch.encode()),))


def epoch(name: str) -> Record:
    return Record(EPOCH_KEY, name.encode())


def checkpoint(next_offset: int, epoch: str, mode: str = "batch") -> Record:
    record = CheckpointRecord(
        next_offset=next_offset,
        input_topic="payments",
        input_id="id",
        rule_set="rs",
        layout="l",
        mode="batch" if mode == "batch" else "transaction",
        epoch=epoch,
    )
    return Record(CHECKPOINT_KEY, encode_checkpoint(record), ((EPOCH_HEADER, epoch.encode()),))


def replayed(records: list[Record], piece: int = 1000) -> tuple[Rows, int | None]:
    rows = Rows()
    replay = ChangelogRestorer(rows, "batch")
    for start in range(0, len(records), piece):
        replay.feed(records[start : start + piece])
    return rows, replay.checkpoint.next_offset if replay.checkpoint else None


WHOLE = [epoch("a"), checkpoint(0, "a"), row("k", "1", "a"), row("l", "1", "a"), checkpoint(10, "a")]


@pytest.mark.parametrize("piece", [1, 2, 3, 100])
def test_rows_count_with_their_checkpoint_however_the_log_is_cut(piece: int) -> None:
    assert replayed(WHOLE, piece) == ({b"k": b"1", b"l": b"1"}, 10)


@pytest.mark.parametrize("piece", [1, 2, 100])
def test_an_import_counts_with_its_last_record_only(piece: int) -> None:
    part = [Record(IMPORT_KEY, b"i"), row("k", "1", "i"), row("l", "1", "i")]
    assert replayed(part, piece) == ({}, None)
    assert replayed([*part, checkpoint(10, "i")], piece) == ({b"k": b"1", b"l": b"1"}, 10)


def test_rows_without_their_checkpoint_never_count() -> None:
    checkpoint_incomplete = [*WHOLE, row("k", "2", "a")]
    assert replayed(checkpoint_incomplete) == ({b"k": b"1", b"l": b"1"}, 10)
    successor = [*checkpoint_incomplete, epoch("b"), checkpoint(10, "b"), row("l", "3", "b"), checkpoint(12, "b")]
    assert replayed(successor) == ({b"k": b"1", b"l": b"3"}, 12)


def test_an_epoch_that_just_began_changes_nothing() -> None:
    assert replayed([*WHOLE, row("k", "2", "a"), epoch("b")]) == ({b"k": b"1", b"l": b"1"}, 10)


@pytest.mark.parametrize("piece", [1, 2, 3, 100])
def test_what_an_owner_writes_while_the_next_one_reads_is_ignored(piece: int) -> None:
    """Else later readers would apply it under the position of the next owner, who has not read it."""
    late = [*WHOLE, epoch("b"), row("k", "9", "a"), checkpoint(99, "a"), checkpoint(10, "b")]
    assert replayed(late, piece) == ({b"k": b"1", b"l": b"1"}, 10)
    overtaken = [*WHOLE, epoch("b"), epoch("c"), checkpoint(10, "c"), row("k", "2", "c"), checkpoint(10, "b")]
    assert replayed([*overtaken, checkpoint(20, "c")], piece) == ({b"k": b"2", b"l": b"1"}, 20)


def test_what_an_owner_writes_after_it_lost_the_partition_is_ignored() -> None:
    late = [
        *WHOLE,
        epoch("b"),
        checkpoint(10, "b"),
        row("k", "2", "b"),
        row("k", "9", "a"),
        checkpoint(99, "a"),
        checkpoint(20, "b"),
    ]
    assert replayed(late) == ({b"k": b"2", b"l": b"1"}, 20)


def test_in_transactions_epochs_discard_nothing_since_compaction_may_have_left_a_record_alone() -> None:
    rows = Rows()
    replay = ChangelogRestorer(rows, "transaction")
    replay.feed([Record(b"k", b"1"), epoch("b"), checkpoint(10, "b", mode="transaction")])
    assert rows == {b"k": b"1"}
    assert replay.checkpoint is not None
    assert replay.checkpoint.next_offset == 10


def test_a_checkpoint_record_of_this_version_reads_back() -> None:
    value = checkpoint(10, "a").value
    assert msgspec.json.encode(msgspec.json.decode(value, type=CheckpointRecord)) == value

"""The checkpoint record: the position of a partition, and what its rows were written under.

Releases that run side by side during a rolling upgrade read each other's records. A field that an older release may
leave unread is added with a default. Where leaving it unread would make wrong verdicts, or rows are saved in a new way,
`CHECKPOINT_VERSION` is raised: an older release refuses such a record, instead of reading half of it.
"""

from __future__ import annotations

from typing import Final

import msgspec

from fraudstream import __version__
from fraudstream.stream.failure import NewerState
from fraudstream.stream.settings import CheckpointMode

CHECKPOINT_VERSION: Final = 1


class CheckpointRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """The position of a partition: everything before `next_offset` of the input topic is in the rows, and nothing
    after it.

    `input_id`: the identity of the input topic (see `topic_identity`). `layout`: of the state's rows; rows of another
    layout cannot be read. `rule_set`: digest of the rules in force. `sources`: highest offset seen of each partition of
    the stage before; empty in the first stage. `begin`: offset of the first record that the state has seen; above 0
    retention had deleted the beginning of the log. `next_topic`, its identity `next_id` and its `next_partitions`: the
    log of the next stage, which drops repeats by its source offsets; empty where the stage decides, and in older
    records. `backfilling`, `cut_over_to`: as in the engine's state; it was cut over at the record before `next_offset`.
    `seeded`: the rows hold the list entries of `controls` that replace those missing from the log, if any.
    `resumed_at`: offset of the first record after the last gap in the log whose loss was accepted; 0 without one.
    `key_fingerprint`: of the digest key that the rows were written under. `release`: that wrote the record, "" in older
    records. `schema_version`: see `CHECKPOINT_VERSION`.
    """

    next_offset: int
    input_topic: str
    input_id: str
    rule_set: str
    layout: str
    mode: CheckpointMode
    epoch: str
    begin: int = 0
    backfilling: bool = False
    cut_over_to: int | None = None
    seeded: bool = False
    resumed_at: int = 0
    key_fingerprint: str = ""
    sources: dict[str, int] = {}
    next_topic: str = ""
    next_id: str = ""
    next_partitions: int = 0
    release: str = ""
    schema_version: int = 1


class _Written(msgspec.Struct):
    """The part of a record that every release reads, of its own and of later ones."""

    schema_version: int = 1
    release: str = ""


encode_checkpoint = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(CheckpointRecord).decode
_decode_written = msgspec.json.Decoder(_Written).decode


def decode_checkpoint(value: bytes) -> CheckpointRecord:
    """The checkpoint record in `value`.

    Raises `NewerState` for one of a later version than this release knows, `msgspec.MsgspecError` for anything else
    that is no such record.
    """
    written = _decode_written(value)
    if written.schema_version > CHECKPOINT_VERSION:
        raise NewerState(
            f"The state was saved by fraudstream {written.release or 'of a later release'}, as version "
            f"{written.schema_version} of the checkpoint; this is {__version__}, which reads version "
            f"{CHECKPOINT_VERSION}. Start that release or a later one; to go back to this one, see docs/upgrades.md."
        )
    return _decode(value)

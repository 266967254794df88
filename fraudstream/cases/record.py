"""A case as a record of the topic `cases`: the value is the case, the headers hold what the agent needs to go on from
there.

A case stands in the partition that has the number of its alerts' partition: one partition, one writer, and whoever
takes the partition over reads its cases from the partition of the same number. State and position are one record, so
they cannot disagree: having emitted it, the agent has handled all input before `Position`.

A worker of one stage keeps an account's alerts in the partition of its payments, whatever partitioner their publisher
uses; in a chain they stand where Kafka's default partitioner leads. So actions must follow the case: whoever publishes
one sends it to the partition where the case stands (the view says which).

Headers: `position` (JSON, `Position`), `memo` (JSON, `store.Memo`). Consumers of cases need neither.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from fraudstream.cases.store import Held, Memo, Source
from fraudstream.contracts import Case
from fraudstream.contracts.headers import ORIGIN_HEADER, SOURCE_HEADER, version_of
from fraudstream.contracts.headers import source_of as headers_source

Headers = Sequence[tuple[str, bytes]]

POSITION_HEADER: Final = "position"
MEMO_HEADER: Final = "memo"

_case = msgspec.json.Decoder(Case)
_memo = msgspec.json.Decoder(Memo)


class Position(msgspec.Struct, frozen=True, omit_defaults=True):
    """The next offset to handle in the partition of `alerts` and in that of `case-actions`. `..._id`: the identity of
    the topic, without which its offsets mean nothing; empty in cases that were written before it was kept."""

    alerts: int = 0
    case_actions: int = 0
    alerts_id: str = ""
    case_actions_id: str = ""


_position = msgspec.json.Decoder(Position)


class CaseRecord(NamedTuple):
    """A record to emit. `partition` None: where the key leads."""

    topic: str
    key: bytes | None
    value: bytes
    headers: Headers = ()
    partition: int | None = None


def case_record(topic: str, partition: int, held: Held, position: Position) -> CaseRecord:
    """The record that says: the case is `held`, and everything before `position` is handled."""
    return CaseRecord(
        topic=topic,
        key=held.case.case_id.encode(),
        value=msgspec.json.encode(held.case),
        headers=((POSITION_HEADER, msgspec.json.encode(position)), (MEMO_HEADER, msgspec.json.encode(held.memo))),
        partition=partition,
    )


def held_of(value: bytes, headers: Headers) -> tuple[Held, Position]:
    """The state and position of a case's record. Raises `msgspec.MsgspecError` or `KeyError` if it is no record of
    ours."""
    found = dict(headers)
    return Held(_case.decode(value), _memo.decode(found[MEMO_HEADER])), _position.decode(found[POSITION_HEADER])


def source_of(headers: Headers) -> Source | None:
    """Where the payment of an alert stood in the log of the stage that decided, if the record's headers say so."""
    found = dict(headers)
    source = headers_source(found.get(SOURCE_HEADER))
    return None if source is None else Source(int(source[0]), source[1], version_of(found))


def origin_of(headers: Headers) -> int | None:
    """The partition of `payments` where the payment of an alert stands, if the record's headers say so."""
    origin = dict(headers).get(ORIGIN_HEADER, b"")
    return int(origin) if origin.isdigit() else None

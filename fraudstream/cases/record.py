"""A case as a record of the topic `cases`: the value is the case, the headers are what the agent needs to resume.

A case is in the partition with the number of its alerts' partition: each partition has one writer, and its next owner
reads the cases from the partition of the same number. Case and position are one record, so they cannot disagree: when
it is written, the agent has handled all input before `Position`.

A worker with one stage keeps an account's alerts in the partition of its payments, whatever partitioner the publisher
uses; in a chain they are where Kafka's default partitioner puts them. So an action must be published to the partition
of its case, which the view names.

Headers: `position` (JSON, `Position`), `memo` (JSON, `held.Memo`). Consumers of cases need neither. A case that an
alert with a sampled trace has changed has `traceparent`, too.

A case that has left (`cases.retention`, or erased) has a record without a value, which compaction removes together with
all earlier ones, and with them the positions that they held. So a record of the key `position`, whose value is the
position, follows it. It is not a case.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from fraudstream.cases.held import Held, Memo, Source
from fraudstream.contracts import Case
from fraudstream.contracts.case import POSITION_KEY
from fraudstream.contracts.headers import ORIGIN_HEADER, SOURCE_HEADER, version_of
from fraudstream.contracts.headers import source_of as headers_source
from fraudstream.tracing.context import TraceContext

Headers = Sequence[tuple[str, bytes]]

POSITION_HEADER: Final = "position"
MEMO_HEADER: Final = "memo"

_case = msgspec.json.Decoder(Case)
_memo = msgspec.json.Decoder(Memo)


class Position(msgspec.Struct, frozen=True, omit_defaults=True):
    """The next offset to handle in the partition of `alerts`, of `case-actions` and of `notice-answers`.

    `alerts_id`, `case_actions_id`, `notice_answers_id`: identities of the topics, for which alone the offsets are
    valid; empty in cases that were written before identities were kept.
    """

    alerts: int = 0
    case_actions: int = 0
    alerts_id: str = ""
    case_actions_id: str = ""
    notice_answers: int = 0
    notice_answers_id: str = ""


_position = msgspec.json.Decoder(Position)


class CaseRecord(NamedTuple):
    """A record to write. `partition` None: chosen by the key. `with_next`: it is written with the next record, or not
    at all."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    partition: int | None = None
    with_next: bool = False

    def in_trace(self, context: TraceContext) -> CaseRecord:
        """The record with the headers of a trace."""
        return self._replace(headers=(*self.headers, *context.headers()))


def case_record(topic: str, partition: int, held: Held, position: Position, *, with_next: bool = False) -> CaseRecord:
    """The record for the case in `held`, stating that all input before `position` is handled."""
    return CaseRecord(
        topic=topic,
        key=held.case.case_id.encode(),
        value=msgspec.json.encode(held.case),
        headers=((POSITION_HEADER, msgspec.json.encode(position)), (MEMO_HEADER, msgspec.json.encode(held.memo))),
        partition=partition,
        with_next=with_next,
    )


def removal_record(topic: str, partition: int, case_id: str) -> CaseRecord:
    """The record that removes a case from the topic."""
    return CaseRecord(topic, case_id.encode(), None, partition=partition)


def position_record(topic: str, partition: int, position: Position) -> CaseRecord:
    """The record that states that all input before `position` is handled, to follow records that remove cases."""
    return CaseRecord(topic, POSITION_KEY, msgspec.json.encode(position), partition=partition)


def position_of(value: bytes) -> Position:
    """The position in a record of `position_record`. Raises `msgspec.MsgspecError`."""
    return _position.decode(value)


def held_of(value: bytes, headers: Headers) -> tuple[Held, Position]:
    """The case, its memo and the position in a record. Raises `msgspec.MsgspecError` or `KeyError` if it is not a
    record of `case_record`."""
    found = dict(headers)
    return Held(_case.decode(value), _memo.decode(found[MEMO_HEADER])), _position.decode(found[POSITION_HEADER])


def source_of(headers: Headers) -> Source | None:
    """The position of an alert's payment in the log of the stage that decided; None if the headers do not have it."""
    found = dict(headers)
    source = headers_source(found.get(SOURCE_HEADER))
    return None if source is None else Source(int(source[0]), source[1], version_of(found))


def origin_of(headers: Headers) -> int | None:
    """The partition of `payments` that has an alert's payment; None if the headers do not have it."""
    origin = dict(headers).get(ORIGIN_HEADER, b"")
    return int(origin) if origin.isdigit() else None

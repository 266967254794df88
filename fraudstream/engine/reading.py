"""From the records of one partition's log to verdicts: all that lies between raw bytes and answers, without I/O.

The worker, and whoever runs a log again, call `read`. How the log is cut into calls changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import ne
from typing import NamedTuple, Protocol

from fraudstream.contracts.headers import LABEL_HEADER
from fraudstream.contracts.label import Label
from fraudstream.contracts.payment import Payment
from fraudstream.engine.columns import Rejection
from fraudstream.engine.decode import decode
from fraudstream.engine.engine import Engine
from fraudstream.engine.memory import Memory
from fraudstream.engine.verdict import Verdicts

_NO_KEY = "The record has no key. Key payments by account_id: so an account's payments keep their order."
_OTHER_KEY = "The record's key is not its account_id: its account's other payments stand in another partition."


class LogRecord(Protocol):
    """What a log is made of; aiokafka's `ConsumerRecord` fits."""

    @property
    def timestamp(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes]]: ...


class Reading(NamedTuple):
    """What records came to. `positions`: the record of each payment in `verdicts`. `refused`: in the order of the log,
    `position` is the record's. `events`: payments and labels applied or asked about."""

    verdicts: Verdicts
    positions: list[int]
    refused: list[Rejection]
    events: int


def read(engine: Engine, memory: Memory, records: Sequence[LogRecord]) -> Reading:
    """Apply `records` to `memory`, in order, and judge each payment in the light of what stands before it."""
    if records:
        memory.begin(records[0].timestamp)
    events, where, refused = _decoded(records)
    timestamps = [record.timestamp for record in records]
    published = timestamps if len(events) == len(records) else [timestamps[i] for i in where]
    verdicts = engine.judge(events, memory, published)
    refused += [rejection._replace(position=where[rejection.position]) for rejection in verdicts.rejected]
    refused.sort(key=lambda rejection: rejection.position)  # found in three places, told in the order of the log
    return Reading(verdicts, [where[i] for i in verdicts.positions.tolist()], refused, len(events))


def _decoded(records: Sequence[LogRecord]) -> tuple[list[Payment | Label], Sequence[int], list[Rejection]]:
    """The events that can be judged, the record of each, and what is refused."""
    labels = [LABEL_HEADER in record.headers for record in records]
    decoded = decode([record.value for record in records], labels if True in labels else None)
    refused = [event._replace(position=position) for position, event in enumerate(decoded) if type(event) is Rejection]
    if not refused:
        keys = [record.key for record in records]
        accounts = [event.account_id.encode() for event in decoded]  # type: ignore[union-attr]
        if not any(map(ne, keys, accounts)):
            return decoded, range(len(decoded)), refused  # type: ignore[return-value]
    events: list[Payment | Label] = []
    where: list[int] = []
    for position, event in enumerate(decoded):
        if isinstance(event, Rejection):
            continue
        key = records[position].key
        if key != event.account_id.encode():
            refused.append(Rejection(position, "key", _NO_KEY if key is None else _OTHER_KEY, "$.account_id"))
            continue
        events.append(event)
        where.append(position)
    return events, where, refused

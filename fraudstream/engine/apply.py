"""From the records of one partition's log to verdicts: all that lies between raw bytes and answers, without I/O.

The worker, and whoever runs a log again, call `apply`. How the log is cut into calls changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import ne
from typing import NamedTuple, Protocol

import numpy as np

from fraudstream.contracts.headers import FEATURES_HEADER, LABEL_HEADER, SOURCE_HEADER, source_of
from fraudstream.contracts.label import Label
from fraudstream.contracts.payment import Payment
from fraudstream.engine.arrays import Int64Array
from fraudstream.engine.columns import Rejection
from fraudstream.engine.decode import decode
from fraudstream.engine.engine import Engine, Forwarded
from fraudstream.engine.forwarded_features import ForwardedFeatures
from fraudstream.engine.partition_state import PartitionState
from fraudstream.engine.verdict import Verdicts

_NO_KEY = "The record has no key. Key payments by account_id: so an account's payments keep their order."
_OTHER_KEY = "The record's key is not its account_id: its account's other payments stand in another partition."
_NOT_HANDED_ON = (
    "The record does not come from the stage before, which alone writes here. Publish payments to their topic."
)


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


class ApplyResult(NamedTuple):
    """What records came to. `positions`: the record of each payment in `verdicts`. `refused`: in the order of the
    log, `position` is the record's. `events`: payments and labels applied or asked about. `dropped`: records that the
    stage before had sent before. `arrived_at_ms`: of each payment, when the first stage's log had it; int64."""

    verdicts: Verdicts
    positions: list[int]
    refused: list[Rejection]
    events: int
    dropped: int
    arrived_at_ms: Int64Array


class ForwardResult(NamedTuple):
    """What records came to in a stage that another follows. `positions`: the record of each event that goes on."""

    forwarded_events: Forwarded
    positions: list[int]
    refused: list[Rejection]
    events: int
    dropped: int


def apply(engine: Engine, state: PartitionState, records: Sequence[LogRecord]) -> ApplyResult:
    """Apply `records` to `state`, in order, and judge each payment in the light of what stands before it.

    Raises `OtherFeatures` where the stage before ran under another catalogue.
    """
    found = _events_of(engine, state, records)
    published = found.published(records)
    verdicts = engine.judge(found.events, state, published, found.forwarded)
    refused = found.all_refused(verdicts.rejected)
    arrived = np.array(published, np.int64) if found.forwarded is None else found.forwarded.arrived_at_ms
    return ApplyResult(
        verdicts,
        [found.where[i] for i in verdicts.positions.tolist()],
        refused,
        len(found.events),
        len(records) - len(found.where) - len(found.refused),
        arrived[verdicts.positions],
    )


def apply_and_forward(engine: Engine, state: PartitionState, records: Sequence[LogRecord]) -> ForwardResult:
    """As `apply`, where another stage decides: apply `records`, and tell what goes on to the next one."""
    found = _events_of(engine, state, records)
    forwarded_events = engine.forward(found.events, state, found.published(records), found.forwarded)
    refused = found.all_refused(forwarded_events.rejected)
    dropped = len(records) - len(found.where) - len(found.refused)
    return ForwardResult(
        forwarded_events,
        [found.where[i] for i in forwarded_events.positions.tolist()],
        refused,
        len(found.events),
        dropped,
    )


class _Found(NamedTuple):
    """The events that can be judged, the record of each, what is refused, and what comes from the stages before."""

    events: list[Payment | Label]
    where: Sequence[int]
    refused: list[Rejection]
    forwarded: ForwardedFeatures | None

    def published(self, records: Sequence[LogRecord]) -> list[int]:
        timestamps = [record.timestamp for record in records]
        return timestamps if len(self.events) == len(records) else [timestamps[i] for i in self.where]

    def all_refused(self, by_engine: list[Rejection]) -> list[Rejection]:
        """Found in three places, told in the order of the log."""
        at_record = [rejection._replace(position=self.where[rejection.position]) for rejection in by_engine]
        return sorted(self.refused + at_record, key=lambda rejection: rejection.position)


def _events_of(engine: Engine, state: PartitionState, records: Sequence[LogRecord]) -> _Found:
    if records:
        state.begin(records[0].timestamp)
    return _from_publishers(records) if engine.is_first else _from_stage_before(engine, state, records)


def _from_publishers(records: Sequence[LogRecord]) -> _Found:
    labels = [LABEL_HEADER in record.headers for record in records]
    decoded = decode([record.value for record in records], labels if True in labels else None)
    refused = [event._replace(position=position) for position, event in enumerate(decoded) if type(event) is Rejection]
    if not refused:
        keys = [record.key for record in records]
        accounts = [event.account_id.encode() for event in decoded]  # type: ignore[union-attr]
        if not any(map(ne, keys, accounts)):
            return _Found(decoded, range(len(decoded)), refused, None)  # type: ignore[arg-type]
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
    return _Found(events, where, refused, None)


def _from_stage_before(engine: Engine, state: PartitionState, records: Sequence[LogRecord]) -> _Found:
    """A stage that went on from its last checkpoint sends again: what is not higher than its source's highest offset
    was here before, and is dropped."""
    sources = state.sources
    where: list[int] = []
    features: list[bytes] = []
    labels: list[bool] = []
    refused: list[Rejection] = []
    for position, record in enumerate(records):
        source = packed = None
        label = False
        for header in record.headers:
            if header[0] == SOURCE_HEADER:
                source = header[1]
            elif header[0] == FEATURES_HEADER:
                packed = header[1]
            elif header == LABEL_HEADER:
                label = True
        place = source_of(source)
        if place is None or packed is None:
            refused.append(Rejection(position, "invalid", _NOT_HANDED_ON, "$"))
            continue
        partition, offset = place
        if offset > sources.get(partition, -1):
            sources[partition] = offset
            where.append(position)
            features.append(packed)
            labels.append(label)
    decoded = decode([records[i].value for i in where], labels if True in labels else None)
    sound = [i for i, event in enumerate(decoded) if type(event) is not Rejection]
    if len(sound) < len(decoded):
        refused += [event._replace(position=where[i]) for i, event in enumerate(decoded) if type(event) is Rejection]
        where, features = [where[i] for i in sound], [features[i] for i in sound]
    events = [event for event in decoded if not isinstance(event, Rejection)]
    return _Found(events, where, refused, engine.codec_in.unpack(features))

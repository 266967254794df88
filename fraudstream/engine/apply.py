"""Records of one partition's log to verdicts, without I/O: decode, check keys and sources, apply to the state.

The worker calls `apply`, and so does every re-run of a log. The result does not depend on how the log is split into
calls.
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
from fraudstream.engine.engine import Engine, ForwardedEvents
from fraudstream.engine.forwarded_features import ForwardedFeatures
from fraudstream.engine.partition_state import PartitionState
from fraudstream.engine.placement import Misplaced, Placement, copy_source, misplaced_records, rejection_sentence
from fraudstream.engine.verdict import Verdicts

_NO_KEY = "The record has no key. Key payments by account_id, so that an account's payments keep their order."
_OTHER_KEY = "The record's key is not its account_id: other payments of the account are in another partition."
_NOT_FORWARDED = (
    "The record does not come from the previous stage, the only one that may write here. Publish payments to their "
    "own topic."
)


class LogRecord(Protocol):
    """A record of a log; aiokafka's `ConsumerRecord` is one."""

    @property
    def timestamp(self) -> int:
        """When it was published, ms since the epoch."""
        ...

    @property
    def key(self) -> bytes | None:
        """The record key: of a payment or a label, its `account_id`."""
        ...

    @property
    def value(self) -> bytes | None:
        """The event, as JSON."""
        ...

    @property
    def headers(self) -> Sequence[tuple[str, bytes]]:
        """Names and values, see `contracts.headers`."""
        ...


class ApplyResult(NamedTuple):
    """What applying records produced.

    `positions`: index of each payment of `verdicts` among the records. `refused`: rejected records, in order; their
    `position` is the index of the record. `events`: number of payments and labels applied. `dropped`: number of records
    that were sent before, by the previous stage or as a copy to this partition. `arrived_at_ms`: of each payment, when
    the first stage's log received it, ms since the epoch; int64. `misplaced`: records of the first stage whose key
    belongs to another partition; the policy of the state's `placement` says whether they were applied or refused too.
    """

    verdicts: Verdicts
    positions: list[int]
    refused: list[Rejection]
    events: int
    dropped: int
    arrived_at_ms: Int64Array
    misplaced: tuple[Misplaced, ...] = ()


class ForwardResult(NamedTuple):
    """As `ApplyResult`, in a stage before the last. `positions`: index of the record of each of the `forwarded`."""

    forwarded: ForwardedEvents
    positions: list[int]
    refused: list[Rejection]
    events: int
    dropped: int
    misplaced: tuple[Misplaced, ...] = ()


def apply(engine: Engine, state: PartitionState, records: Sequence[LogRecord]) -> ApplyResult:
    """Apply records to the state, in order, and decide each payment by the records before it.

    Raises `OtherFeatures` where the previous stage ran under another catalogue.
    """
    decoded = _decoded(engine, state, records)
    published = decoded.published_at_ms(records)
    verdicts = engine.judge(decoded.events, state, published, decoded.forwarded)
    arrived = np.array(published, np.int64) if decoded.forwarded is None else decoded.forwarded.arrived_at_ms
    return ApplyResult(
        verdicts=verdicts,
        positions=[decoded.positions[i] for i in verdicts.positions.tolist()],
        refused=decoded.all_refused(verdicts.rejected),
        events=len(decoded.events),
        dropped=decoded.dropped,
        arrived_at_ms=arrived[verdicts.positions],
        misplaced=decoded.misplaced,
    )


def apply_and_forward(engine: Engine, state: PartitionState, records: Sequence[LogRecord]) -> ForwardResult:
    """As `apply`, in a stage before the last: apply records to the state and return the events for the next stage."""
    decoded = _decoded(engine, state, records)
    forwarded = engine.forward(decoded.events, state, decoded.published_at_ms(records), decoded.forwarded)
    return ForwardResult(
        forwarded=forwarded,
        positions=[decoded.positions[i] for i in forwarded.positions.tolist()],
        refused=decoded.all_refused(forwarded.rejected),
        events=len(decoded.events),
        dropped=decoded.dropped,
        misplaced=decoded.misplaced,
    )


class _Decoded(NamedTuple):
    """The valid events of some records.

    `positions`: index of each event's record. `refused`: records without a valid event; `position` is the record's
    index. `forwarded`: features of each event from earlier stages; None in the first stage. `dropped`, `misplaced`: as
    in `ApplyResult`.
    """

    events: list[Payment | Label]
    positions: Sequence[int]
    refused: list[Rejection]
    forwarded: ForwardedFeatures | None
    dropped: int = 0
    misplaced: tuple[Misplaced, ...] = ()

    def published_at_ms(self, records: Sequence[LogRecord]) -> list[int]:
        """When each event's record was published."""
        timestamps = [record.timestamp for record in records]
        return timestamps if len(self.events) == len(records) else [timestamps[i] for i in self.positions]

    def all_refused(self, by_engine: list[Rejection]) -> list[Rejection]:
        """Those found here and those found by the engine, in the order of the records."""
        at_record = [rejection._replace(position=self.positions[rejection.position]) for rejection in by_engine]
        return sorted(self.refused + at_record, key=lambda rejection: rejection.position)


def _decoded(engine: Engine, state: PartitionState, records: Sequence[LogRecord]) -> _Decoded:
    """The events of records, and the rejections. In a later stage, advances the state's `sources`."""
    if records:
        state.begin(records[0].timestamp)
    return _from_publishers(state, records) if engine.is_first else _from_previous_stage(engine, state, records)


def _from_publishers(state: PartitionState, records: Sequence[LogRecord]) -> _Decoded:
    """In the first stage: each record must be keyed by its account, and be in the partition of its key."""
    headed = [i for i, record in enumerate(records) if record.headers]
    repeated = _repeated_copies(state, records, headed) if headed else set()
    if not repeated:
        return _published(state.placement, records, headed)
    new = [i for i in range(len(records)) if i not in repeated]
    decoded = _published(state.placement, [records[i] for i in new], range(len(new)))
    return decoded._replace(
        positions=[new[position] for position in decoded.positions],
        refused=[refusal._replace(position=new[refusal.position]) for refusal in decoded.refused],
        misplaced=tuple(found._replace(position=new[found.position]) for found in decoded.misplaced),
        dropped=len(repeated),
    )


def _repeated_copies(state: PartitionState, records: Sequence[LogRecord], headed: Sequence[int]) -> set[int]:
    """Positions of copies of misplaced records that were received before. `headed`: positions of records with headers.

    Advances the state's `sources`.
    """
    repeated = set()
    for position in headed:
        source = copy_source(records[position].headers)
        if source is None:
            continue
        partition, offset = source
        if offset > state.sources.get(partition, -1):
            state.sources[partition] = offset
        else:
            repeated.add(position)
    return repeated


def _published(placement: Placement | None, records: Sequence[LogRecord], headed: Sequence[int]) -> _Decoded:
    """The events of records that are new. `headed`: positions of all records with headers, and possibly of others."""
    labels = {i for i in headed if LABEL_HEADER in records[i].headers}
    decoded = decode(
        [record.value for record in records], [i in labels for i in range(len(records))] if labels else None
    )
    refused = [event._replace(position=position) for position, event in enumerate(decoded) if type(event) is Rejection]
    keys = [record.key for record in records]
    misplaced = misplaced_records(placement, records, keys) if placement is not None else ()
    if not refused and not misplaced:  # the usual batch, without a loop over its records
        accounts = [event.account_id.encode() for event in decoded]  # type: ignore[union-attr]
        if not any(map(ne, keys, accounts)):
            return _Decoded(decoded, range(len(decoded)), refused, None)  # type: ignore[arg-type]
    events: list[Payment | Label] = []
    positions: list[int] = []
    elsewhere: list[Misplaced] = []
    due = {found.position: found for found in misplaced}
    for position, event in enumerate(decoded):
        if isinstance(event, Rejection):
            continue
        key = keys[position]
        if key != event.account_id.encode():
            refused.append(Rejection(position, "key", _NO_KEY if key is None else _OTHER_KEY, "$.account_id"))
            continue
        if placement is not None and (found := due.get(position)) is not None:
            elsewhere.append(found)
            if placement.policy == "reject":
                sentence = rejection_sentence(placement, found.due)
                refused.append(Rejection(position, "partition", sentence, "$.account_id"))
            if placement.policy != "count":
                continue
        events.append(event)
        positions.append(position)
    return _Decoded(events, positions, refused, None, misplaced=tuple(elsewhere))


class _Received(NamedTuple):
    """Records from the previous stage that are new: `positions` among all, packed features, whether each is a label."""

    positions: list[int]
    features: list[bytes]
    labels: list[bool]
    refused: list[Rejection]


def _from_previous_stage(engine: Engine, state: PartitionState, records: Sequence[LogRecord]) -> _Decoded:
    """In a later stage: each record must bring its source and features. Raises `OtherFeatures`."""
    positions, features, labels, refused = _received(state, records)
    decoded = decode([records[i].value for i in positions], labels if True in labels else None)
    valid = [i for i, event in enumerate(decoded) if type(event) is not Rejection]
    if len(valid) < len(decoded):
        refused += [
            event._replace(position=positions[i]) for i, event in enumerate(decoded) if type(event) is Rejection
        ]
        positions, features = [positions[i] for i in valid], [features[i] for i in valid]
    events = [event for event in decoded if not isinstance(event, Rejection)]
    dropped = len(records) - len(positions) - len(refused)
    return _Decoded(events, positions, refused, engine.codec_in.unpack(features), dropped)


def _received(state: PartitionState, records: Sequence[LogRecord]) -> _Received:
    """The records that were not received before, by the highest offset of each source partition.

    A previous stage that resumed from its last checkpoint sends records again: those up to that offset are dropped.
    """
    sources = state.sources
    received = _Received([], [], [], [])
    for position, record in enumerate(records):
        source_header = packed = None
        label = False
        for header in record.headers:
            if header[0] == SOURCE_HEADER:
                source_header = header[1]
            elif header[0] == FEATURES_HEADER:
                packed = header[1]
            elif header == LABEL_HEADER:
                label = True
        source = source_of(source_header)
        if source is None or packed is None:
            received.refused.append(Rejection(position, "invalid", _NOT_FORWARDED, "$"))
            continue
        partition, offset = source
        if offset > sources.get(partition, -1):
            sources[partition] = offset
            received.positions.append(position)
            received.features.append(packed)
            received.labels.append(label)
    return received

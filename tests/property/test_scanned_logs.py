"""A log through the scanner gives what the same log gives through msgspec alone, wherever it is cut.

Method: the records of a drawn log, some of them changed: written in another way, invalid, with another key, labels,
controls, copies of records of another partition, records that belong to another partition. They are read in pieces by
an engine as it is, and at once by one whose scanner flags every record, so that the slow twin reads all. At least half
of the records of an ordinary log are scanned, lest the twin be compared with itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraudstream.contracts.headers import (
    BACKFILLED_HEADER,
    CONTROL_HEADER,
    FEATURES_HEADER,
    LABEL_HEADER,
    source_header,
)
from fraudstream.contracts.label import Label
from fraudstream.engine.alert_writer import decoded_alerts
from fraudstream.engine.apply import ForwardResult, apply_and_forward
from fraudstream.engine.copies import CopyMarks
from fraudstream.engine.digest import PUBLIC_KEY
from fraudstream.engine.engine import Engine
from fraudstream.engine.frame import Frame, new_frame
from fraudstream.engine.log import read_log
from fraudstream.engine.partition_state import PartitionState
from fraudstream.engine.placement import MisplacedPolicy, Placement
from fraudstream.engine.records import Record, Records, records_of
from tests.property.chains import CHAINS
from tests.property.judged_log import judgements
from tests.property.payment_logs import BEGIN_MS, DAY_MS, Log, log_of, logs
from tests.property.profile import EXAMPLES
from tests.property.rule_sets import ENGINES, IN_EURO
from tests.property.twin import SEEDS, seeded_log

MARKS = CopyMarks(PUBLIC_KEY)
POLICIES: tuple[MisplacedPolicy, ...] = ("repartition", "reject", "count")


class FlagsAll:
    """A scanner that leaves every record to its twin."""

    def scan(self, records: Records, frame: Frame, flagged: Any) -> int:
        flagged[:] = 1
        return len(flagged)


def twin_of(engine: Engine) -> Engine:
    twin = engine.keyed(engine.digest_key)
    twin.intake.scanner = FlagsAll()
    return twin


READERS = ENGINES | {"in euro": IN_EURO}
TWINS = {name: twin_of(engine) for name, engine in READERS.items()}
CHAIN_TWINS = {name: [twin_of(engine) for engine in chain] for name, chain in CHAINS.items()}

# What becomes of a record: most stay as they are. The number picks a detail.
_kinds = st.sampled_from(
    ("plain",) * 8
    + ("spaces", "escaped", "unknown", "nested", "text", "other key", "no key", "no value", "currency", "amount")
    + ("ahead", "control", "copy", "marked")
)
_changes = st.lists(st.tuples(_kinds, st.integers(0, 3)), min_size=60, max_size=60)
_cuts = st.lists(st.integers(0, 60), max_size=6)


def _added(value: bytes, text: bytes) -> bytes:
    return value[:-1] + b"," + text + b"}"


def changed_records(log: Log, changes: Sequence[tuple[str, int]]) -> list[Record]:
    return [_record(offset, event, *changes[offset % len(changes)]) for offset, event in enumerate(log)]


def _record(offset: int, event: Any, kind: str, number: int) -> Record:
    key: bytes | None = event.account_id.encode()
    value: bytes | None = msgspec.json.encode(event)
    headers = [LABEL_HEADER] if isinstance(event, Label) else []
    timestamp = BEGIN_MS + 4_000 * DAY_MS
    assert value is not None
    match kind:
        case "spaces":
            value = b" " * number + value.replace(b",", b" ,\n").replace(b":", b" :\t", 3) + b" "
        case "escaped":
            value = _added(value, b'"note":"\\u00e4\\n"')
        case "unknown":
            value = _added(value, b'"note":"x","count":-1.5e3,"none":null')
        case "nested":
            value = _added(value, b'"more":{"a":[1,{"b":null}]}')
        case "text":
            value = (b"no JSON", b"{", b"[]", b'{"event_id": 7}')[number]
        case "other key":
            key = b"somebody"
        case "no key":
            key = None
        case "no value":
            value = (None, b"", None, b"")[number]
        case "currency":
            value = value.replace(b'"EUR"', b'"EUX"')
        case "amount":
            value = value.replace(b'"amount":"', b'"amount":"-')
        case "ahead":
            timestamp = BEGIN_MS - 40 * DAY_MS
        case "control":
            headers = [CONTROL_HEADER]
        case "copy":
            plain = Record(offset, timestamp, key, value, headers)
            headers = [*headers, MARKS.header(number // 2, offset - offset % 3, 1, plain)]
        case "marked":
            headers = [("trace", b"x"), *headers]
    return Record(offset, timestamp, key, value, headers)


def _new_state(engine: Engine, policy: MisplacedPolicy | None) -> PartitionState:
    state = engine.new_state()
    if policy is not None:
        state.placement = Placement(0, 2, "murmur2", policy)
    return state


def _pieces(records: Sequence[Record], cuts: Sequence[int]) -> list[Sequence[Record]]:
    ends = [0, *sorted(min(cut, len(records)) for cut in cuts), len(records)]
    return [records[begin:end] for begin, end in pairwise(ends)]


def _read(engine: Engine, state: PartitionState, pieces: Sequence[Sequence[Record]]) -> list[Any]:
    """Everything that reading the log gives, in one form however it is cut."""
    verdicts: list[Any] = []
    alerts: list[bytes] = []
    refused: list[Any] = []
    numbers = np.zeros(4, np.int64)
    misplaced: list[Any] = []
    begin = 0
    for piece in pieces:
        for span in read_log({engine.rule_set.digest: engine}, state, piece):
            result, found = span.result, span.result.verdicts
            at = (result.positions + begin).tolist()
            ids = [
                (a.decode(), b.decode())
                for a, b in zip(found.event_ids.present(), found.account_ids.present(), strict=True)
            ]
            times = [
                *zip(
                    result.arrived_at_ms.tolist(), found.occurred_at_ms.tolist(), found.unmatched.tolist(), strict=True
                )
            ]
            verdicts += zip(at, ids, times, judgements(found), list(found.payments), strict=True)
            alerts += [msgspec.json.encode(alert) for alert in decoded_alerts(found)]
            refused += [rejection._replace(position=rejection.position + begin) for rejection in result.refused]
            numbers += (result.events, result.dropped, found.labels, found.labels_unmatched)
            misplaced += [(each.position + begin, each.due) for each in result.misplaced]
        begin += len(piece)
    return [verdicts, alerts, refused, numbers.tolist(), misplaced, dict(state.changes()), state.sources]


@pytest.mark.parametrize("name", READERS)
@EXAMPLES
@given(log=logs(), changes=_changes, cuts=_cuts, policy=st.sampled_from((None, None, *POLICIES)))
def test_a_log_reads_alike_with_and_without_the_scanner(
    name: str, log: Log, changes: list[tuple[str, int]], cuts: list[int], policy: MisplacedPolicy | None
) -> None:
    records, engine, twin = changed_records(log, changes), READERS[name], TWINS[name]
    found = _read(engine, _new_state(engine, policy), _pieces(records, cuts))
    assert found == _read(twin, _new_state(twin, policy), [records])


def _forwarded(engine: Engine, state: PartitionState, records: Sequence[Record]) -> tuple[list[Any], list[Record]]:
    """Everything that a stage gives, and the records for the next one."""
    result: ForwardResult = apply_and_forward(engine, state, records)
    events, positions = result.forwarded, result.positions.tolist()
    keys, features = events.keys.present(), events.features.present()
    sent: list[Record] = []
    for position, key, packed in zip(positions, keys, features, strict=True):
        record = records[position]
        kept = [header for header in record.headers if header == LABEL_HEADER]
        headers = [*kept, source_header(0, record.offset), (FEATURES_HEADER, packed)]
        sent.append(Record(len(sent), record.timestamp + 1, key, record.value, headers))
    facts = [positions, keys, features, result.refused, result.events, result.dropped, events.labels_unmatched]
    return [*facts, events.late.tolist(), events.repeat.tolist(), dict(state.changes()), state.sources], sent


@pytest.mark.parametrize("name", CHAINS)
@EXAMPLES
@given(log=logs(), changes=_changes, twice=st.integers(0, 40))
def test_stages_forward_alike_with_and_without_the_scanner(
    name: str, log: Log, changes: list[tuple[str, int]], twice: int
) -> None:
    records = changed_records(log, changes)
    for engine, twin in zip(CHAINS[name][:-1], CHAIN_TWINS[name][:-1], strict=True):
        found, sent = _forwarded(engine, engine.new_state(), records)
        assert (found, sent) == _forwarded(twin, twin.new_state(), records)
        strangers = [record._replace(headers=record.headers[1:]) for record in sent[:2]]
        marked = [record._replace(headers=[*record.headers, BACKFILLED_HEADER]) for record in sent[2:4]]
        records = [*sent[:twice], *strangers, *marked, *sent]  # sent again after a crash; not sent by a stage


@pytest.mark.parametrize("seed", SEEDS)
def test_most_records_of_an_ordinary_log_are_scanned(seed: int) -> None:
    engine = next(iter(ENGINES.values()))
    log: Log = [event for event in seeded_log(seed) if not isinstance(event, Label) and event.relates_to is None]
    records = records_of(changed_records(log, [("plain", 0)]))
    flagged = np.empty(len(records), np.uint8)
    count = engine.intake.scanner.scan(records, new_frame(engine.index.layout, len(records)), flagged)
    assert count < len(records) / 2


def test_no_records_are_read_alike() -> None:
    engine = next(iter(ENGINES.values()))
    assert _read(engine, engine.new_state(), [[]]) == _read(engine, engine.new_state(), [records_of([])])
    assert log_of([]) == []


def test_texts_of_decoded_payments_are_added_to_those_of_their_own_list() -> None:
    """A list may be a part of a large fetch, whose bytes must not be copied for one record that is not plain."""
    engine = next(iter(ENGINES.values()))
    log: Log = [event for event in seeded_log(0) if not isinstance(event, Label) and event.relates_to is None]
    changes = [("plain", 0), ("escaped", 0)]
    records = records_of(changed_records(log * 40, changes))
    [span] = read_log({engine.rule_set.digest: engine}, engine.new_state(), records[8:14])
    verdicts = span.result.verdicts
    assert verdicts.event_ids.present() == [payment.event_id.encode() for payment in verdicts.payments]
    assert len(verdicts.event_ids.buffer) < len(records.buffer) / 20

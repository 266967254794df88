"""Rule-set switches and entries of lists in the log: where it is cut, and where its state is saved and restored,
changes nothing.

Method: the records of a payment log with controls among them, some of which can't be used, read at once, in pieces, and
in pieces with the state restored between each two of them. Limit: one partition's log; that the controls are in
every partition is the commands' work.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TypeAlias

import msgspec
from aiokafka import ConsumerRecord
from hypothesis import given
from hypothesis import strategies as st

from fraudstream.contracts import Label, ListEntry, RuleSwitch
from fraudstream.contracts.headers import CONTROL_HEADER, LABEL_HEADER
from fraudstream.engine.alert_writer import decoded_alerts
from fraudstream.engine.engine import Engine
from fraudstream.engine.log import read_log
from fraudstream.engine.partition_state import PartitionState
from fraudstream.engine.rule_set import compile_rule_set
from tests.oracle.catalogues import CATALOGUES
from tests.property.judged_log import Judgement, judgements
from tests.property.listing_rules import FIRST, SECOND
from tests.property.payment_logs import BEGIN_MS, DAY_MS, HOUR_MS, Log, logs
from tests.property.profile import EXAMPLES

OTHER_STATE = {**FIRST, "features.yaml": CATALOGUES["paned"].replace("window: 1h", "window: 2h")}
RULE_SETS = [compile_rule_set(texts) for texts in (FIRST, SECOND, OTHER_STATE)]
ENGINES = {rule_set.digest: Engine(rule_set) for rule_set in RULE_SETS}

Record: TypeAlias = "ConsumerRecord[bytes, bytes]"
Read: TypeAlias = tuple[list[Judgement], list[bytes], list[tuple[int, str, str]]]  # verdicts, alerts, what is refused

_switches = st.sampled_from([*(rule_set.digest for rule_set in RULE_SETS), "0123456789abcdef"]).map(
    lambda digest: RuleSwitch(digest, "me", 0)
)
_entries = st.builds(
    ListEntry,
    list=st.sampled_from(["devices", "merchants", "unasked"]),
    value=st.sampled_from(["d-1", "d-2", "m-1", "m-2"]),
    by=st.just("me"),
    issued_at_ms=st.just(0),
    expires_at_ms=st.sampled_from([None, BEGIN_MS, BEGIN_MS + HOUR_MS, BEGIN_MS + 3 * DAY_MS]),
    removed=st.booleans(),
)
_controls = st.lists(st.tuples(st.integers(0, 60), _switches | _entries | st.just(b"no control")), max_size=10)
_cuts = st.lists(st.integers(0, 70), max_size=8)


@EXAMPLES
@given(log=logs(), controls=_controls, cuts=_cuts)
def test_where_a_log_with_controls_is_cut_changes_nothing(
    log: Log, controls: list[tuple[int, RuleSwitch | ListEntry | bytes]], cuts: list[int]
) -> None:
    records = _records(log, controls)
    whole, pieces = _new_state(), _new_state()
    assert _read(pieces, records, cuts) == _read(whole, records, [])
    assert pieces.rule_set == whole.rule_set
    assert dict(pieces.changes()) == dict(whole.changes())


@EXAMPLES
@given(log=logs(), controls=_controls, cuts=_cuts)
def test_a_state_restored_between_controls_continues_as_if_never_saved(
    log: Log, controls: list[tuple[int, RuleSwitch | ListEntry | bytes]], cuts: list[int]
) -> None:
    records = _records(log, controls)
    expected = _read(_new_state(), records, [])
    found: Read = ([], [], [])
    saved: list[tuple[bytes, bytes]] = []
    rule_set = RULE_SETS[0].digest
    for begin, end in _pieces(records, cuts):
        state = ENGINES[rule_set].new_state()
        state.restore(saved)
        _read_piece(state, records, begin, end, found)
        saved += state.changes()
        rule_set = state.rule_set  # as the checkpoint record keeps it
    assert found == expected


def _new_state() -> PartitionState:
    return ENGINES[RULE_SETS[0].digest].new_state()


def _read(state: PartitionState, records: Sequence[Record], cuts: list[int]) -> Read:
    found: Read = ([], [], [])
    for begin, end in _pieces(records, cuts):
        _read_piece(state, records, begin, end, found)
    return found


def _read_piece(state: PartitionState, records: Sequence[Record], begin: int, end: int, found: Read) -> None:
    for result, _, _ in read_log(ENGINES, state, records[begin:end]):
        found[0].extend(judgements(result.verdicts))
        found[1].extend(msgspec.json.encode(alert) for alert in decoded_alerts(result.verdicts))
        found[2].extend((begin + r.position, r.reason, r.sentence) for r in result.refused)


def _pieces(records: Sequence[Record], cuts: list[int]) -> list[tuple[int, int]]:
    return list(pairwise([0, *sorted(min(cut, len(records)) for cut in cuts), len(records)]))


def _records(log: Log, controls: Sequence[tuple[int, RuleSwitch | ListEntry | bytes]]) -> list[Record]:
    records = [
        _record(
            msgspec.json.encode(event), event.account_id.encode(), [LABEL_HEADER] if isinstance(event, Label) else []
        )
        for event in log
    ]
    for at, control in controls:
        value = control if isinstance(control, bytes) else msgspec.json.encode(control)
        records.insert(min(at, len(records)), _record(value, None, [CONTROL_HEADER]))
    return records


def _record(value: bytes, key: bytes | None, headers: list[tuple[str, bytes]]) -> Record:
    published_at_ms = BEGIN_MS + 4_000 * DAY_MS
    sizes = len(key or b""), len(value)
    record: Record = ConsumerRecord("payments", 0, 0, published_at_ms, 0, key, value, None, *sizes, tuple(headers))
    return record

"""Controls and labels without the signature that an engine requires have no effect on verdicts, alerts and state.

Method: a log of payments, signed labels and signed controls, read with forged records put between them, and without.
Each forged record is refused with the reason `signature`; nothing else differs. Limit: someone who may read the log can
publish a signed record of it again.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from fraudstream.contracts import Label, ListEntry, RuleSwitch
from fraudstream.contracts.headers import CONTROL_HEADER, LABEL_HEADER
from fraudstream.contracts.record_signature import SIGNATURE_HEADER, RecordSignatures, SigningSecrets
from fraudstream.engine.alert_writer import decoded_alerts
from fraudstream.engine.engine import Engine
from fraudstream.engine.log import controls_in, read_log, rule_sets_named
from fraudstream.engine.records import Record, records_of
from fraudstream.engine.rule_set import compile_rule_set
from tests.property.judged_log import Judgement, judgements
from tests.property.listing_rules import FIRST, SECOND
from tests.property.payment_logs import BEGIN_MS, DAY_MS, Event, Log, logs
from tests.property.profile import EXAMPLES

CONTROLS, LABELS = SigningSecrets("control", {"c": b"c" * 32}), SigningSecrets("label", {"l": b"l" * 32})
REQUIRED = RecordSignatures(CONTROLS, LABELS)
STRANGER = {"control": SigningSecrets("control", {"c": b"x" * 32}), "label": SigningSecrets("label", {"l": b"x" * 32})}
OPEN = {rule_set.digest: Engine(rule_set) for rule_set in map(compile_rule_set, (FIRST, SECOND))}
ENGINES = {digest: engine.requiring(REQUIRED) for digest, engine in OPEN.items()}
OLD, NEW = ENGINES
UNKNOWN = "0123456789abcdef"

Forged = tuple[int, Event | RuleSwitch | ListEntry, str]


class Read(NamedTuple):
    """`refused`: by index."""

    verdicts: list[Judgement]
    alerts: list[bytes]
    refused: dict[int, str]
    state: dict[bytes, bytes | None]
    rule_set: str


_entries = st.builds(
    ListEntry,
    list=st.sampled_from(["devices", "merchants"]),
    value=st.sampled_from(["d-1", "d-2", "m-1", "m-2"]),
    by=st.just("me"),
    issued_at_ms=st.just(0),
    removed=st.booleans(),
)
_switches = st.sampled_from([OLD, NEW, UNKNOWN]).map(lambda digest: RuleSwitch(digest, "me", 0))
_known = st.sampled_from([OLD, NEW]).map(lambda digest: RuleSwitch(digest, "me", 0))
_controls = st.lists(st.tuples(st.integers(0, 60), _known | _entries), max_size=6)
_labels = st.builds(
    Label,
    event_id=st.sampled_from(["p0", "p1", "p2", "0", "1"]),
    account_id=st.sampled_from(["a", "b", "c"]),
    label=st.sampled_from(["fraud", "genuine"]),
    labelled_at=st.just(BEGIN_MS),
)
_ways = st.sampled_from(["unsigned", "stranger", "other_kind", "other_value", "other_key", "twice", "both_types"])
_forged = st.lists(st.tuples(st.integers(0, 70), _switches | _entries | _labels, _ways), min_size=1, max_size=6)
_cuts = st.lists(st.integers(0, 80), max_size=6)


@EXAMPLES
@given(log=logs(), controls=_controls, forged=_forged, cuts=_cuts)
def test_forged_controls_and_labels_have_no_effect(
    log: Log, controls: list[tuple[int, RuleSwitch | ListEntry]], forged: list[Forged], cuts: list[int]
) -> None:
    genuine = _log(log, controls, REQUIRED)
    mixed = [(record, False) for record in genuine]
    for at, event, way in forged:
        mixed.insert(min(at, len(mixed)), (_forge(event, way), True))
    expected, found = _read(genuine, []), _read([record for record, _ in mixed], cuts)
    refused = {i for i, reason in found.refused.items() if reason == "signature"}
    assert refused == {i for i, (_, is_forged) in enumerate(mixed) if is_forged}
    assert len(found.refused) - len(refused) == len(expected.refused)
    assert found._replace(refused={}) == expected._replace(refused={})


@EXAMPLES
@given(log=logs(), controls=_controls)
def test_a_signed_log_is_read_as_the_same_log_where_no_signature_is_required(
    log: Log, controls: list[tuple[int, RuleSwitch | ListEntry]]
) -> None:
    signed = _log(log, controls, REQUIRED)
    assert _read(signed, []) == _read(signed, [], OPEN) == _read(_log(log, controls, RecordSignatures()), [], OPEN)


def test_a_forged_switch_does_not_name_a_rule_set_to_load() -> None:
    """Loading may end the worker: a stranger must not be able to ask for it."""
    state = ENGINES[OLD].new_state()
    forged = [_forge(RuleSwitch(UNKNOWN, "me", 0), "stranger"), _signed(RuleSwitch(NEW, "me", 0), REQUIRED)]
    records = records_of(forged)
    assert rule_sets_named(state, records, controls_in(records), CONTROLS) == {NEW}


def _read(records: Sequence[Record], cuts: list[int], engines: dict[str, Engine] = ENGINES) -> Read:
    state = engines[OLD].new_state()
    verdicts, alerts, refused = list[Judgement](), list[bytes](), dict[int, str]()
    for begin, end in pairwise([0, *sorted(min(cut, len(records)) for cut in cuts), len(records)]):
        for result, _, _ in read_log(engines, state, records[begin:end]):
            verdicts += judgements(result.verdicts)
            alerts += [msgspec.json.encode(alert) for alert in decoded_alerts(result.verdicts)]
            refused |= {begin + rejection.position: rejection.reason for rejection in result.refused}
    return Read(verdicts, alerts, refused, dict(state.changes()), state.rule_set)


def _log(
    log: Log, controls: Sequence[tuple[int, RuleSwitch | ListEntry]], signatures: RecordSignatures
) -> list[Record]:
    records = [_signed(event, signatures) for event in log]
    for at, control in controls:
        records.insert(min(at, len(records)), _signed(control, signatures))
    return records


def _signed(event: Event | RuleSwitch | ListEntry, signatures: RecordSignatures) -> Record:
    value = msgspec.json.encode(event)
    if isinstance(event, (RuleSwitch, ListEntry)):
        headers = [CONTROL_HEADER, *([signatures.controls.header(value)] if signatures.controls else [])]
    elif isinstance(event, Label):
        headers = [LABEL_HEADER, *([signatures.labels.header(value)] if signatures.labels else [])]
    else:
        headers = []
    return _record(event, value, headers)


def _forge(event: Event | RuleSwitch | ListEntry, way: str) -> Record:
    value = msgspec.json.encode(event)
    kind = "label" if isinstance(event, Label) else "control"
    header, own = (LABEL_HEADER, LABELS) if kind == "label" else (CONTROL_HEADER, CONTROLS)
    other_kind = CONTROLS if kind == "label" else LABELS
    stranger = STRANGER[kind].header(value)
    headers = {
        "unsigned": [header],
        "stranger": [header, stranger],
        "other_kind": [header, other_kind.header(value)],
        "other_value": [header, own.header(value + b" ")],
        "other_key": [header, (SIGNATURE_HEADER, b"x:" + stranger[1].partition(b":")[2])],
        "twice": [header, own.header(b""), stranger],
        "both_types": [header, header, stranger],
    }[way]
    return _record(event, value, headers)


def _record(event: Event | RuleSwitch | ListEntry, value: bytes, headers: list[tuple[str, bytes]]) -> Record:
    key = None if isinstance(event, (RuleSwitch, ListEntry)) else event.account_id.encode()
    return Record(0, BEGIN_MS + 4_000 * DAY_MS, key, value, headers)

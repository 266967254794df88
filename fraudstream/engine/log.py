"""A partition's log with the controls in it, rule-set switches and list entries, from bytes to verdicts.

The worker of the stage that decides, and whoever runs its log again, call `read_log`. A control takes effect between
the records before it and those after it; how the log is cut into calls changes nothing:

    payments ─┬─ switch ─┬─ payments and labels ─┬─ list entry ─┬─ payments
         Span │          │ Span: new rules       │              │ Span: the value is listed
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple, TypeVar

import msgspec

from fraudstream.contracts.control import Control, ListEntry, RuleSwitch
from fraudstream.contracts.control_characters import control_character_path
from fraudstream.contracts.headers import BACKFILLED_HEADER, CONTROL_HEADER
from fraudstream.engine.apply import ApplyResult, ForwardResult, LogRecord, apply, apply_and_forward
from fraudstream.engine.catalogue_difference import catalogue_difference
from fraudstream.engine.columns import Rejection
from fraudstream.engine.engine import Engine
from fraudstream.engine.partition_state import PartitionState

_decode = msgspec.json.Decoder(Control).decode
_Applied = TypeVar("_Applied", ApplyResult, ForwardResult)


class JudgedSpan(NamedTuple):
    """What records under one rule set and the same lists came to. Positions in `result` count among all records of
    the call. `records`: how many these are, controls included. `decided`: whether the verdicts are for others to hear;
    not while the memory is building, or that of the first stage was when it handed the payments on."""

    result: ApplyResult
    records: int
    decided: bool = True


class ForwardedSpan(NamedTuple):
    """The same in a stage that another follows. `decided`: whether that one's verdicts will be for others to hear."""

    forwarded_result: ForwardResult
    records: int
    decided: bool


def controls_in(records: Sequence[LogRecord]) -> list[int]:
    """Where controls stand among `records`: one look at each record's headers."""
    return [i for i, record in enumerate(records) if (headers := record.headers) and CONTROL_HEADER in headers]


def without_controls(records: Sequence[LogRecord]) -> Sequence[LogRecord]:
    """For a stage that another follows: controls in its log are of a time when it decided, and mean nothing now."""
    controls = set(controls_in(records))
    return [record for i, record in enumerate(records) if i not in controls] if controls else records


def list_entry(record: LogRecord) -> ListEntry | None:
    """The list entry that the record is; None if it is none."""
    control = _decoded(0, record) if CONTROL_HEADER in record.headers else None
    return control if isinstance(control, ListEntry) else None


def rule_sets_named(state: PartitionState, records: Sequence[LogRecord], controls: Sequence[int]) -> set[str]:
    """Digests of the rule sets that `state` may switch to in `records`: `read_log` needs the engine of each that can
    be had."""
    named = [_decoded(position, records[position]) for position in controls]
    switches = [control for control in named if isinstance(control, RuleSwitch)]
    return {
        switch.rule_set
        for switch in switches
        if switch.state_version == state.state_version or (switch.state_version is None and not state.backfilling)
    }


def read_log(
    engines: Mapping[str, Engine],
    state: PartitionState,
    records: Sequence[LogRecord],
    controls: Sequence[int] | None = None,
) -> list[JudgedSpan]:
    """Apply `records` to `state`, in order, and judge each payment in the light of what stands before it.

    `engines`: by the digest of their rule set, that in force among them. A switch to another one, or to rules that need
    another memory, is refused, and the old rules go on. `controls`: of `controls_in`, if known. Raises as `apply`.

    A switch that names a later state version than the memory's hands the log over: the spans end with it, and what
    stands behind it is not read.
    """
    _check_ours(state)
    if controls is None:
        controls = controls_in(records)
    if records:
        state.begin(records[0].timestamp)
    spans: list[JudgedSpan] = []
    refused: list[Rejection] = []  # controls since the last span
    begin, seen = 0, 0

    def tell_of_controls(end: int) -> None:
        nothing = apply(engines[state.rule_set], state, [])
        spans.append(JudgedSpan(nothing._replace(refused=refused), end - seen, not state.backfilling))

    for end in (*controls, len(records)):
        for first, last, backfilled in _parts(engines[state.rule_set], state, records, begin, end):
            if refused and backfilled:  # this version's own log: nobody else tells of what is refused there
                tell_of_controls(first)
                refused, seen = [], first
            result = _moved(apply(engines[state.rule_set], state, records[first:last]), first)
            decided = not (state.backfilling or backfilled)
            spans.append(JudgedSpan(result._replace(refused=refused + result.refused), last - seen, decided))
            refused, seen = [], last
        if end < len(records):
            of_others = refused if not state.backfilling else []  # who decided until now has told of those before
            refused = of_others + _apply(engines, state, end, records[end])
        begin = min(end + 1, len(records))
        if state.cut_over:
            break
    if seen < begin:
        tell_of_controls(begin)
    return spans


def forward_log(engine: Engine, state: PartitionState, records: Sequence[LogRecord]) -> list[ForwardedSpan]:
    """As `read_log`, in a stage that another follows. Of controls, only a switch from a state version to another means
    something here, and only in the first stage's log, which all versions read."""
    _check_ours(state)
    spans: list[ForwardedSpan] = []
    begin = 0
    for end in (*controls_in(records), len(records)):
        forwarded_result = _moved(apply_and_forward(engine, state, records[begin:end]), begin)
        read_to = min(end + 1, len(records))
        spans.append(ForwardedSpan(forwarded_result, read_to - begin, not state.backfilling))
        if end < read_to and engine.is_first:
            control = _decoded(end, records[end])
            if isinstance(control, RuleSwitch):
                _hand_over(state, control.state_version)
        begin = read_to
        if state.cut_over or begin == len(records):
            break
    return spans


def _check_ours(state: PartitionState) -> None:
    assert not state.cut_over, f"the log was handed over to state version {state.cut_over_to}"


def _parts(
    engine: Engine, state: PartitionState, records: Sequence[LogRecord], begin: int, end: int
) -> Iterator[tuple[int, int, bool]]:
    """The records from `begin` to before `end`, parted where those begin or end that are only learnt."""
    if state.state_version == 1 or engine.is_first:  # nobody handed on to it what it was not to decide
        if end > begin:
            yield begin, end, False
        return
    for backfilled, part in groupby(range(begin, end), lambda i: BACKFILLED_HEADER in records[i].headers):
        first, *others = part
        yield first, first + len(others) + 1, backfilled


def _moved(result: _Applied, begin: int) -> _Applied:
    """The same with positions among all records."""
    if begin == 0:
        return result
    return result._replace(
        positions=[begin + position for position in result.positions],
        refused=[rejection._replace(position=begin + rejection.position) for rejection in result.refused],
    )


def _apply(engines: Mapping[str, Engine], state: PartitionState, position: int, record: LogRecord) -> list[Rejection]:
    """A control takes effect, or is refused and changes nothing."""
    control = _decoded(position, record)
    if isinstance(control, Rejection):
        return [control]
    if isinstance(control, RuleSwitch):
        return _switch(engines, state, position, control)
    if control.removed:
        state.lists.remove(control.list, control.value)
    else:
        state.lists.put(control.list, control.value, control.expires_at_ms)
    return []


def _hand_over(state: PartitionState, version: int | None) -> None:
    """To that version, where a switch names one: it may be the memory's own, that is built, or a later one."""
    if version == state.state_version:
        state.backfilling = False  # whatever the rules: nobody else decides from here on
    elif version is not None and version > state.state_version and not state.backfilling:
        state.cut_over_to = version


def _switch(engines: Mapping[str, Engine], state: PartitionState, position: int, switch: RuleSwitch) -> list[Rejection]:
    digest, version = switch.rule_set, switch.state_version
    if state.backfilling and version != state.state_version:
        return []  # for those who decide
    _hand_over(state, version)
    if state.cut_over:
        return []
    if version is not None and version < state.state_version:
        sentence = f"State version {version} decides no more here: {state.state_version} does."
        return [Rejection(position, "control", sentence, "$.state_version")]
    engine = engines.get(digest)
    if engine is None:
        sentence = f"The rule set {digest} is not to be had: write it with `fraudstream rules activate`."
        return [Rejection(position, "control", sentence, "$.rule_set")]
    difference = catalogue_difference(engines[state.rule_set].rule_set.catalogue, engine.rule_set.catalogue)
    if difference is not None:
        sentence = f"The rule set {digest} needs another memory: {difference}. See `fraudstream worker --backfill`."
        return [Rejection(position, "control", sentence, "$.rule_set")]
    state.rule_set = digest
    return []


def _decoded(position: int, record: LogRecord) -> Control | Rejection:
    try:
        control: Control = _decode(record.value or b"")
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError, ValueError) as error:
        sentence, _, path = str(error).splitlines()[0].partition(" - at `")
        return Rejection(position, "control", f"No control: {sentence.rstrip('.')}.", path.rstrip("`") or "$")
    if (at := control_character_path(control)) is not None:
        return Rejection(
            position, "control", "No control: an identifier holds a control character, such as a line break.", at
        )
    return control

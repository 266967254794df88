"""A partition's log, with the controls in it (rule-set switches and list entries), from records to verdicts.

The worker of the stage that decides calls `read_log`, and so does every re-run of its log. A control takes effect
between the records before it and those after it; the result does not depend on how the log is split into calls:

    payments ─┬─ switch ─┬─ payments and labels ─┬─ list entry ─┬─ payments
         span │          │ span: new rules       │              │ span: the value is listed
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple, TypeVar

from fraudstream.contracts.control import ListEntry, RuleSwitch
from fraudstream.contracts.headers import CONTROL_HEADER
from fraudstream.contracts.log_record import LogRecord
from fraudstream.contracts.record_signature import SigningSecrets
from fraudstream.engine.apply import ApplyResult, ForwardResult, apply, apply_and_forward
from fraudstream.engine.columns import Rejection
from fraudstream.engine.control import apply_control, cut_over_to, read_control
from fraudstream.engine.engine import Engine
from fraudstream.engine.header_fields import BACKFILLED, CONTROL
from fraudstream.engine.partition_state import PartitionState
from fraudstream.engine.record_headers import headers_of, indices_of
from fraudstream.engine.records import Records, records_of

_Applied = TypeVar("_Applied", ApplyResult, ForwardResult)


class JudgedSpan(NamedTuple):
    """The result for consecutive records under one rule set and the same list entries.

    Positions in `result` are indices into all records of the call. `records`: number of records of the span, controls
    included. `decided`: whether the verdicts are published: not while the state is backfilled, nor for payments that
    the first stage forwarded while its state was.
    """

    result: ApplyResult
    records: int
    decided: bool = True


class ForwardedSpan(NamedTuple):
    """As `JudgedSpan`, in a stage before the last. `decided`: whether the deciding stage's verdicts are published."""

    result: ForwardResult
    records: int
    decided: bool


def controls_in(records: Sequence[LogRecord]) -> list[int]:
    """Indices of the controls among `records`: one look at each record's headers."""
    if isinstance(records, Records):
        found: list[int] = indices_of(records, CONTROL).tolist()
        return found
    return [i for i, record in enumerate(records) if (headers := record.headers) and CONTROL_HEADER in headers]


def without_controls(records: Sequence[LogRecord]) -> Sequence[LogRecord]:
    """The records that are not controls, for a stage before the last, which may have been the last one earlier."""
    controls = set(controls_in(records))
    return [record for i, record in enumerate(records) if i not in controls] if controls else records


def list_entry(record: LogRecord, secrets: SigningSecrets | None = None) -> ListEntry | None:
    """The list entry in a record; None if the record holds none, or is not signed by one of `secrets`."""
    control = read_control(secrets, 0, record) if CONTROL_HEADER in record.headers else None
    return control if isinstance(control, ListEntry) else None


def rule_sets_named(
    state: PartitionState,
    records: Sequence[LogRecord],
    controls: Sequence[int],
    secrets: SigningSecrets | None = None,
) -> set[str]:
    """Digests of the rule sets that `state` may switch to in `records`, whose engines `read_log` needs.

    `controls`: indices of the controls, of `controls_in`. `secrets`: those that a switch must be signed with.
    """
    named = [read_control(secrets, position, records[position]) for position in controls]
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
    """Apply `records` to `state`, in order, and decide each payment by the records before it.

    `engines`: by the digest of their rule set, that in force among them. A switch to a rule set that is not among them,
    or that reads features the state does not hold, is refused, and the rules in force stay. `controls`: of
    `controls_in`, if known. Raises as `apply`.

    A switch that names a later state version than the state's own cuts the partition over: the spans end with that
    switch, and the records after it are not read.
    """
    _check_not_cut_over(state)
    records = records_of(records)
    if len(records):
        state.begin(int(records.spans.timestamp_ms[0]))
    spans, begin = _Spans(engines, state, records), 0
    for end in (*(controls_in(records) if controls is None else controls), len(records)):
        spans.apply_events(begin, end)
        if end == len(records):
            break
        spans.apply_control(end)
        begin = end + 1
        if state.cut_over:
            break
    spans.close(begin if state.cut_over else len(records))
    return spans.found


class _Spans:
    """The spans of one call of `read_log`, while it applies its records in order.

    Invariant: `found` covers the records before `covered`, each once; `refused` are the refused controls from there on,
    which the next span will report.
    """

    def __init__(self, engines: Mapping[str, Engine], state: PartitionState, records: Records) -> None:
        self.found: list[JudgedSpan] = []
        self.covered = 0
        self.refused: list[Rejection] = []
        self._engines, self._state, self._records = engines, state, records

    def apply_events(self, begin: int, end: int) -> None:
        """Apply the payments and labels from `begin` to before `end`: a span of their own, or several."""
        for first, last, backfilled in _parts(self._engine, self._state, self._records, begin, end):
            if self.refused and backfilled:  # in this version's own log, so no other version reports these refusals
                self.close(first)
            part = _part(self._records, first, last)
            result = _moved(apply(self._engine, self._state, part), first)
            decided = not (self._state.backfilling or backfilled)
            result = result._replace(refused=self.refused + result.refused)
            self._add(JudgedSpan(result, last - self.covered, decided))

    def apply_control(self, position: int) -> None:
        """Apply the control at `position`, or refuse it."""
        if self._state.backfilling:
            self.refused = []  # the version that decides has reported those before
        self.refused += apply_control(self._engines, self._state, position, self._records[position])

    def close(self, end: int) -> None:
        """Cover the controls up to before `end`, with a span without events."""
        if self.covered < end:
            nothing = apply(self._engine, self._state, self._records[:0])._replace(refused=self.refused)
            self._add(JudgedSpan(nothing, end - self.covered, not self._state.backfilling))

    @property
    def _engine(self) -> Engine:
        return self._engines[self._state.rule_set]

    def _add(self, span: JudgedSpan) -> None:
        self.found.append(span)
        self.covered += span.records
        self.refused = []


def forward_log(engine: Engine, state: PartitionState, records: Sequence[LogRecord]) -> list[ForwardedSpan]:
    """As `read_log`, in a stage before the last.

    The only control that takes effect here is a switch to another state version, and only in the first stage, whose log
    all versions read.
    """
    _check_not_cut_over(state)
    records = records_of(records)
    spans: list[ForwardedSpan] = []
    begin = 0
    for end in (*controls_in(records), len(records)):
        result = _moved(apply_and_forward(engine, state, _part(records, begin, end)), begin)
        read_to = min(end + 1, len(records))
        control = None
        if end < read_to and engine.is_first:
            control = read_control(engine.signatures.controls, end, records[end])
            if isinstance(control, Rejection) and control.reason == "signature":
                result = result._replace(refused=[*result.refused, control])
        spans.append(ForwardedSpan(result, read_to - begin, not state.backfilling))
        if isinstance(control, RuleSwitch):
            cut_over_to(state, control.state_version)
        begin = read_to
        if state.cut_over or begin == len(records):
            break
    return spans


def _check_not_cut_over(state: PartitionState) -> None:
    assert not state.cut_over, f"the partition was cut over to state version {state.cut_over_to}"


def _part(records: Records, begin: int, end: int) -> Records:
    """The records from `begin` to before `end`; without a copy of the spans' views where these are all."""
    return records if end - begin == len(records) else records[begin:end]


def _parts(
    engine: Engine, state: PartitionState, records: Records, begin: int, end: int
) -> Iterator[tuple[int, int, bool]]:
    """The records from `begin` to before `end` in parts (first, last + 1, backfilled).

    A part is `backfilled` if the first stage forwarded it while its state was backfilled: nothing of it is published.
    """
    if state.state_version == 1 or engine.is_first:  # no earlier stage of this version was ever backfilled
        if end > begin:
            yield begin, end, False
        return
    for backfilled, part in groupby(headers_of(records[begin:end]).are(BACKFILLED).tolist()):
        last = begin + len(list(part))
        yield begin, last, backfilled
        begin = last


def _moved(result: _Applied, begin: int) -> _Applied:
    """The result of the records from `begin` on, with positions among all records."""
    if begin == 0:
        return result
    return result._replace(
        positions=begin + result.positions,
        refused=[rejection._replace(position=begin + rejection.position) for rejection in result.refused],
        misplaced=tuple(found._replace(position=begin + found.position) for found in result.misplaced),
    )

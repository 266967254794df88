"""The verifier: compares the topics after a run with a reference run of the same log without faults.

It is external to the system: it only reads the topics afterwards and does not know the faults. The payments log, and
the log of each further stage, is the ground truth. Errors:

    lost            an input record without its output; an alert in no case; input after the last checkpoint
    counted twice   rows restored from the changelog that differ from the reference state
    differing       an output whose bytes differ from the reference output
    invented        an output for no input; an alert or case that the reference run does not have
    out of order    first outputs that are not in the order of the log: readers that drop repeats by position lose them

An output that is written again, byte for byte, is a repeat, and allowed.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain
from operator import attrgetter
from typing import NamedTuple

import msgspec

from benchmarks.chaos.findings import Findings, Wrong
from benchmarks.chaos.observed import Observed, decisions_by_stage, letters_by_stage
from benchmarks.chaos.reference_run import grouped
from benchmarks.chaos.stage_verifier import Answering, Stage, verify_stage
from fraudstream.contracts import Alert, Case
from fraudstream.engine.engine import Engine
from fraudstream.engine.log import without_controls
from fraudstream.stream.settings import CheckpointMode

_alert = msgspec.json.Decoder(Alert).decode
_case = msgspec.json.Decoder(Case).decode


class Verification(NamedTuple):
    """The result. `wrong`: number of errors by kind; `findings`: the first of them. `repeats`: by topic.

    `verdicts`: id and digest of the bytes of each alert. `rule_sets`: decisions by rule set digest. `listed`: alerts of
    a rule that matched a list. `case_actions`: number of valid actions.
    """

    payments: int
    labels: int
    controls: int
    dead_letters: int
    alerts: int
    cases: int
    case_actions: int
    rows: int
    rule_sets: Counter[str]
    listed: int
    repeats: Counter[str]
    wrong: Counter[Wrong]
    findings: list[str]
    verdicts: frozenset[tuple[str, str]]

    @property
    def sound(self) -> bool:
        """Whether there was no error."""
        return not self.wrong.total()

    @property
    def alerts_digest(self) -> str:
        """Digest of all alerts sorted by id; equal for equal alerts, regardless of order and repeats."""
        return hashlib.sha256(repr(sorted(self.verdicts)).encode()).hexdigest()[:32]


def verify(engines: Sequence[Engine], mode: CheckpointMode, observed: Sequence[Observed]) -> Verification:
    """Verify a run. `observed`: all partitions, in order; where they have one log of several entities, one stage keeps
    all of them.

    `engines`: for the initial rule set, then for those that it may have switched to.
    """
    found = Findings()
    names = engines[0].stages
    of_stages = [[engine.of_stage(name) for engine in engines] for name in names]
    if len(observed[0].stages) == 1:
        names, of_stages = names[:1], [list(engines)]
    expected = [
        verify_stage(found, of_stage, mode, stage)
        for of_stage, stage in zip(of_stages, _stages(names, observed), strict=True)
    ]
    cases = actions = 0
    for partition in observed:
        _forwarded(found, partition)
        due, fitted = _cases(found, partition)
        cases, actions = cases + due, actions + fitted
    alerts = [(_alert(record.value), record.value) for partition in observed for record in partition.alerts]
    decided = expected[-1]
    return Verification(
        payments=sum(due.payments for due in decided),
        labels=sum(due.labels for due in decided),
        controls=sum(due.controls for due in decided),
        dead_letters=sum(len(due.dead_letters) for due in chain(*expected)),
        alerts=sum(len(due.alerts) for due in decided),
        cases=cases,
        case_actions=actions,
        rows=sum(len(due.rows) for due in chain(*expected)),
        rule_sets=sum((due.by_rule_set for due in decided), Counter()),
        listed=sum(_names_a_list(alert) for alert, _ in alerts),
        repeats=found.repeats,
        wrong=found.wrong,
        findings=found.sentences,
        verdicts=frozenset((alert.alert_id, hashlib.sha256(value).hexdigest()) for alert, value in alerts),
    )


def _stages(names: Sequence[str], observed: Sequence[Observed]) -> list[Stage]:
    """The input log and output topics of each stage."""
    logs = ["payments", *(f"by-{name}" for name in names[1:])]
    letters, decisions = letters_by_stage(observed), decisions_by_stage(observed)
    found = []
    for place, log in enumerate(logs):
        answering = [
            Answering("dead_letters", "dead-letters", letters[place]),
            Answering("decisions", "decisions", decisions[place]),
        ]
        if place + 1 < len(logs):
            forwarded = [record for partition in observed for record in partition.stages[place + 1].log]
            answering.append(Answering("forwarded", logs[place + 1], without_controls(forwarded)))
        else:
            answering.append(Answering("alerts", "alerts", list(chain(*map(attrgetter("alerts"), observed)))))
        found.append(Stage(log, [partition.stages[place] for partition in observed], answering))
    return found


def _forwarded(found: Findings, observed: Observed) -> None:
    """Check that every record of the labels topic is in the payments log at least once."""
    values = {record.value for record in observed.payments}
    for record in observed.labels:
        if record.value not in values:
            found.find("lost", f"labels-{observed.number} at {record.offset} is not in the log of payments")


def _cases(found: Findings, observed: Observed) -> tuple[int, int]:
    """Check every version of every case, and that the labels of closed cases are in the payments log.

    Returns the number of cases and of valid actions.
    """
    number = observed.number
    due, labels, actions = grouped(observed.alerts, observed.case_actions, observed.cases)
    values = {record.value for record in observed.payments}
    for label in labels:
        if label not in values:
            found.find("lost", f"payments-{number}: the label of a closed case is not in the log: {label!r}")
    newest: dict[str, Case] = {}
    for record in observed.cases:
        case = _case(record.value)
        versions = due.get(case.case_id, [])
        before = newest.get(case.case_id)
        place = f"cases-{number} at {record.offset}: case {case.case_id}, version {case.version}"
        if case.version > len(versions):
            found.find("invented", f"{place}, is not in the logs of alerts and actions")
        elif versions[case.version - 1] != case:
            found.find("differing", f"{place}, is not what alerts and actions make of it")
        if before is not None and before.version >= case.version:
            found.find("counted twice", f"{place}, comes after version {before.version}")
        newest[case.case_id] = case
    for case_id, versions in due.items():
        if case_id not in newest or newest[case_id].version < len(versions):
            found.find("lost", f"case {case_id} of {versions[-1].account_id}, version {len(versions)}, is missing")
    if observed.view is not None:
        _view(found, observed.view, newest)
    return len(due), actions


def _view(found: Findings, view: Mapping[str, Case], newest: Mapping[str, Case]) -> None:
    for case_id, case in newest.items():
        if view.get(case_id) != case:
            found.find("differing", f"the view's case {case_id} is not the topic's, version {case.version}")
    for case_id in view.keys() - newest.keys():
        found.find("invented", f"the view has the case {case_id}, the topic does not")


def _names_a_list(alert: Alert) -> bool:
    return any(
        found.operator == "in" and found.right.startswith("lists.") for hit in alert.rules for found in hit.evidence
    )

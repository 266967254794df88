"""The judge: compares what stands in the topics after a run with what the same log comes to undisturbed.

It sits outside of the system: it reads the topics when all is over and knows nothing of the faults. The log of payments
is the truth, and behind it the log of each further stage; what the publisher meant to say does not matter. Four things
can be wrong:

    lost            a record of a stage's log without its answer; an alert in no case; input behind the last checkpoint
    counted twice   rows restored from the changelog that are not the undisturbed memory's
    differing       an answer with other bytes than the undisturbed one's
    invented        an answer to nothing, an alert or case that the undisturbed run does not have

and a fifth that readers rely on: the first answers must come in the order of the log ("out of order"), since whoever
drops repeats by their place drops what comes late. An answer that comes again, byte for byte, is a repeat, and allowed.
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
from benchmarks.chaos.observed import Observed, letters_by_stage
from benchmarks.chaos.reference_run import grouped
from benchmarks.chaos.stage_verifier import Answering, Stage, verify_stage
from fraudstream.contracts import Alert, Case
from fraudstream.engine.engine import Engine
from fraudstream.engine.log import without_controls
from fraudstream.stream.settings import CheckpointMode

_alert = msgspec.json.Decoder(Alert).decode
_case = msgspec.json.Decoder(Case).decode


class Verification(NamedTuple):
    """`wrong`: how often each; `findings`: the first of them as sentences. `repeats`: answers sent again, by topic.
    `verdicts`: of each alert its id and a digest of its bytes. `rule_sets`: decisions by the rules that they name.
    `listed`: alerts of a rule that found a value on a list. `case_actions`: those that fitted their case."""

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
        return not self.wrong.total()

    @property
    def alerts_digest(self) -> str:
        """Of all alerts, sorted by id: equal for the same verdicts, however they came to be."""
        return hashlib.sha256(repr(sorted(self.verdicts)).encode()).hexdigest()[:32]


def verify(engines: Sequence[Engine], mode: CheckpointMode, observed: Sequence[Observed]) -> Verification:
    """Judge a run. `engines`: of the rules that it began with, then of those that it may have switched to.
    `observed`: all partitions, in order."""
    found = Findings()
    names = engines[0].stages
    expected = [
        verify_stage(found, [engine.of_stage(name) for engine in engines], mode, stage)
        for name, stage in zip(names, _stages(names, observed), strict=True)
    ]
    cases = actions = 0
    for partition in observed:
        _forwarded(found, partition)
        due, fitted = _cases(found, partition)
        cases, actions = cases + due, actions + fitted
    alerts = [(_alert(record.value), record.value) for partition in observed for record in partition.alerts]
    decided = expected[-1]
    return Verification(
        payments=sum(len(due.decisions) for due in decided),
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
    """Each stage's log, and the topics with its answers."""
    logs = ["payments", *(f"by-{name}" for name in names[1:])]
    letters = letters_by_stage(observed)
    found = []
    for place, log in enumerate(logs):
        answering = [Answering("dead_letters", "dead-letters", letters[place])]
        if place + 1 < len(logs):
            forwarded = [record for partition in observed for record in partition.stages[place + 1].log]
            answering.append(Answering("forwarded", logs[place + 1], without_controls(forwarded)))
        else:
            for topic in ("decisions", "alerts"):
                answering.append(Answering(topic, topic, list(chain(*map(attrgetter(topic), observed)))))
        found.append(Stage(log, [partition.stages[place] for partition in observed], answering))
    return found


def _forwarded(found: Findings, observed: Observed) -> None:
    """Every label of the topic of its own stands in the log, as often as it likes."""
    values = {record.value for record in observed.payments}
    for record in observed.labels:
        if record.value not in values:
            found.find("lost", f"labels-{observed.number} at {record.offset} is not in the log of payments")


def _cases(found: Findings, observed: Observed) -> tuple[int, int]:
    """The cases are those that alerts and actions make, version by version; every alert stands in one; and the log
    has what closing them told. How many cases, and actions that fitted."""
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

"""The judge: compares what stands in the topics after a run with what the same log comes to undisturbed.

It sits outside of the system: it reads the topics when all is over and knows nothing of the faults. The log of payments
is the truth; what the publisher meant to say does not matter. Four things can be wrong:

    lost            a record of the log without its answer; an alert in no case; input behind the last checkpoint
    counted twice   rows restored from the changelog that are not the undisturbed memory's
    differing       an answer with other bytes than the undisturbed one's
    invented        an answer to nothing, an alert or case that the undisturbed run does not have

and a fifth that readers rely on: the first answers must come in the order of the log ("out of order"), since whoever
drops repeats by their place drops what comes late. An answer that comes again, byte for byte, is a repeat, and allowed.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal, NamedTuple

import msgspec
from aiokafka import ConsumerRecord

from benchmarks.chaos.state_rows import rows_of
from benchmarks.chaos.undisturbed import Answers, Undisturbed, grouped, judged
from fraudstream.cases.record import source_of
from fraudstream.contracts import Alert, Case
from fraudstream.engine.engine import Engine
from fraudstream.stream.checkpoints.changelog import Replay
from fraudstream.stream.settings import CheckpointMode

FINDINGS_TOLD: Final = 20

Wrong = Literal["lost", "counted twice", "differing", "invented", "out of order"]
WRONGS: Final[tuple[Wrong, ...]] = ("lost", "counted twice", "differing", "invented", "out of order")

_alert = msgspec.json.Decoder(Alert).decode
_case = msgspec.json.Decoder(Case).decode


class Observed(NamedTuple):
    """What stands in partition `number` of each topic, in order. `labels`: of the topic of their own. `view`: the cases
    of Redis, by id; None: not looked at."""

    number: int
    payments: Sequence[ConsumerRecord]
    labels: Sequence[ConsumerRecord]
    decisions: Sequence[ConsumerRecord]
    alerts: Sequence[ConsumerRecord]
    dead_letters: Sequence[ConsumerRecord]
    case_actions: Sequence[ConsumerRecord]
    cases: Sequence[ConsumerRecord]
    changelog: Sequence[ConsumerRecord]
    view: Mapping[str, Case] | None = None


class Judgement(NamedTuple):
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


def judge(engines: Sequence[Engine], mode: CheckpointMode, observed: Observed) -> Judgement:
    """Judge one partition. `engines`: of the rules that it began with, then of those that it may have switched to."""
    return _Judge(engines, mode, observed).judgement()


def together(judgements: Iterable[Judgement]) -> Judgement:
    """The judgement of a whole run from those of its partitions."""
    parts = list(judgements)
    return Judgement(
        payments=sum(part.payments for part in parts),
        labels=sum(part.labels for part in parts),
        controls=sum(part.controls for part in parts),
        dead_letters=sum(part.dead_letters for part in parts),
        alerts=sum(part.alerts for part in parts),
        cases=sum(part.cases for part in parts),
        case_actions=sum(part.case_actions for part in parts),
        rows=sum(part.rows for part in parts),
        rule_sets=sum((part.rule_sets for part in parts), Counter()),
        listed=sum(part.listed for part in parts),
        repeats=sum((part.repeats for part in parts), Counter()),
        wrong=sum((part.wrong for part in parts), Counter()),
        findings=[finding for part in parts for finding in part.findings][:FINDINGS_TOLD],
        verdicts=frozenset(verdict for part in parts for verdict in part.verdicts),
    )


class _Judge:
    def __init__(self, engines: Sequence[Engine], mode: CheckpointMode, observed: Observed) -> None:
        self._engines, self._mode, self._observed = engines, mode, observed
        self._repeats: Counter[str] = Counter()
        self._wrong: Counter[Wrong] = Counter()
        self._findings: list[str] = []

    def judgement(self) -> Judgement:
        observed = self._observed
        expected = judged(self._engines, observed.payments)
        self._answers("decisions", expected.decisions, observed.decisions)
        self._answers("alerts", expected.alerts, observed.alerts)
        self._answers("dead-letters", expected.dead_letters, observed.dead_letters)
        self._forwarded()
        self._state(expected)
        cases, actions = self._cases()
        alerts = [(_alert(record.value), record.value) for record in observed.alerts]
        return Judgement(
            payments=len(expected.decisions),
            labels=expected.labels,
            controls=expected.controls,
            dead_letters=len(expected.dead_letters),
            alerts=len(expected.alerts),
            cases=cases,
            case_actions=actions,
            rows=len(expected.rows),
            rule_sets=expected.by_rule_set,
            listed=sum(_names_a_list(alert) for alert, _ in alerts),
            repeats=self._repeats,
            wrong=self._wrong,
            findings=self._findings,
            verdicts=frozenset((alert.alert_id, hashlib.sha256(value).hexdigest()) for alert, value in alerts),
        )

    def _answers(self, topic: str, expected: Answers, found: Sequence[ConsumerRecord]) -> None:
        """Each expected answer is there, with its key and its bytes, and no other; first ones in the order of the
        log."""
        seen: set[int] = set()
        highest = -1
        for record in found:
            place = f"{topic}-{self._observed.number} at {record.offset}"
            source = source_of(record.headers)
            if source is None or source[0] != self._observed.number or source[1] not in expected:
                self._find("invented", f"{place} answers {source}, to which there is no such answer")
                continue
            offset = source[1]
            if (record.key, record.value) != expected[offset]:
                due = expected[offset].value
                self._find("differing", f"{place} answers {offset} with {record.value!r}, undisturbed it is {due!r}")
            if offset in seen:
                self._repeats[topic] += 1
                continue
            seen.add(offset)
            if offset < highest:
                self._find("out of order", f"{place} is the first answer to {offset}, after that to {highest}")
            highest = max(highest, offset)
        for offset in expected.keys() - seen:
            self._find("lost", f"payments-{self._observed.number} at {offset} has no answer in {topic}")

    def _forwarded(self) -> None:
        """Every label of the topic of its own stands in the log, as often as it likes."""
        values = {record.value for record in self._observed.payments}
        for record in self._observed.labels:
            if record.value not in values:
                self._find("lost", f"labels-{self._observed.number} at {record.offset} is not in the log of payments")

    def _state(self, expected: Undisturbed) -> None:
        """The rows that the next owner would read, its rules and the position are those of an undisturbed run to the
        log's end."""
        number, log = self._observed.number, self._observed.payments
        memory = self._engines[0].memory()
        replay = Replay(memory, self._mode)
        replay.feed(self._observed.changelog)
        if not log:
            return
        if replay.checkpoint is None or replay.checkpoint.next_offset <= log[-1].offset:
            at = None if replay.checkpoint is None else replay.checkpoint.next_offset
            self._find("lost", f"payments-{number} ends with {log[-1].offset}, the last checkpoint stands at {at}")
            return
        rows = rows_of(memory)
        for key in expected.rows.keys() | rows.keys():
            if expected.rows.get(key) != rows.get(key):
                self._find("counted twice", f"partition {number}: the row of {key} is not what the log makes of it")
        if (list(memory.findings), memory.watermark_ms) != (expected.findings, expected.watermark_ms):
            self._find("counted twice", f"partition {number}: findings or watermark are not what the log makes of them")
        in_force = replay.checkpoint.rule_set
        if in_force != expected.rule_set:
            due = expected.rule_set
            self._find("differing", f"partition {number}: the rules {in_force} are in force, by the log {due} are")

    def _cases(self) -> tuple[int, int]:
        """The cases are those that alerts and actions make, version by version; every alert stands in one; and the log
        has what closing them told. How many cases, and actions that fitted."""
        number = self._observed.number
        due, labels, actions = grouped(self._observed.alerts, self._observed.case_actions, self._observed.cases)
        values = {record.value for record in self._observed.payments}
        for label in labels:
            if label not in values:
                self._find("lost", f"payments-{number}: the label of a closed case is not in the log: {label!r}")
        newest: dict[str, Case] = {}
        for record in self._observed.cases:
            case = _case(record.value)
            versions = due.get(case.case_id, [])
            before = newest.get(case.case_id)
            place = f"cases-{number} at {record.offset}: case {case.case_id}, version {case.version}"
            if case.version > len(versions):
                self._find("invented", f"{place}, is not in the logs of alerts and actions")
            elif versions[case.version - 1] != case:
                self._find("differing", f"{place}, is not what alerts and actions make of it")
            if before is not None and before.version >= case.version:
                self._find("counted twice", f"{place}, comes after version {before.version}")
            newest[case.case_id] = case
        for case_id, versions in due.items():
            if case_id not in newest or newest[case_id].version < len(versions):
                self._find("lost", f"case {case_id} of {versions[-1].account_id}, version {len(versions)}, is missing")
        if self._observed.view is not None:
            self._view(self._observed.view, newest)
        return len(due), actions

    def _view(self, view: Mapping[str, Case], newest: Mapping[str, Case]) -> None:
        for case_id, case in newest.items():
            if view.get(case_id) != case:
                self._find("differing", f"the view's case {case_id} is not the topic's, version {case.version}")
        for case_id in view.keys() - newest.keys():
            self._find("invented", f"the view has the case {case_id}, the topic does not")

    def _find(self, wrong: Wrong, sentence: str) -> None:
        self._wrong[wrong] += 1
        if len(self._findings) < FINDINGS_TOLD:
            self._findings.append(f"{wrong}: {sentence}")


def _names_a_list(alert: Alert) -> bool:
    return any(
        found.operator == "in" and found.right.startswith("lists.") for hit in alert.rules for found in hit.evidence
    )

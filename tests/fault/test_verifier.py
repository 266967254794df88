"""The judge of the fault suite detects and names everything that may be wrong in the topics.

Method: the answers to a log of payments, labels, controls and invalid records are made without a broker, with a
changelog and cases. Then one record at a time is removed, altered, doubled or invented. The judge compares with the
engine itself, so it tests the path to the topics and back, not the engine: `tests/oracle` tests that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import msgspec
import pytest
from aiokafka import ConsumerRecord

from benchmarks.chaos.findings import Wrong
from benchmarks.chaos.observed import Observed
from benchmarks.chaos.reference_run import ReferenceRun
from benchmarks.chaos.verifier import verify
from fraudstream.contracts import Alert, Case, CaseAction, Decision, ListEntry, RuleSwitch
from fraudstream.contracts.headers import source_header
from fraudstream.stream.checkpoints.checkpoint_record import decode_checkpoint, encode_checkpoint
from tests.fault.sound_partition import (
    Engines,
    Records,
    answers_of,
    both_engines,
    changelog_of,
    control_of,
    record_of,
    sound_partition,
)


@pytest.fixture(scope="module")
def engines() -> Engines:
    return both_engines()


@pytest.fixture(scope="module")
def sound(engines: Engines) -> Observed:
    return sound_partition(engines)


def test_a_sound_partition_is_sound_and_its_repeats_are_counted(engines: Engines, sound: Observed) -> None:
    judgement = verify(engines, "transaction", [sound])
    assert judgement.findings == []
    assert judgement.sound
    assert judgement.repeats == {"decisions": 200, "alerts": 6, "dead-letters": 1}
    assert judgement.alerts > 100
    assert judgement.cases > 100
    assert judgement.labels > 10
    assert judgement.dead_letters > 1
    assert judgement.controls == 6
    assert min(judgement.rule_sets[engine.rule_set.digest] for engine in engines) > 1_000
    assert judgement.listed > 10
    assert judgement.case_actions > 10


def without(records: Sequence[ConsumerRecord], *offsets: int) -> Records:
    return [record for record in records if record.offset not in offsets]


def altered(records: Sequence[ConsumerRecord], offset: int, before: bytes, after: bytes) -> Records:
    assert before in records[offset].value
    changed = replace(records[offset], value=records[offset].value.replace(before, after))
    return [changed if record.offset == offset else record for record in records]


def added(records: Sequence[ConsumerRecord], *more: ConsumerRecord) -> Records:
    return [*records, *(replace(record, offset=len(records) + number) for number, record in enumerate(more))]


def invented_alert(alerts: Sequence[ConsumerRecord]) -> ConsumerRecord:
    alert = msgspec.structs.replace(msgspec.json.decode(alerts[0].value, type=Alert), alert_id="made-up")
    return replace(alerts[0], value=msgspec.json.encode(alert), headers=(source_header(0, 999_999),))


def as_without(kind: type[ListEntry | RuleSwitch], engines: Engines, observed: Observed) -> Observed:
    """The answers of a worker that ignores controls of this kind; its state is otherwise the same."""
    log = [record for record in observed.payments if not isinstance(control_of(record), kind)]
    ignoring = ReferenceRun(engines, log)
    return observed._replace(
        decisions=answers_of(ignoring.decisions, again=slice(0)), alerts=answers_of(ignoring.alerts, again=slice(0))
    )


def another_note(cases: Sequence[ConsumerRecord]) -> ConsumerRecord:
    newest = {case.case_id: case for case in (msgspec.json.decode(record.value, type=Case) for record in cases)}
    case = next(case for case in newest.values() if case.status == "new")
    action = CaseAction("noted", case.case_id, case.account_id, "note", "chaos", 0, note="seen")
    return record_of(0, case.account_id.encode(), msgspec.json.encode(action))


def in_force_at_the_end(digest: str, changelog: Sequence[ConsumerRecord]) -> Records:
    last = msgspec.structs.replace(decode_checkpoint(changelog[-1].value), rule_set=digest)
    return [*changelog[:-1], replace(changelog[-1], value=encode_checkpoint(last))]


def counted_twice(engines: Engines, log: Sequence[ConsumerRecord]) -> Records:
    """The changelog of a worker that counts the newest payment twice."""
    decisions = {at: answer.value for at, answer in ReferenceRun(engines, log).decisions.items()}
    judged = [at for at, value in decisions.items() if b'"unjudged"' not in value]
    newest = max(judged, key=lambda at: msgspec.json.decode(decisions[at], type=Decision).occurred_at_ms)
    again = replace(log[newest], value=log[newest].value.replace(b'"event_id":"', b'"event_id":"again-'))
    return changelog_of(engines, [*log, again], next_offset=len(log))


TAMPERED: dict[str, tuple[Wrong, str, Callable[[Engines, Observed], Observed]]] = {
    "a decision removed": (
        "lost",
        "at 1500 has no answer in decisions",
        lambda _, o: o._replace(
            decisions=[record for record in o.decisions if source_header(0, 1_500) not in record.headers]
        ),
    ),
    "a verdict altered": (
        "differing",
        "decisions-0 at 40 answers",
        lambda _, o: o._replace(decisions=altered(o.decisions, 40, b'"allow"', b'"block"')),
    ),
    "a decision under the wrong rule set": (
        "differing",
        "decisions-0 at 1000 answers",
        lambda engines, o: o._replace(
            decisions=altered(o.decisions, 1_000, *(engine.rule_set.digest.encode() for engine in reversed(engines)))
        ),
    ),
    "verdicts that ignore a switch": (
        "differing",
        "decisions-0 at",
        lambda engines, o: as_without(RuleSwitch, engines, o),
    ),
    "verdicts that ignore the entries of a list": (
        "differing",
        "decisions-0 at",
        lambda engines, o: as_without(ListEntry, engines, o),
    ),
    "a decision for no payment": (
        "invented",
        "to which there is no such answer",
        lambda _, o: o._replace(
            decisions=added(o.decisions, replace(o.decisions[0], headers=(source_header(0, 999_999),)))
        ),
    ),
    "a decision that does not say what it answers": (
        "invented",
        "answers None",
        lambda _, o: o._replace(decisions=added(o.decisions, replace(o.decisions[0], headers=()))),
    ),
    "a first decision after a later one": (
        "out of order",
        "is the first answer to",
        lambda _, o: o._replace(decisions=[*o.decisions[:20], *o.decisions[21:30], o.decisions[20], *o.decisions[30:]]),
    ),
    "an invented alert": (
        "invented",
        "alerts-0 at",
        lambda _, o: o._replace(alerts=added(o.alerts, invented_alert(o.alerts))),
    ),
    "an alert without the origin of its payment": (
        "differing",
        "alerts-0 at 0 answers",
        lambda _, o: o._replace(alerts=[replace(o.alerts[0], headers=o.alerts[0].headers[:1]), *o.alerts[1:]]),
    ),
    "an alert removed": ("lost", "has no answer in alerts", lambda _, o: o._replace(alerts=without(o.alerts, 50))),
    "a dead letter removed": (
        "lost",
        "has no answer in dead-letters",
        lambda _, o: o._replace(dead_letters=without(o.dead_letters, 1)),
    ),
    "a label that was never forwarded to the log": (
        "lost",
        "is not in the log of payments",
        lambda _, o: o._replace(labels=added(o.labels, replace(o.labels[0], value=b"{}"))),
    ),
    "a row counted twice": (
        "counted twice",
        "is not what the log makes of it",
        lambda engines, o: o._replace(changelog=counted_twice(engines, o.payments)),
    ),
    "a row lost": (
        "counted twice",
        "is not what the log makes of it",
        lambda _, o: o._replace(changelog=[record for record in o.changelog if b"\0c0" not in record.key]),
    ),
    "an entry of a list lost": (
        "counted twice",
        "the row of ('lists.watched', ",
        lambda _, o: o._replace(changelog=[record for record in o.changelog if b"\0list\0" not in record.key]),
    ),
    "an entry that was removed and is back": (
        "counted twice",
        "the row of ('lists.watched', ",
        lambda _, o: o._replace(
            changelog=[record for record in o.changelog if (b"\0list\0" in record.key, record.value) != (True, b"0")]
        ),
    ),
    "other rules in force than the log says": (
        "differing",
        "are in force, by the log",
        lambda engines, o: o._replace(changelog=in_force_at_the_end(engines[1].rule_set.digest, o.changelog)),
    ),
    "a last checkpoint that is missing": (
        "lost",
        "the last checkpoint stands at 1000",
        lambda engines, o: o._replace(changelog=changelog_of(engines, o.payments[:1_000])),
    ),
    "a case missing": (
        "lost",
        "is missing",
        lambda _, o: o._replace(cases=without(o.cases, len(o.cases) - 1)),
    ),
    "an action that was ignored": (
        "lost",
        "is missing",
        lambda _, o: o._replace(case_actions=added(o.case_actions, another_note(o.cases))),
    ),
    "a case that closed without an action": (
        "invented",
        "is not in the logs of alerts and actions",
        lambda _, o: o._replace(case_actions=without(o.case_actions, len(o.case_actions) - 1)),
    ),
    "a label of a closed case that is not in the log": (
        "lost",
        "the label of a closed case is not in the log",
        lambda _, o: o._replace(payments=o.payments[:-1]),
    ),
    "a case altered": (
        "differing",
        "is not what alerts and actions make of it",
        lambda _, o: o._replace(cases=altered(o.cases, 3, b'"severity":"high"', b'"severity":"low"')),
    ),
    "a case that no alert made": (
        "invented",
        "is not in the logs of alerts and actions",
        lambda _, o: o._replace(cases=altered(o.cases, 3, b'"case_id":"', b'"case_id":"x')),
    ),
    "a version of a case written twice": (
        "counted twice",
        "comes after version",
        lambda _, o: o._replace(cases=added(o.cases, o.cases[3])),
    ),
    "a view without a case": (
        "differing",
        "the view's case",
        lambda _, o: o._replace(view=dict(list((o.view or {}).items())[1:])),
    ),
    "a view with a case too many": (
        "invented",
        "the topic does not",
        lambda _, o: o._replace(view={**(o.view or {}), "x": next(iter((o.view or {}).values()))}),
    ),
}


@pytest.mark.parametrize("name", TAMPERED)
def test_the_judge_names_what_is_wrong(name: str, engines: Engines, sound: Observed) -> None:
    wrong, sentence, tamper = TAMPERED[name]
    judgement = verify(engines, "transaction", [tamper(engines, sound)])
    assert not judgement.sound
    assert judgement.wrong[wrong] >= 1
    assert any(finding.startswith(f"{wrong}: ") and sentence in finding for finding in judgement.findings), (
        judgement.findings
    )


def test_the_digest_of_alerts_ignores_repeats_and_depends_on_bytes(engines: Engines, sound: Observed) -> None:
    digest = verify(engines, "transaction", [sound]).alerts_digest
    assert verify(engines, "transaction", [sound._replace(alerts=sound.alerts[:-6])]).alerts_digest == digest
    tampered = sound._replace(alerts=altered(sound.alerts, 0, b'"severity":"high"', b'"severity":"low"'))
    assert verify(engines, "transaction", [tampered]).alerts_digest != digest

"""How the processor of a partition reports repeats, and where it sends labels. Kafka and the view are stand-ins."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from fraudstream.cases.grouping import case_id_of
from fraudstream.cases.observer import Unobserved
from fraudstream.cases.policy import CasePolicy, Queue, ServiceLevel
from fraudstream.cases.processor import CaseProcessor
from fraudstream.cases.record import Position, case_record, held_of
from fraudstream.cases.store import CaseStore
from fraudstream.contracts import Alert, CaseAction, CaseAnswer, DeadLetter, Label, Notice
from fraudstream.contracts.headers import origin_header, source_header
from tests.unit.cases.events import NOTICE_ID, action, alert, answer, ask
from tests.unit.cases.processing import Emission, record_of


class Counting(Unobserved):
    def __init__(self) -> None:
        self.repeats = self.mismatches = 0
        self.rejected: list[str] = []

    def on_rejected(self, partition: int, *, code: str) -> None:
        self.rejected.append(code)

    def on_repeat(self, partition: int, *, kind: str) -> None:
        self.repeats += 1

    def on_mismatch(self, partition: int) -> None:
        self.mismatches += 1


async def observed_after(alerts: list[Alert]) -> Counting:
    """An observer after these alerts."""
    observer = Counting()
    settings, view = SimpleNamespace(cases_topic="cases"), SimpleNamespace(put=lambda *_: None)
    processor = CaseProcessor(
        0, CaseStore(), Position(), cast(Any, settings), cast(Any, Emission()), cast(Any, view), observer
    )
    for offset, event in enumerate(alerts):
        processor.alert(record_of(event, offset))
    await processor.emit()
    return observer


async def test_a_late_repeat_is_not_a_mismatch_as_its_first_verdict_has_left_the_state() -> None:
    observer = await observed_after([alert("a1"), alert("a1", verdict_digest="f" * 16, late=True)])
    assert (observer.repeats, observer.mismatches) == (1, 0)


async def test_a_repeat_with_a_different_verdict_is_also_counted_as_a_mismatch() -> None:
    observer = await observed_after([alert("a1"), alert("a1"), alert("a1", verdict_digest="f" * 16)])
    assert (observer.repeats, observer.mismatches) == (2, 1)


@pytest.mark.parametrize(("origin", "goes_to"), [([origin_header(3)], 3), ([], None)])
async def test_labels_go_to_the_partition_of_the_payments_that_the_alert_names(
    origin: list[tuple[str, bytes]], goes_to: int | None
) -> None:
    """`goes_to` None: the partition that the key chooses."""
    emission, store = Emission(), CaseStore()
    settings = SimpleNamespace(
        cases_topic="cases", payments_topic="payments", case_answers_topic="case-answers", label_secrets=None
    )
    view = SimpleNamespace(put=lambda *_: None)
    processor = CaseProcessor(
        0, store, Position(), cast(Any, settings), cast(Any, emission), cast(Any, view), Unobserved()
    )
    processor.alert(record_of(alert("a1"), 0, [source_header(7, 12), *origin]))
    (held,) = store
    stored = case_record("cases", 0, held, Position())
    assert held_of(stored.value or b"", stored.headers)[0] == held, "the next owner reads the same"
    processor.action(record_of(action("close", held.case.case_id, disposition="false_positive", note="she called"), 0))
    await processor.emit()
    assert [(label.topic, label.key, label.partition) for label in emission.sent] == [("payments", b"acc-1", goes_to)]


async def test_every_action_is_answered_and_a_repeat_as_before() -> None:
    emission, store = Emission(), CaseStore()
    settings = SimpleNamespace(cases_topic="cases", case_answers_topic="case-answers")
    view = SimpleNamespace(put=lambda *_: None)
    processor = CaseProcessor(
        4, store, Position(), cast(Any, settings), cast(Any, emission), cast(Any, view), Unobserved()
    )
    processor.alert(record_of(alert("a1"), 0))
    (held,) = store
    case_id = held.case.case_id
    claim = action("claim", case_id, "ann", "claim-1")
    for offset, given in enumerate(
        [
            claim,
            action("claim", case_id, "bob", "claim-2"),
            action("note", case_id, "bob", "note-1", note="seen"),
            claim,
            action("claim", "nowhere", "bob", "claim-3"),
            action("claim", case_id, "bob", "claim-4", account_id="acc-2"),
        ]
    ):
        processor.action(record_of(given, offset))
    await processor.emit()
    assert {(each.topic, each.partition) for each in emission.answers} == {("case-answers", 4)}
    assert [each.key for each in emission.answers] == [b"acc-1"] * 5 + [b"acc-2"]
    answers = [msgspec.json.decode(each.value or b"", type=CaseAnswer) for each in emission.answers]
    assert [(each.action_id, each.accepted, each.version, each.code) for each in answers] == [
        ("claim-1", True, 2, None),
        ("claim-2", False, None, "assigned_to_other"),
        ("note-1", True, 3, None),
        ("claim-1", True, 2, None),
        ("claim-3", False, None, "unknown_case"),
        ("claim-4", False, None, "wrong_account"),
    ]
    assert [each.case and (each.case.version, each.case.assignee) for each in answers] == [
        *((2, "ann"), (2, "ann"), (3, "ann"), (3, "ann")),
        *(None, None),
    ]
    assert (
        answers[1].sentence == f"case {case_id} is assigned to ann: only they can claim it. Assign or release it first."
    )


async def test_a_timer_that_is_due_is_published_as_an_action_of_the_partition() -> None:
    emission = Emission()
    policy = CasePolicy(queues=(Queue("all", closing=ServiceLevel(breach="1m")),))
    settings = SimpleNamespace(cases_topic="cases", case_actions_topic="case-actions")
    view = SimpleNamespace(put=lambda *_: None)
    processor = CaseProcessor(
        4, CaseStore(policy), Position(), cast(Any, settings), cast(Any, emission), cast(Any, view), Unobserved()
    )
    processor.alert(record_of(alert("a1"), 0, timestamp_ms=1_000_000))  # the payment occurred at 1,000
    await processor.emit()
    await processor.expire(1_059_999)
    assert emission.sent == []
    await processor.expire(1_060_000)
    (sent,) = emission.sent
    expiry = msgspec.json.decode(sent.value or b"", type=CaseAction)
    assert (sent.topic, sent.key, sent.partition) == ("case-actions", b"acc-1", 4)
    assert (expiry.action, expiry.timer, expiry.acted_at) == ("expire", "closing_breach", 1_060_000)


async def test_a_timer_that_comes_too_late_is_no_rejected_action(caplog: pytest.LogCaptureFixture) -> None:
    """Nobody has done anything wrong: it would count towards an alert for operators."""
    observer = Counting()
    settings, view = SimpleNamespace(cases_topic="cases", case_answers_topic="answers"), SimpleNamespace()
    view.put = lambda *_: None
    processor = CaseProcessor(
        0, CaseStore(), Position(), cast(Any, settings), cast(Any, Emission()), cast(Any, view), observer
    )
    processor.alert(record_of(alert("a1"), 0))
    case_id = case_id_of("acc-1", "a1")
    processor.action(record_of(action("expire", case_id, "fraudstream", timer="closing_breach"), 0))
    processor.action(record_of(action("wake", case_id), 1))
    await processor.emit()
    assert observer.rejected == ["not_snoozed"]
    assert [record.levelname for record in caplog.records] == ["WARNING"]


async def test_an_action_with_a_control_character_in_an_identifier_becomes_a_dead_letter() -> None:
    emission = Emission()
    settings = SimpleNamespace(cases_topic="cases", dead_letters_topic="dead-letters")
    view = SimpleNamespace(put=lambda *_: None)
    processor = CaseProcessor(
        0, CaseStore(), Position(), cast(Any, settings), cast(Any, emission), cast(Any, view), Unobserved()
    )
    processor.action(record_of(action("note", "case-1", actor="ann\x9b2J", action_id="a1", note="two\nlines"), 0))
    await processor.emit()
    (sent,) = emission.sent
    letter = msgspec.json.decode(sent.value or b"", type=DeadLetter)
    assert (sent.topic, letter.reason, letter.path) == ("dead-letters", "invalid", "$.actor")


@pytest.mark.parametrize("value", [b'{"a":' * 100_000, b'{"action_id": "\xff"}', b"[]", b"1"])
async def test_an_action_that_cannot_be_decoded_becomes_a_dead_letter(value: bytes) -> None:
    """Objects nested too deep ended the agent, and its successor again."""
    emission = Emission()
    settings = SimpleNamespace(cases_topic="cases", dead_letters_topic="dead-letters")
    view = SimpleNamespace(put=lambda *_: None)
    processor = CaseProcessor(
        0, CaseStore(), Position(), cast(Any, settings), cast(Any, emission), cast(Any, view), Unobserved()
    )
    record = record_of(action("note", "case-1", action_id="a1", note="seen"), 0)
    record.value = value
    processor.action(record)
    await processor.emit()
    (sent,) = emission.sent
    letter = msgspec.json.decode(sent.value or b"", type=DeadLetter)
    assert (sent.topic, letter.reason in ("not_json", "invalid"), letter.value) == ("dead-letters", True, value)


class NoticeSettings:
    alerts_topic, case_actions_topic, notice_answers_topic = "alerts", "case-actions", "notice-answers"
    cases_topic, case_answers_topic, notices_topic = "cases", "case-answers", "notices"
    payments_topic, dead_letters_topic = "payments", "dead-letters"
    label_secrets = None


class AnsweredNotices(Unobserved):
    def __init__(self) -> None:
        self.outcomes: list[str] = []
        self.repeats: list[str] = []

    def on_notice_answer(self, partition: int, *, outcome: str) -> None:
        self.outcomes.append(outcome)

    def on_repeat(self, partition: int, *, kind: str) -> None:
        self.repeats.append(kind)


async def test_a_notice_leaves_once_and_answers_are_applied_labelled_or_dead_letters() -> None:
    emission, store, observer = Emission(), CaseStore(), AnsweredNotices()
    view = SimpleNamespace(put=lambda *_: None)
    processor = CaseProcessor(
        2, store, Position(), cast(Any, NoticeSettings()), cast(Any, emission), cast(Any, view), observer
    )
    processor.handle(record_of(alert("a1"), 0, [source_header(0, 0), origin_header(5)]))
    (held,) = store
    case_id = held.case.case_id
    for offset, given in enumerate([action("claim", case_id), ask(case_id), ask(case_id)]):
        processor.handle(record_of(given, offset))
    await processor.emit()
    (sent,) = emission.notices
    assert (sent.topic, sent.key, sent.partition) == ("notices", b"acc-1", 2)
    notice = msgspec.json.decode(sent.value or b"", type=Notice)
    assert (notice.notice_id, notice.answer_partition) == (NOTICE_ID, 2)

    forged, second = answer(notice_id="f" * 32, answer_id="x"), answer("me", answer_id="app-2")
    for offset, said in enumerate([forged, answer(), answer(), second]):
        processor.handle(record_of(said, offset))
    processor.handle(SimpleNamespace(**vars(record_of(answer(), 4)) | {"value": b'{"reply": "maybe"}'}))
    await processor.emit()
    assert processor.position.notice_answers == 5
    assert observer.outcomes == ["unknown_notice", "not_me", "already_answered"]
    assert observer.repeats == ["action", "notice_answer"]
    (labelled,) = [each for each in emission.sent if each.topic == "payments"]
    label = msgspec.json.decode(labelled.value or b"", type=Label)
    assert (labelled.partition, label.event_id, label.label, label.source) == (5, "event-of-a1", "fraud", "customer")
    letters = [
        msgspec.json.decode(each.value or b"", type=DeadLetter) for each in emission.sent if each.topic != "payments"
    ]
    assert [(letter.reason, letter.offset, letter.sentence.partition(":")[0]) for letter in letters] == [
        ("notice_answer", 0, "unknown_notice"),
        ("notice_answer", 3, "already_answered"),
        ("invalid", 4, "Invalid enum value 'maybe'"),
    ]
    assert emission.notices == [sent]

"""A customer is asked about a payment: what the case becomes, what leaves, and which answers count."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from fraudstream.cases.held import Held, HeldPair
from fraudstream.cases.notices import (
    AnsweredNotice,
    AnswerRefusalCode,
    RefusedAnswer,
    RepeatedAnswer,
    digest_of,
    notice_of,
)
from fraudstream.cases.policy import CasePolicy, Queue, ServiceLevel
from fraudstream.cases.refusal import NOTES_BYTES_MAX, NOTICES_MAX, RejectedAction
from fraudstream.cases.store import CaseStore
from fraudstream.contracts import Case, CaseAction, CaseNote, CaseStep, Label, NoticePayment
from fraudstream.contracts.case_timers import CaseTimer
from tests.unit.cases.events import NOTICE_ID, action, alert, answer, ask

SECOND_ID = "f" * 32


def in_review(store: CaseStore, **payment: Any) -> Case:
    first = alert("a1", **payment)
    opened = store.alert(replace(first, payment=replace(first.payment, merchant_id="mer-4", channel="web")), None)
    assert opened is not None
    return done(store, action("claim", opened.case.case_id))


def done(store: CaseStore, given: CaseAction) -> Case:
    result = store.act(given)
    assert isinstance(result, Held), result
    return result.case


def expire(store: CaseStore, now_ms: int) -> Case:
    (expiry,) = store.due(now_ms)
    return done(store, expiry)


def asked_case(store: CaseStore) -> Case:
    return done(store, ask(in_review(store).case_id))


def refused(store: CaseStore, code: AnswerRefusalCode, **fields: Any) -> None:
    before = {held.case.case_id: held.case for held in store}
    result = store.answer(answer(**fields), 30_000)
    assert isinstance(result, RefusedAnswer), result
    assert result.code == code
    assert {held.case.case_id: held.case for held in store} == before


def answered(store: CaseStore, reply: str = "not_me", **fields: Any) -> tuple[Case, Label]:
    result = store.answer(answer(reply, **fields), 30_000)
    assert isinstance(result, AnsweredNotice), result
    return result.held.case, result.label


def test_a_case_waits_for_its_customer_who_is_asked() -> None:
    case = asked_case(CaseStore())
    assert (case.status, case.waiting_for) == ("waiting", "customer")
    assert case.timers == (CaseTimer("notice_end", 60_000),)
    (notice,) = case.notices
    assert (notice.event_id, notice.asked_by, notice.state) == ("event-of-a1", "ann", "open")
    assert (notice.asked_at_ms, notice.expires_at_ms) == (5_000, 60_000)


def test_a_case_keeps_the_digest_of_a_notice_alone() -> None:
    case = asked_case(CaseStore())
    assert case.notices[0].digest == digest_of(NOTICE_ID)
    assert NOTICE_ID.encode() not in msgspec.json.encode(case)


def test_a_notice_has_what_a_customer_may_see_and_nothing_else() -> None:
    store = CaseStore()
    first = alert("a1", "DE02120300000000202051", rules=("mule/secret_rule",))
    opened = store.alert(replace(first, payment=replace(first.payment, merchant_id="mer-4", channel="web")), None)
    assert opened is not None
    case_id = opened.case.case_id
    done(store, action("claim", case_id, account_id=first.account_id))
    given = ask(case_id, account_id=first.account_id, note="she sounded odd")
    notice = notice_of(done(store, given), given, 3)
    assert (notice.account, notice.answer_partition) == ("••••2051", 3)
    assert notice.payment == NoticePayment(1_000, "10.00", "EUR", "mer-4", "web")
    sent = json.loads(msgspec.json.encode(notice))
    assert sent.keys() == {"notice_id", "account", "payment", "asked_at_ms", "expires_at_ms", "answer_partition"}
    for hidden in (first.account_id, case_id, "secret_rule", "odd", '"ann"', "medium", "event-of-a1", "score"):
        assert hidden not in json.dumps(sent)


@pytest.mark.parametrize(("reply", "label", "confidence"), [("me", "genuine", 0.8), ("not_me", "fraud", 0.9)])
def test_an_answer_is_noted_labels_its_payment_and_ends_the_wait(reply: str, label: str, confidence: float) -> None:
    store = CaseStore()
    version = asked_case(store).version
    case, given = answered(store, reply)
    assert (case.status, case.waiting_for, case.timers, case.version) == ("in_review", None, (), version + 1)
    assert (case.notices[0].state, case.notices[0].reply, case.notices[0].answered_at_ms) == ("answered", reply, 20_000)
    words = "made" if reply == "me" else "did not make"
    assert case.notes[-1] == CaseNote(20_000, "customer", "answer", f"The customer {words} the payment event-of-a1.")
    assert case.steps[-1] == CaseStep(20_000, "customer", "answer", version + 1, reply)
    assert (given.event_id, given.label, given.source, given.confidence) == (
        "event-of-a1",
        label,
        "customer",
        confidence,
    )
    assert (given.labelled_at, given.payment_occurred_at) == (20_000, 1_000)


def test_a_label_is_not_dated_after_its_answer_was_published() -> None:
    store = CaseStore()
    asked_case(store)
    _, label = answered(store, answered_at=50_000)
    assert label.labelled_at == 30_000


def test_a_repeated_answer_changes_nothing_and_a_second_one_is_refused() -> None:
    store = CaseStore()
    asked_case(store)
    case, _ = answered(store)
    assert isinstance(store.answer(answer(), 30_000), RepeatedAnswer)
    assert store.case(case.case_id) == case
    refused(store, "already_answered", answer_id="app-2", reply="me")


def test_an_answer_to_a_notice_that_nobody_sent_is_refused() -> None:
    store = CaseStore()
    asked_case(store)
    refused(store, "unknown_notice", notice_id=SECOND_ID)
    refused(store, "unknown_notice", notice_id=digest_of(NOTICE_ID)[:32])


def test_an_answer_of_another_account_is_refused() -> None:
    store = CaseStore()
    asked_case(store)
    refused(store, "wrong_account", account_id="acc-2")


@pytest.mark.parametrize("at_ms", [60_000, 70_000])
def test_a_late_answer_is_refused_whether_or_not_its_expiry_has_been_read(at_ms: int) -> None:
    store = CaseStore()
    asked_case(store)
    refused(store, "notice_expired", answered_at=at_ms)
    expire(store, 60_000)
    refused(store, "notice_expired", answered_at=at_ms)
    refused(store, "notice_expired", answered_at=20_000)


@pytest.mark.parametrize("at_ms", [-1, 4_999, 7_300_000_000_000])
def test_an_answer_before_the_question_or_at_no_time_is_refused(at_ms: int) -> None:
    store = CaseStore()
    asked_case(store)
    refused(store, "answered_at", answered_at=at_ms)


def test_a_notice_expires_at_its_time_and_the_wait_with_it() -> None:
    store = CaseStore()
    asked_case(store)
    assert store.due(59_999) == []
    case = expire(store, 60_000)
    assert (case.status, case.waiting_for, case.notices[0].state, case.timers) == ("in_review", None, "expired", ())
    assert case.steps[-1].detail == "notice_end"


def test_closing_a_case_withdraws_its_notice() -> None:
    store = CaseStore()
    case_id = asked_case(store).case_id
    case = done(store, action("close", case_id, disposition="inconclusive"))
    assert (case.notices[0].state, case.timers, store.due(10**9)) == ("withdrawn", (), [])
    refused(store, "notice_withdrawn")
    done(store, action("reopen", case_id))
    refused(store, "notice_withdrawn")


@pytest.mark.parametrize("name", ["resume", "escalate", "release"])
def test_an_answer_counts_after_the_case_has_moved_on(name: str) -> None:
    store = CaseStore()
    case_id = asked_case(store).case_id
    moved = done(store, action(name, case_id, escalate_to="senior", note="n"))
    assert moved.timers == (CaseTimer("notice_end", 60_000),)
    case, label = answered(store)
    assert (case.status, case.assignee, label.label) == (moved.status, moved.assignee, "fraud")
    assert case.timers == ()


def test_a_notice_expires_after_the_case_has_moved_on() -> None:
    store = CaseStore()
    case_id = asked_case(store).case_id
    done(store, action("escalate", case_id, escalate_to="senior", note="n"))
    case = expire(store, 60_000)
    assert (case.status, case.notices[0].state) == ("escalated", "expired")


def test_a_wait_for_the_partner_is_not_ended_by_an_answer_of_the_customer() -> None:
    store = CaseStore()
    case_id = asked_case(store).case_id
    done(store, action("resume", case_id))
    done(store, action("wait", case_id, waiting_for="partner", note="n", until=90_000))
    case, _ = answered(store)
    assert (case.status, case.waiting_for, case.timers) == ("waiting", "partner", (CaseTimer("waiting_end", 90_000),))


def test_the_service_level_stands_still_while_the_customer_is_asked() -> None:
    queue = Queue("all", closing=ServiceLevel(breach="1m"))
    store = CaseStore(CasePolicy(queues=(queue,)))
    asked_case(store)
    case, _ = answered(store)
    assert case.timers == (CaseTimer("closing_breach", 61_000 + 15_000),)


@pytest.mark.parametrize(
    ("code", "fields"),
    [
        ("unknown_payment", {"event_id": "event-of-another"}),
        ("until", {"until": 5_000}),
        ("until", {"until": 7_300_000_000_000}),
    ],
)
def test_what_cannot_be_asked_is_refused(code: str, fields: dict[str, Any]) -> None:
    store = CaseStore()
    result = store.act(ask(in_review(store).case_id, **fields))
    assert isinstance(result, RejectedAction)
    assert result.code == code


def test_a_customer_has_one_open_question_at_a_time() -> None:
    store = CaseStore()
    case_id = asked_case(store).case_id
    done(store, action("resume", case_id))
    again = ask(case_id, action_id="ask-2", notice_id=SECOND_ID)
    result = store.act(again)
    assert isinstance(result, RejectedAction)
    assert result.code == "notice_open"
    answered(store)
    case = done(store, again)
    assert [notice.state for notice in case.notices] == ["answered", "open"]


def test_a_case_holds_a_limited_number_of_notices() -> None:
    store = CaseStore()
    case_id = in_review(store).case_id
    for number in range(NOTICES_MAX + 1):
        notice_id = f"{number:032x}"
        result = store.act(ask(case_id, action_id=f"ask-{number}", notice_id=notice_id))
        if number < NOTICES_MAX:
            assert isinstance(result, Held)
            answered(store, notice_id=notice_id, answer_id=f"app-{number}")
    assert isinstance(result, RejectedAction)
    assert result.code == "notices_full"


def test_who_is_not_the_assignee_cannot_ask_and_nobody_while_a_closing_is_proposed() -> None:
    store = CaseStore()
    case_id = in_review(store).case_id
    result = store.act(ask(case_id, "bob"))
    assert isinstance(result, RejectedAction)
    assert result.code == "assigned_to_other"


def test_an_answer_that_the_case_has_no_room_for_is_refused() -> None:
    store = CaseStore()
    case_id = asked_case(store).case_id
    held = next(iter(store))
    full = replace(held.case, notes=(CaseNote(1, "ann", "note", "x" * (NOTES_BYTES_MAX - 100)),), version=99)
    store.restore(Held(full, held.memo))
    refused(store, "notes_full")
    assert store.case(case_id) == full


def test_a_restored_case_knows_its_notice() -> None:
    before, after = CaseStore(), CaseStore()
    asked_case(before)
    for held in before:
        after.restore(held)
    case, _ = answered(after)
    assert case.notices[0].state == "answered"
    for held in after:
        before.restore(held)
    assert isinstance(before.answer(answer(), 30_000), RepeatedAnswer)


def test_a_dropped_case_forgets_its_notice() -> None:
    store = CaseStore()
    case_id = asked_case(store).case_id
    done(store, action("close", case_id, disposition="inconclusive"))
    store.alert(alert("b1", "acc-2", occurred_at_ms=10**12), None)
    refused(store, "unknown_notice")


@pytest.mark.parametrize("missing", ["event_id", "until", "notice_id"])
def test_an_action_without_what_a_question_needs_is_invalid(missing: str) -> None:
    nothing: dict[str, Any] = {missing: None}
    with pytest.raises(ValueError, match=missing):
        ask("case-1", **nothing)


def test_an_answer_is_no_action_that_can_be_sent() -> None:
    given = json.loads(msgspec.json.encode(action("note", "c", note="x"))) | {"action": "answer"}
    with pytest.raises(msgspec.ValidationError, match="Invalid enum value 'answer'"):
        msgspec.json.decode(json.dumps(given), type=CaseAction)


def test_merging_a_case_withdraws_its_notice() -> None:
    store = CaseStore()
    case_id = asked_case(store).case_id
    other = store.alert(alert("b1", "acc-2"), None)
    assert other is not None
    merged = store.act(action("merge", case_id, other_case_id=other.case.case_id))
    assert isinstance(merged, HeldPair)
    assert [each.state for each in merged.held.case.notices] == ["withdrawn"]
    assert merged.other.case.notices == ()
    refused(store, "notice_withdrawn")


def test_a_case_asks_the_customer_of_its_own_account_alone() -> None:
    store = CaseStore()
    case = in_review(store)
    other = store.alert(alert("b1", "acc-2"), None)
    assert other is not None
    assert isinstance(
        store.act(action("merge", other.case.case_id, account_id="acc-2", other_case_id=case.case_id)), HeldPair
    )
    result = store.act(ask(case.case_id, event_id="event-of-b1"))
    assert isinstance(result, RejectedAction)
    assert result.code == "other_customer"
    asked = done(store, ask(case.case_id, action_id="again"))
    assert [notice.event_id for notice in asked.notices] == ["event-of-a1"]


def test_a_split_leaves_the_notice_with_the_case_that_has_asked() -> None:
    store = CaseStore()
    case = in_review(store)
    store.alert(alert("a2"), None)
    done(store, ask(case.case_id))
    pair = store.act(action("split", case.case_id, alert_ids=("a1",), note="two matters"))
    assert isinstance(pair, HeldPair)
    assert [len(held.case.notices) for held in pair] == [1, 0]
    result = store.answer(answer(), 30_000)
    assert isinstance(result, AnsweredNotice)
    assert (result.held.case.case_id, result.held.case.status) == (case.case_id, "in_review")
    assert (result.label.event_id, result.label.account_id) == ("event-of-a1", "acc-1")


def test_of_an_erased_case_no_answer_is_accepted() -> None:
    store = CaseStore()
    case_id = asked_case(store).case_id
    store.act(action("erase", case_id, note="a request"))
    refused(store, "unknown_notice")

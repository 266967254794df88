"""Questions to the customer of a case: what is asked, what an answer makes of the case, why one is refused. Pure.

    ask      the case waits for its customer; the timer `notice_end` runs to the end of the notice
    answer   a note, a label of the payment, and the wait ends
    expiry   by the timer: the wait ends without an answer
    closing  withdraws a notice that is open; so does merging the case into another one

A case asks the customer of its own account alone, not those of accounts that were merged into it; the alerts of another
account are split off first. A notice stays with the case that has asked.

A case has at most one open notice. Whoever knows the id of a notice can answer it, so the case keeps its digest alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

import msgspec
from msgspec.structs import replace

from fraudstream.cases.held import Held
from fraudstream.cases.refusal import ACTED_AT_MS_END, NOTES_BYTES_MAX, acted_at_ms, moment_ms, own_alerts, until_ms
from fraudstream.cases.steps import step_added
from fraudstream.cases.timers import paused, resumed, with_timer
from fraudstream.contracts import Case, CaseAction, CaseNote, CaseStep, Label, Notice, NoticeAnswer, NoticePayment
from fraudstream.contracts.case_notices import CaseNotice, NoticeReply, NoticeState
from fraudstream.contracts.fields import LabelName
from fraudstream.contracts.payment_identifiers import masked

CUSTOMER: Final = "customer"  # actor of answers, and source of their labels
# A customer who was talked into a payment says that it was theirs; one who forgot it says that it was not.
_LABELS: Final[Mapping[NoticeReply, tuple[LabelName, float]]] = {"me": ("genuine", 0.8), "not_me": ("fraud", 0.9)}
_NOTES: Final[Mapping[NoticeReply, str]] = {
    "me": "The customer made the payment {event_id}.",
    "not_me": "The customer did not make the payment {event_id}.",
}

AnswerRefusalCode = Literal[
    "unknown_notice",  # no case of the partition has this notice
    "wrong_account",  # the notice is another account's
    "answered_at",  # outside 1970 to 2199, or before the notice was sent
    "already_answered",
    "notice_expired",
    "notice_withdrawn",  # the case was closed before
    "notes_full",  # the case cannot hold another note
]


class RefusedAnswer(NamedTuple):
    """Why an answer was refused: it changed nothing."""

    code: AnswerRefusalCode
    sentence: str


class RepeatedAnswer(NamedTuple):
    """An answer that was accepted before."""


class Answered(NamedTuple):
    """The case after an answer, and the label that follows."""

    case: Case
    label: Label


class AnsweredNotice(NamedTuple):
    """A case after the answer to a notice, as its partition holds it, and the label of its payment."""

    held: Held
    label: Label


def digest_of(notice_id: str) -> str:
    """What a case keeps of a notice's id."""
    return hashlib.sha256(notice_id.encode()).hexdigest()


def open_notice(case: Case) -> CaseNotice | None:
    """The notice that can still be answered."""
    return next((each for each in case.notices if each.state == "open"), None)


def asked(case: Case, action: CaseAction) -> Case:
    """The case, with its status after the action `ask`, whose customer has a notice now."""
    expires_at_ms = until_ms(action)
    assert action.notice_id is not None, "the contract requires it"
    assert action.event_id is not None, "the contract requires it"
    assert expires_at_ms is not None, "the contract requires it"
    notice = CaseNotice(
        digest=digest_of(action.notice_id),
        event_id=action.event_id,
        asked_by=action.actor,
        asked_at_ms=acted_at_ms(action),
        expires_at_ms=expires_at_ms,
    )
    waiting = replace(case, waiting_for="customer", notices=(*case.notices, notice))
    return with_timer(paused(waiting, acted_at_ms(action)), "notice_end", expires_at_ms)


def notice_of(case: Case, action: CaseAction, partition: int) -> Notice:
    """What the customer is sent. `case`: after the action `ask`; `partition`: where the answer belongs."""
    line = next(line for line in own_alerts(case) if line.event_id == action.event_id)
    expires_at_ms = until_ms(action)
    assert action.notice_id is not None, "the contract requires it"
    assert expires_at_ms is not None, "the contract requires it"
    return Notice(
        notice_id=action.notice_id,
        account=masked(case.account_id),
        payment=NoticePayment(line.occurred_at_ms, line.amount, line.currency, line.merchant_id, line.channel),
        asked_at_ms=acted_at_ms(action),
        expires_at_ms=expires_at_ms,
        answer_partition=partition,
    )


def ended(case: Case, state: NoticeState) -> Case:
    """The case whose open notice, if it has one, is in `state` now, and its timer over."""
    notices = tuple(replace(each, state=state) if each.state == "open" else each for each in case.notices)
    return with_timer(replace(case, notices=notices), "notice_end", None)


def repeats(case: Case, answer: NoticeAnswer) -> bool:
    """Whether the answer has been accepted before."""
    digest = digest_of(answer.notice_id)
    return any(each.digest == digest and each.answer_id == answer.answer_id for each in case.notices)


def answered(case: Case, answer: NoticeAnswer, published_at_ms: int) -> Answered | RefusedAnswer:
    """The case after an answer to one of its notices, or why it is refused. `published_at_ms`: of its record."""
    notice = next(each for each in case.notices if each.digest == digest_of(answer.notice_id))
    at_ms = moment_ms(answer.answered_at)
    note = CaseNote(at_ms, CUSTOMER, "answer", _NOTES[answer.reply].format(event_id=notice.event_id))
    if (refusal := _refused(case, notice, answer, at_ms, note)) is not None:
        return refusal
    told = replace(notice, state="answered", reply=answer.reply, answer_id=answer.answer_id, answered_at_ms=at_ms)
    after = replace(
        with_timer(case, "notice_end", None),
        version=case.version + 1,
        updated_at_ms=max(case.updated_at_ms, at_ms),
        notes=(*case.notes, note),
        notices=tuple(told if each is notice else each for each in case.notices),
    )
    after = step_added(wait_over(after, at_ms), CaseStep(at_ms, CUSTOMER, "answer", after.version, answer.reply))
    return Answered(after, _label(case, notice, answer, min(at_ms, published_at_ms)))


def wait_over(case: Case, at_ms: int) -> Case:
    """The case in review again, if it waits for its customer."""
    if case.status != "waiting" or case.waiting_for != "customer":
        return case
    return resumed(replace(case, status="in_review", waiting_for=None), at_ms)


def _label(case: Case, notice: CaseNotice, answer: NoticeAnswer, labelled_at_ms: int) -> Label:
    label, confidence = _LABELS[answer.reply]
    lines = (line.occurred_at_ms for line in own_alerts(case) if line.event_id == notice.event_id)
    return Label(
        event_id=notice.event_id,
        account_id=case.account_id,
        label=label,
        labelled_at=labelled_at_ms,
        payment_occurred_at=next(lines, None),
        source=CUSTOMER,
        confidence=confidence,
    )


def _refused(case: Case, notice: CaseNotice, answer: NoticeAnswer, at_ms: int, note: CaseNote) -> RefusedAnswer | None:
    about = f"the notice {notice.digest[:8]}… of case {case.case_id}"
    if answer.account_id != case.account_id:
        return RefusedAnswer("wrong_account", f"{about} is another account's.")
    match notice.state:
        case "answered":
            return RefusedAnswer("already_answered", f"{about} has been answered: {notice.reply}.")
        case "withdrawn":
            return RefusedAnswer("notice_withdrawn", f"{about} was withdrawn, as the case was closed before.")
        case "expired":
            return RefusedAnswer("notice_expired", f"{about} expired at {notice.expires_at_ms}.")
    if not max(notice.asked_at_ms, 0) <= at_ms < ACTED_AT_MS_END:
        sentence = f"{about} was sent at {notice.asked_at_ms}: answered_at {answer.answered_at} is not after that."
        return RefusedAnswer("answered_at", sentence)
    if at_ms >= notice.expires_at_ms:
        return RefusedAnswer("notice_expired", f"{about} expired at {notice.expires_at_ms}.")
    if len(msgspec.json.encode((*case.notes, note))) > NOTES_BYTES_MAX:
        return RefusedAnswer("notes_full", f"{about}: the notes of the case leave no room for the answer.")
    return None

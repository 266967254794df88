"""What came of an action on a case, in words."""

from __future__ import annotations

from markupsafe import Markup

from fraudstream.console.access.masking import Masking
from fraudstream.console.words.catalogue import Words
from fraudstream.contracts import Case
from fraudstream.contracts.audit_record import AuditOutcome
from fraudstream.operations.case_actions import NoAnswerError, RejectedActionError
from fraudstream.operations.errors import OperationError


def done_text(words: Words, action: str, case: Case | None) -> Markup:
    """What an accepted action has done."""
    if case is not None and case.proposal is not None and action == "close":
        return words.markup("done.propose")
    disposition = "" if case is None or case.disposition is None else words.text(f"disposition.{case.disposition}")
    return words.markup(f"done.{action}", disposition=disposition)


def status_of(error: OperationError) -> int:
    """The status of the answer: 409 if the agent has refused, 504 if none has answered."""
    match error:
        case RejectedActionError():
            return 409
        case NoAnswerError():
            return 504
        case _:
            return 400


def outcome_of(status: int) -> AuditOutcome:
    """What the audit log says of an answer with this status."""
    return "done" if status == 200 else "refused" if status == 409 else "failed"


def refused_text(words: Words, error: OperationError) -> Markup:
    """Why the action had no effect, or has none yet."""
    match error:
        case RejectedActionError(code=str(code)) if words.has(f"refusal.{code}"):
            return words.markup(
                f"refusal.{code}",
                assignee=error.case.assignee or "",
                status=words.text(f"status.{error.case.status}"),
            )
        case RejectedActionError():
            sentence = Masking(False, error.case.accounts).text(error.sentence)
            return words.markup("refusal.other", sentence=sentence)
        case NoAnswerError():
            return words.markup("refusal.no_answer")
        case _:
            return words.markup("refusal.failed", sentence=error.sentence)

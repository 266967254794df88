"""Actions on cases, and what comes of them.

The case agent alone decides whether an action is allowed. It answers every action: accepted, with the case as it is
then, or refused with a code and a sentence. `case_action_client` publishes actions and waits for the answers.
"""

from __future__ import annotations

import secrets
from typing import NamedTuple, TypedDict, Unpack

from fraudstream.cases.grouping import case_id_of
from fraudstream.contracts import Case, CaseAction
from fraudstream.contracts.attached_file import FileDescription
from fraudstream.contracts.case_action import ALERT_IDS_MAX
from fraudstream.contracts.case_typologies import Typology
from fraudstream.contracts.case_values import ActionName, Disposition, WaitingFor
from fraudstream.contracts.fields import Severity
from fraudstream.operations.checked_text import check_digest, check_file, check_identifier, check_note, check_tag
from fraudstream.operations.errors import InvalidValueError, OperationError


class CaseActionResult(NamedTuple):
    """The accepted action, and the case as it is after it."""

    action: CaseAction
    case: Case


class RejectedActionError(OperationError):
    """The case agent rejected the action: it changed nothing. `code`: why (`cases.refusal.RefusalCode`, or one of a
    newer agent). `case`: the state that the agent has decided on, or else the caller's."""

    def __init__(self, action: CaseAction, case: Case, code: str, sentence: str) -> None:
        super().__init__(f"The case agent rejected '{action.action}': {sentence}")
        self.action = action
        self.case = case
        self.code = code


class RejectedOpeningError(OperationError):
    """The case agent opened no case. `code`: why (`cases.refusal.RefusalCode`, or one of a newer agent)."""

    def __init__(self, action: CaseAction, code: str, sentence: str) -> None:
        super().__init__(f"The case agent opened no case: {sentence}")
        self.action = action
        self.code = code


class NoAnswerError(OperationError):
    """No answer came within `seconds`. The action is in the log at `offset`, so it may still take effect."""

    def __init__(self, action: CaseAction, topic: str, partition: int, offset: int, seconds: float) -> None:
        super().__init__(
            f"No case agent answered within {seconds:g} s: '{action.action}' is at offset {offset} of "
            f"{topic}-{partition}, and takes effect as soon as an agent runs. Is `fraudstream cases` running?"
        )
        self.action = action
        self.topic = topic
        self.partition = partition
        self.offset = offset
        self.seconds = seconds


class ActionDetails(TypedDict, total=False):
    """What an action needs beyond its name: the fields of `CaseAction`."""

    note: str | None
    disposition: Disposition | None
    typology: Typology | None
    assignee: str | None
    waiting_for: WaitingFor | None
    until: int | None
    escalate_to: str | None
    other_case_id: str | None
    tag: str | None
    alert_ids: tuple[str, ...]
    event_id: str | None
    notice_id: str | None
    file: FileDescription | None
    sha256: str | None
    expected_version: int | None


def new_case_action(
    case: Case,
    name: ActionName,
    *,
    actor: str,
    acted_at_ms: int,
    action_id: str | None = None,
    **details: Unpack[ActionDetails],
) -> CaseAction:
    """An action on `case`, with an id of its own unless `action_id` is given. `ask` is about the payment of the newest
    alert unless `event_id` is given, and gets a new `notice_id`. Raises `InvalidValueError`."""
    check_identifier(actor, "actor")
    check_note(details.get("note"))
    for field in ("assignee", "escalate_to", "other_case_id", "event_id"):
        value = details.get(field)
        if isinstance(value, str):
            check_identifier(value, field)
    if (tag := details.get("tag")) is not None:
        check_tag(tag)
    if (file := details.get("file")) is not None:
        check_file(file)
    if (sha256 := details.get("sha256")) is not None:
        check_digest(sha256)
    for alert_id in details.get("alert_ids", ()):
        check_identifier(alert_id, "alert_ids")
    if len(details.get("alert_ids", ())) > ALERT_IDS_MAX:
        sentence = f"alert_ids: at most {ALERT_IDS_MAX} at once, as many as a case lists."
        raise InvalidValueError("alert_ids", "", sentence)
    if name == "ask":
        own = [line.event_id for line in case.alerts if line.account_id is None]
        newest = own[-1] if own else None
        details = {**details, "event_id": details.get("event_id") or newest, "notice_id": secrets.token_hex(16)}
    try:
        return CaseAction(
            action_id=action_id or secrets.token_hex(16),
            case_id=case.case_id,
            account_id=case.account_id,
            action=name,
            actor=actor,
            acted_at=acted_at_ms,
            **details,
        )
    except ValueError as error:  # of CaseAction itself, such as close without a disposition
        raise InvalidValueError("action", name, f"{str(error).rstrip('.')}.") from error


def new_opening(account_id: str, *, actor: str, acted_at_ms: int, severity: Severity, reason: str) -> CaseAction:
    """The action that opens a case of an account by hand. Raises `InvalidValueError`."""
    check_identifier(actor, "actor")
    check_identifier(account_id, "account_id")
    check_note(reason)
    if not reason:
        raise InvalidValueError("reason", reason, "a case that is opened by hand needs a reason.")
    action_id = secrets.token_hex(16)
    return CaseAction(
        action_id=action_id,
        case_id=case_id_of(account_id, action_id),
        account_id=account_id,
        action="open",
        actor=actor,
        acted_at=acted_at_ms,
        note=reason,
        severity=severity,
    )

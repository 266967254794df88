"""What a request leaves in the audit log. `audited` waits and refuses the request if the log cannot be written; the
others do not wait."""

from __future__ import annotations

import logging
from typing import Final

from fastapi import Request

from fraudstream.audit.writer import AuditUnavailableError
from fraudstream.console.access.sessions import Session
from fraudstream.console.web.console import address_of, console_of
from fraudstream.console.web.errors import PageError
from fraudstream.contracts.audit_record import AuditAction, AuditEvent, AuditOutcome

TEXT_CHARACTERS_MAX: Final = 1024

log = logging.getLogger(__name__)


def event_of(
    request: Request,
    actor: str | None,
    action: AuditAction,
    outcome: AuditOutcome = "done",
    *,
    object: str | None = None,
    detail: str | None = None,
) -> AuditEvent:
    """An event of this request, now."""
    return AuditEvent(
        at_ms=console_of(request).now_ms(),
        action=action,
        outcome=outcome,
        address=address_of(request),
        actor=actor,
        object=_short(object),
        detail=_short(detail),
        request_id=request_id_of(request),
        token=getattr(request.state, "token_id", None),
    )


def request_id_of(request: Request) -> str:
    """The id that the answer has as `x-request-id`."""
    return str(request.state.request_id)


async def audited(
    request: Request, actor: str, action: AuditAction, outcome: AuditOutcome = "done", **about: str | None
) -> None:
    """Returns once the event is durable. Raises `PageError`: what it is about must not take place then."""
    try:
        await console_of(request).audit.record(event_of(request, actor, action, outcome, **about))
    except AuditUnavailableError:
        raise PageError(503, "audit") from None


def note_view(request: Request, session: Session, action: AuditAction, object: str, detail: str | None = None) -> None:
    """Record a view or a search, unless the same session did the same a moment ago. Raises `PageError` if too many
    events wait: the page must not be shown then."""
    console = console_of(request)
    key = (session.id, action, object, detail or "")
    if not console.recent_events.is_new(key, console.now_ms()):
        return
    try:
        console.audit.note(event_of(request, session.user_name, action, object=object, detail=detail))
    except AuditUnavailableError:
        console.recent_events.forget(key)
        raise PageError(503, "audit") from None


def note_result(
    request: Request, actor: str | None, action: AuditAction, outcome: AuditOutcome, **about: str | None
) -> None:
    """Record what has already happened; without room in memory it is logged instead.

    What somebody who is not logged in repeats from one address is recorded once in a while.
    """
    console = console_of(request)
    event = event_of(request, actor, action, outcome, **about)
    key = (address_of(request), action, outcome, about.get("object") or "")
    if actor is None and not console.recent_events.is_new(key, console.now_ms()):
        return
    try:
        console.audit.note(event)
    except AuditUnavailableError:
        log.error("an audit event had no room: %s", event)


def _short(text: str | None) -> str | None:
    return None if text is None else text.encode("utf-8", "replace").decode()[:TEXT_CHARACTERS_MAX]

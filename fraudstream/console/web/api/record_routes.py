"""The audit log and the users, for programs that read them."""

from __future__ import annotations

from typing import Annotated, Final, get_args

import msgspec
from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from fraudstream.audit.selection import AuditSelection, record_of
from fraudstream.audit.source import UnreadableAuditError
from fraudstream.console.access.masking import Masking
from fraudstream.console.access.roles import Role
from fraudstream.console.access.tokens import Token
from fraudstream.console.web.api.callers import scoped, session_of
from fraudstream.console.web.api.problems import ProblemError
from fraudstream.console.web.api.requests import parameters_of
from fraudstream.console.web.auditing import note_view
from fraudstream.console.web.console import console_of
from fraudstream.contracts.audit_record import AuditAction, AuditEvent, AuditOutcome
from fraudstream.contracts.timestamps import parse_utc_ms

EVENTS_MAX: Final = 200
LOOK_AT_MAX: Final = 50_000
TEXTS: Final = ("actor", "object", "since", "before")
CHOICES: Final = {"action": get_args(AuditAction), "outcome": get_args(AuditOutcome)}

router = APIRouter()


class StoredEvent(msgspec.Struct, frozen=True):
    """An event and the offset of its record."""

    offset: int
    event: AuditEvent


class EventList(msgspec.Struct, frozen=True):
    """A page of the audit log, the newest first. `next`: `before` of the next page; None on the last."""

    events: tuple[StoredEvent, ...]
    next: str | None


class UserAnswer(msgspec.Struct, frozen=True):
    """A user of the console. `sessions`: how many are alive."""

    name: str
    role: Role
    sessions: int


class UserList(msgspec.Struct, frozen=True):
    """Every user."""

    users: tuple[UserAnswer, ...]


@router.get("/audit")
async def audit(request: Request, token: Annotated[Token, Depends(scoped("audit:read"))]) -> Response:
    """The newest events that match the filters; `before` is an offset."""
    parameters = parameters_of(request, TEXTS, CHOICES)
    before = parameters.get("before")
    if before is not None and not (before.isascii() and before.isdecimal() and len(before) < 19):
        raise ProblemError(400, "invalid", "`before` is the value of `next` of the page before.")
    note_view(request, session_of(token), "view", "path:/api/v1/audit", request.url.query)
    wanted = AuditSelection(
        actor=parameters.get("actor"),
        object=parameters.get("object"),
        action=parameters.get("action"),
        outcome=parameters.get("outcome"),
        since_ms=_since_ms(parameters.get("since")),
    )
    try:
        stored, older = await console_of(request).audit_source.newest(
            wanted.has_value, EVENTS_MAX, None if before is None else int(before), LOOK_AT_MAX
        )
    except UnreadableAuditError as error:
        raise ProblemError(503, "unavailable", "The audit log cannot be read at this moment.") from error
    masking = Masking("identifiers:read" in token.scopes)
    records = ((each.offset, record_of(each.value)) for each in stored)
    events = tuple(StoredEvent(offset, masking.event(record.event)) for offset, record in records if record is not None)
    return _json(EventList(events, None if older is None else str(older)))


@router.get("/users")
async def users(request: Request, token: Annotated[Token, Depends(scoped("users:read"))]) -> Response:
    """Every user, and how many sessions they have."""
    parameters_of(request, (), {})
    note_view(request, session_of(token), "view", "path:/api/v1/users")
    console = console_of(request)
    found = [(user, await console.sessions.count(user.name)) for user in await console.users.all()]
    return _json(UserList(tuple(UserAnswer(user.name, user.role, count) for user, count in found)))


def _since_ms(text: str | None) -> int | None:
    try:
        return None if text is None else parse_utc_ms(text, zone_required=False)
    except ValueError as error:
        raise ProblemError(400, "invalid", f"`since`: {error}") from error


def _json(value: object) -> Response:
    return Response(msgspec.json.encode(value), 200, {"vary": "authorization"}, "application/json")

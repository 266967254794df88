"""Cases: the queue, one case, actions on it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Annotated, Any, Final, NamedTuple

import msgspec
from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from fraudstream.console.access.idempotency import KeptAnswer
from fraudstream.console.access.masking import Masking, masking_of
from fraudstream.console.access.tokens import Token
from fraudstream.console.case_buttons import APPROVALS
from fraudstream.console.case_row import LEVELS, CaseRow
from fraudstream.console.desk import CaseFile
from fraudstream.console.queue_order import ORDERS
from fraudstream.console.queue_query import STATUS_FILTERS, cursor_of, parsed_cursor, query_of
from fraudstream.console.web.api.callers import scoped, session_of, team_of
from fraudstream.console.web.api.problems import MEDIA_TYPE, ProblemError, problem, problem_of
from fraudstream.console.web.api.requests import TEXT_CHARACTERS_MAX, body_of, parameters_of
from fraudstream.console.web.auditing import audited, note_result, note_view
from fraudstream.console.web.case_files import file_for, seen_by
from fraudstream.console.web.console import console_of
from fraudstream.contracts import Case
from fraudstream.contracts.audit_record import AuditOutcome
from fraudstream.contracts.case_typologies import Typology
from fraudstream.contracts.case_values import ActionName, Disposition, WaitingFor
from fraudstream.contracts.fields import SEVERITIES, Identifier, Tag, Text
from fraudstream.operations.case_actions import ActionDetails
from fraudstream.operations.errors import OperationError

KEY_CHARACTERS_MAX: Final = 100
CASE_ID_CHARACTERS_MAX: Final = 128
TEXTS: Final = ("typology", "assignee", "tag", "channel", "partner", "rule", "text", "after")
CHOICES: Final = {"status": STATUS_FILTERS, "severity": SEVERITIES, "level": LEVELS, "order": ORDERS}

router = APIRouter()


class ActionBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An action on a case. `docs/cases.md` says which fields each action requires. `until_ms`: when a snooze ends, a
    wait, or the notice of `ask`, ms since the epoch, UTC."""

    action: ActionName
    note: Text | None = None
    disposition: Disposition | None = None
    typology: Typology | None = None
    assignee: Identifier | None = None
    waiting_for: WaitingFor | None = None
    until_ms: int | None = None
    escalate_to: Identifier | None = None
    other_case_id: Identifier | None = None
    tag: Tag | None = None
    alert_ids: tuple[Identifier, ...] = ()
    event_id: Identifier | None = None

    def details(self, expected_version: int | None) -> ActionDetails:
        """What the action needs beyond its name."""
        return ActionDetails(
            note=(self.note or "").strip() or None,
            disposition=self.disposition,
            typology=self.typology,
            assignee=self.assignee,
            waiting_for=self.waiting_for,
            until=self.until_ms,
            escalate_to=self.escalate_to,
            other_case_id=self.other_case_id,
            tag=self.tag,
            alert_ids=self.alert_ids,
            event_id=self.event_id,
            expected_version=expected_version,
        )


class ActionAnswer(msgspec.Struct, frozen=True):
    """An accepted action. `version`, `status`: of the case after it."""

    action_id: str
    case_id: str
    version: int
    status: str


class AskedAction(NamedTuple):
    """An action that a program asks for. `told`: the action, for the audit log. `details`: what it needs beyond its
    name, given the version of the case that the program has seen."""

    case_id: str
    action: ActionName
    told: str
    details: Callable[[int | None], ActionDetails]


class CaseList(msgspec.Struct, frozen=True):
    """A page of the queue. `total`: the cases that match, on all pages. `next`: `after` of the next page; None on the
    last."""

    cases: tuple[CaseRow, ...]
    total: int
    next: str | None


@router.get("/cases")
async def cases(request: Request, token: Annotated[Token, Depends(scoped("cases:read"))]) -> Response:
    """A page of the queue."""
    parameters = parameters_of(request, TEXTS, CHOICES)
    after = parsed_cursor(parameters.get("after"))
    if after is None and "after" in parameters:
        raise ProblemError(400, "invalid", "`after` is the value of `next` of the page before.")
    visible = "identifiers:read" in token.scopes
    query = query_of(parameters)._replace(account_parts=visible, team=await team_of(request, token))
    if query.text:
        note_view(request, session_of(token), "search", "path:/api/v1/cases", query.text)
    found = await console_of(request).desk.queue(query, after)
    rows = tuple(map(Masking(visible).shown, found.rows))
    next_after = None if found.next_after is None else cursor_of(found.next_after)
    return _json(CaseList(rows, found.total, next_after))


@router.get("/cases/{case_id}")
async def case(request: Request, case_id: str, token: Annotated[Token, Depends(scoped("cases:read"))]) -> Response:
    """One case. Its ETag is its version, in quotation marks."""
    parameters_of(request, (), {})
    file = await found_case(request, token, case_id)
    note_view(request, session_of(token), "view", f"case:{case_id}")
    etag = etag_of(file.case.version)
    if etag in _etags(request, "if-none-match"):
        return Response(None, 304, {"etag": etag, "vary": "authorization"})
    masking = masking_of("identifiers:read" in token.scopes, file.case, file.found.alerts.values())
    return _json(masking.shown(file.case), etag=etag)


@router.post("/cases/{case_id}/actions")
async def act(request: Request, case_id: str, token: Annotated[Token, Depends(scoped("cases:act"))]) -> Response:
    """Act on a case, and wait for the case agent's answer.

    `Idempotency-Key`: a repeated request is answered as the first, for a day. `If-Match`: the ETag of the case as the
    program knows it; 412 if it has changed.
    """
    parameters_of(request, (), {})
    body, text = await body_of(request, ActionBody)
    action_id = action_id_of(request, token)
    if body.action in APPROVALS:
        raise ProblemError(403, "approval", "A closing is approved or rejected by a person, in the console.")
    if body.action == "detach":
        raise ProblemError(403, "removal", "A file is removed by a person, in the console.")
    if body.action == "attach":
        raise ProblemError(400, "invalid", "A file is added by a request to /cases/{case_id}/files.")
    asked = AskedAction(case_id, body.action, body.action, body.details)
    return await answered_once(request, token, action_id, asked, f"{case_id}\0".encode() + text)


def action_id_of(request: Request, token: Token) -> str:
    """The id of the action that the request asks for, by its Idempotency-Key. Raises `ProblemError`."""
    key = request.headers.get("idempotency-key", "")
    if not 0 < len(key) <= KEY_CHARACTERS_MAX or not key.isprintable():
        sentence = f"Send a new Idempotency-Key for each action, 1 to {KEY_CHARACTERS_MAX} printable characters."
        raise ProblemError(400, "idempotency_key", sentence)
    return f"{token.id}:{key}"


async def answered_once(
    request: Request, token: Token, action_id: str, asked: AskedAction, identity: bytes
) -> Response:
    """The answer to an action, or the kept one if the request is repeated. `identity`: equal in a repeated request
    alone. Raises `ProblemError`."""
    fingerprint = hashlib.sha256(identity).hexdigest()
    kept = await console_of(request).kept_answers.begin(action_id, fingerprint)
    if kept is not None and kept.fingerprint != fingerprint:
        raise ProblemError(422, "idempotency_key_reused", "This Idempotency-Key came with another action before.")
    if kept is not None and kept.status:
        return _kept(kept)
    answer = await _answer(request, token, action_id, asked)
    if answer.status_code in (200, 409):  # others had no effect, or none yet: the agent knows the action by its id
        content = KeptAnswer(fingerprint, answer.status_code, bytes(answer.body).decode(), answer.headers.get("etag"))
        await console_of(request).kept_answers.finish(action_id, content)
    return answer


async def _answer(request: Request, token: Token, action_id: str, asked: AskedAction) -> Response:
    about = {"object": f"case:{asked.case_id[:CASE_ID_CHARACTERS_MAX]}", "detail": asked.told}
    try:
        found = (await found_case(request, token, asked.case_id)).case
        expected = _etags(request, "if-match") - {"*"}
        if expected and etag_of(found.version) not in expected:
            raise ProblemError(412, "changed", f"The case has the version {found.version}.")
        await audited(request, token.actor, "act", "asked", **about)
        after = await _acted(request, found, token, asked, action_id, found.version if expected else None)
    except ProblemError as error:
        outcome: AuditOutcome = "refused" if error.status in (409, 412) else "failed"
        note_result(request, token.actor, "act", outcome, **about)
        return problem(request, error.status, error.code, error.detail, error.headers)
    note_result(request, token.actor, "act", "done", **about)
    return _json(ActionAnswer(action_id, asked.case_id, after.version, after.status), etag=etag_of(after.version))


async def _acted(
    request: Request, found: Case, token: Token, asked: AskedAction, action_id: str, expected_version: int | None
) -> Case:
    """The case after the action. The agent refuses it if another comes before it and `If-Match` was sent: 412."""
    details = asked.details(expected_version)
    try:
        desk = console_of(request).desk
        sees = seen_by(request, token.actor, await team_of(request, token))
        after = await desk.act(
            found.case_id, asked.action, actor=token.actor, action_id=action_id, sees=sees, **details
        )
    except OperationError as error:
        refused = problem_of(error)
        raise (ProblemError(412, "changed", refused.detail) if refused.code == "changed" else refused) from error
    return after or found


async def found_case(request: Request, token: Token, case_id: str) -> CaseFile:
    """The case, if the token sees it. Raises `ProblemError`."""
    is_id = len(case_id) <= CASE_ID_CHARACTERS_MAX
    file = await file_for(request, token.actor, await team_of(request, token), case_id) if is_id else None
    if file is None:
        raise ProblemError(404, "no_case", f"There is no case {case_id[:64]!r}.")
    return file


def etag_of(version: int) -> str:
    """The ETag of a case with this version.

    >>> etag_of(7)
    '"7"'
    """
    return f'"{version}"'


def _etags(request: Request, header: str) -> set[str]:
    text = request.headers.get(header)
    if text is not None and not 0 < len(text) <= TEXT_CHARACTERS_MAX:
        raise ProblemError(400, "invalid", f"{header} has 1 to {TEXT_CHARACTERS_MAX} characters.")
    return {each.strip().removeprefix("W/") for each in (text or "").split(",")} - {""}


def _kept(kept: KeptAnswer) -> Response:
    headers = {"idempotent-replay": "true"} | ({} if kept.etag is None else {"etag": kept.etag})
    media_type = "application/json" if kept.status < 400 else MEDIA_TYPE
    return Response(kept.body, kept.status, headers, media_type)


def _json(value: Any, etag: str | None = None) -> Response:
    headers = {"vary": "authorization"} | ({} if etag is None else {"etag": etag})
    return Response(msgspec.json.encode(value), 200, headers, "application/json")

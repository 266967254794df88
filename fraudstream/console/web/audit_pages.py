"""The audit log: a page of its newest events, and its export as JSON lines."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping
from typing import Annotated, Final, get_args
from urllib.parse import urlencode

import msgspec
from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response, StreamingResponse

from fraudstream.audit.selection import AuditSelection, record_of
from fraudstream.audit.source import AuditSource, UnreadableAuditError
from fraudstream.console.access.masking import Masking
from fraudstream.console.access.references import References
from fraudstream.console.web.auditing import audited, note_view
from fraudstream.console.web.console import console_of
from fraudstream.console.web.errors import PageError
from fraudstream.console.web.rendering import page
from fraudstream.console.web.visitors import Visitor, permitted
from fraudstream.contracts.audit_record import AuditAction, AuditOutcome
from fraudstream.contracts.timestamps import parse_utc_ms

ROWS_MAX: Final = 50
LOOK_AT_MAX: Final = 50_000  # records for one page: then the page says how to go on
_FILTERS: Final = ("actor", "object", "action", "outcome", "since")
_TEXT_CHARACTERS_MAX: Final = 200
_NAMED: Final = ("case:", "rule:", "user:", "token:", "path:")  # objects that are not about a person
_OFFSET_DIGITS_MAX: Final = 18

router = APIRouter()
log = logging.getLogger(__name__)


@router.get("/audit")
async def audit_page(request: Request, visitor: Annotated[Visitor, Depends(permitted("see_audit"))]) -> Response:
    """The newest events that match the filters; `before` is an offset."""
    filters, references = _filters(request.query_params), console_of(request).references
    before = request.query_params.get("before", "")[:_OFFSET_DIGITS_MAX]
    note_view(request, visitor.session, "view", "path:/audit", _recorded(filters, references))
    try:
        records, older = await console_of(request).audit_source.newest(
            selection_of(filters, references).has_value,
            ROWS_MAX,
            int(before) if before.isdecimal() else None,
            LOOK_AT_MAX,
        )
    except UnreadableAuditError as error:
        log.error("the audit log cannot be read: %s", error)
        raise PageError(503, "unavailable") from error
    masking = Masking(visitor.may("see_identifiers"))
    events = [(stored.offset, record.event) for stored in records if (record := record_of(stored.value)) is not None]
    values = {
        "events": [(offset, masking.event(event)) for offset, event in events],
        "filters": dict.fromkeys(_FILTERS, "") | filters,
        "is_filtered": bool(filters),
        "actions": get_args(AuditAction),
        "outcomes": get_args(AuditOutcome),
        "parameters": f"?{urlencode(filters)}" if filters else "",
        "older": None if older is None else urlencode(filters | {"before": str(older)}),
        "is_first": not before,
    }
    return page(request, "audit.html", visitor, values)


@router.get("/audit/export")
async def export(request: Request, visitor: Annotated[Visitor, Depends(permitted("see_audit"))]) -> Response:
    """Every event that matches the filters, one a line, the oldest first. It is in the log before it begins."""
    filters, references = _filters(request.query_params), console_of(request).references
    await audited(request, visitor.user.name, "export", object="path:/audit", detail=_recorded(filters, references))
    selection, masking = selection_of(filters, references), Masking(visitor.may("see_identifiers"))
    lines = _lines(console_of(request).audit_source, selection, masking)
    headers = {"content-disposition": 'attachment; filename="audit.jsonl"'}
    return StreamingResponse(lines, media_type="application/jsonl", headers=headers)


def selection_of(filters: Mapping[str, str], references: References) -> AuditSelection:
    """The selection of these filters, which name an account as it is, while the log has its pseudonym. A time that is
    none selects nothing out."""
    try:
        since_ms = parse_utc_ms(filters["since"], zone_required=False) if "since" in filters else None
    except ValueError:
        since_ms = None
    name = filters.get("object")
    return AuditSelection(
        filters.get("actor"),
        name,
        filters.get("action"),
        filters.get("outcome"),
        since_ms,
        frozenset() if name is None else references.pseudonyms(name),
    )


def _recorded(filters: dict[str, str], references: References) -> str:
    """The filters as the log has them: it must not hold the id of an account for having been asked about it."""
    name = filters.get("object", "")
    shown = {"object": name if name.startswith(_NAMED) else references.search(name)} if name else {}
    return urlencode(filters | shown)


def _filters(parameters: Mapping[str, str]) -> dict[str, str]:
    found = {name: (parameters.get(name) or "").strip()[:_TEXT_CHARACTERS_MAX] for name in _FILTERS}
    return {name: text for name, text in found.items() if text}


async def _lines(source: AuditSource, selection: AuditSelection, masking: Masking) -> AsyncIterator[bytes]:
    encode = msgspec.json.Encoder().encode
    try:
        async for _, value in source.forward():
            record = record_of(value)
            if record is not None and selection.has(record.event):
                yield encode(msgspec.structs.replace(record, event=masking.event(record.event))) + b"\n"
    except UnreadableAuditError as error:
        log.error("an export of the audit log has ended early: %s", error)
        raise

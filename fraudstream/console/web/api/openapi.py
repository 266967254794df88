"""The description of the API, OpenAPI 3.1, from the structs that it sends and takes. It names no page of scripts."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

import msgspec

from fraudstream import __version__
from fraudstream.console.report.content import Report
from fraudstream.console.web.api import case_routes, evidence_routes, record_routes, report_routes
from fraudstream.console.web.api.problems import MEDIA_TYPE, TITLES
from fraudstream.console.web.api.requests import TEXT_CHARACTERS_MAX
from fraudstream.contracts import Case

BASE: Final = "/api/v1"
_ALWAYS: Final = (400, 401, 403, 429, 503)
_STRUCTS: Final = (
    *(Case, case_routes.CaseList, case_routes.ActionBody, case_routes.ActionAnswer),
    *(record_routes.EventList, record_routes.UserList, Report),
)
_PROBLEM: Final = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "code", "request_id"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "A sentence for people."},
        "code": {"type": "string", "description": "For programs."},
        "request_id": {"type": "string", "description": "Under which the audit log has the request."},
    },
}
_FORMS: Final[Mapping[str, dict[str, str]]] = {"since": {"format": "date-time"}, "before": {"pattern": "^[0-9]{1,18}$"}}
_ETAG: Final = {"ETag": {"description": "The version of the case, in quotation marks.", "schema": {"type": "string"}}}
_CASE_ID: Final = {
    "name": "case_id",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "minLength": 1, "maxLength": case_routes.CASE_ID_CHARACTERS_MAX},
}


_KEY: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": True,
    "description": "A new one for each action. A repeated request is answered as the first, for a day.",
    "schema": {"type": "string", "minLength": 1, "maxLength": case_routes.KEY_CHARACTERS_MAX},
}
_FILE_NAME: Final = {
    "name": evidence_routes.TEXTS[0],
    "in": "query",
    "required": True,
    "description": "The file's name, to be shown: no path is made of it.",
    "schema": {"type": "string", "minLength": 1, "maxLength": TEXT_CHARACTERS_MAX},
}
_SHA256: Final = {"name": "sha256", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
_BYTES: Final[Mapping[str, Any]] = {"application/octet-stream": {"type": "string", "format": "binary"}}


def description() -> dict[str, Any]:
    """The OpenAPI document."""
    _, components = msgspec.json.schema_components(_STRUCTS, ref_template="#/components/schemas/{name}")
    return {
        "openapi": "3.1.0",
        "info": {"title": "fraudstream console API", "version": __version__, "license": {"name": "Apache-2.0"}},
        "servers": [{"url": BASE}],
        "security": [{"token": []}],
        "paths": _paths(),
        "components": {
            "schemas": components | {"Problem": _PROBLEM},
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A token of `fraudstream console token add` with the scope of the operation.",
                }
            },
        },
    }


def _paths() -> dict[str, Any]:
    return {
        "/cases": {
            "get": _operation(
                "listCases",
                "A page of the queue, 50 cases at most. Scope cases:read.",
                "CaseList",
                parameters=_query(case_routes.TEXTS, case_routes.CHOICES),
            )
        },
        "/cases/{case_id}": {
            "get": _operation(
                "getCase",
                "One case. Scope cases:read; identifiers are masked without identifiers:read.",
                "Case",
                parameters=[_CASE_ID, _header("If-None-Match", "An ETag that the program has: 304 if it is current.")],
                headers=_ETAG,
                more={304: {"description": "Not changed"}},
                problems=(404,),
            )
        },
        "/cases/{case_id}/actions": {
            "post": _operation(
                "actOnCase",
                "An action on a case, by the actor api:NAME. Scope cases:act. Waits for the case agent's answer.",
                "ActionAnswer",
                parameters=[
                    _CASE_ID,
                    _KEY,
                    _header("If-Match", "The ETag of the case as the program knows it: 412 if it has changed."),
                ],
                headers=_ETAG,
                body="ActionBody",
                problems=(404, 409, 412, 413, 415, 422, 504),
            )
        },
        "/cases/{case_id}/files": {
            "post": _operation(
                "addFile",
                "Adds the body to a case as a file, by the actor api:NAME. Scope cases:act. Its media type is what "
                "Content-Type says.",
                "ActionAnswer",
                parameters=[_CASE_ID, _FILE_NAME, _KEY],
                headers=_ETAG,
                content=_BYTES,
                problems=(404, 408, 409, 412, 413, 422, 500, 504),
            )
        },
        "/cases/{case_id}/files/{sha256}": {
            "get": _operation(
                "getFile",
                "The bytes of a file, to be saved. Scopes cases:read and identifiers:read, as no file is masked.",
                None,
                parameters=[_CASE_ID, _SHA256],
                media=_BYTES,
                problems=(404, 500),
            )
        },
        "/cases/{case_id}/report": {
            "get": _operation(
                "exportCase",
                "A case as a report, JSON or PDF. Scope cases:export; identifiers are masked without identifiers:read.",
                "Report",
                parameters=[_CASE_ID, *_query((), report_routes.CHOICES)],
                media={"application/pdf": {"type": "string", "contentMediaType": "application/pdf"}},
                problems=(404,),
            )
        },
        "/audit": {
            "get": _operation(
                "listAuditEvents",
                "The newest events of the audit log. Scope audit:read.",
                "EventList",
                parameters=_query(record_routes.TEXTS, record_routes.CHOICES),
            )
        },
        "/users": {"get": _operation("listUsers", "Every user. Scope users:read.", "UserList")},
        "/openapi.json": {
            "get": {
                "operationId": "describe",
                "summary": "This description. It needs no token.",
                "security": [],
                "responses": {"200": _done({"type": "object"})},
            }
        },
    }


def _operation(
    name: str,
    summary: str,
    answer: str | None,
    *,
    parameters: Collection[Mapping[str, Any]] = (),
    headers: Mapping[str, Any] | None = None,
    body: str | None = None,
    content: Mapping[str, Any] | None = None,
    more: Mapping[int, Mapping[str, Any]] | None = None,
    media: Mapping[str, Any] | None = None,
    problems: Collection[int] = (),
) -> dict[str, Any]:
    """One operation. `answer`, `body`: names of structs; `media`, `content`: by media type what is answered or sent
    beside them."""
    done = (_done({}) if answer is None else _done(_ref(answer))) | {"headers": dict(headers or {})}
    if answer is None:
        done["content"] = {}
    done["content"] |= {kind: {"schema": schema} for kind, schema in (media or {}).items()}
    responses: dict[str, Any] = {"200": done} | {str(status): each for status, each in (more or {}).items()}
    for status in sorted({*_ALWAYS, *problems}):
        responses[str(status)] = {"description": TITLES[status], "content": {MEDIA_TYPE: {"schema": _ref("Problem")}}}
    operation: dict[str, Any] = {"operationId": name, "summary": summary, "responses": responses}
    if parameters:
        operation["parameters"] = list(parameters)
    if body is not None:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": _ref(body)}}}
    if content is not None:
        bodies = {kind: {"schema": schema} for kind, schema in content.items()}
        operation["requestBody"] = {"required": True, "content": bodies}
    return operation


def _query(texts: Collection[str], choices: Mapping[str, Collection[str]]) -> list[dict[str, Any]]:
    text = {"type": "string", "minLength": 1, "maxLength": TEXT_CHARACTERS_MAX}
    schemas: dict[str, dict[str, Any]] = {
        name: {"type": "string", "enum": list(values)} for name, values in choices.items()
    }
    schemas |= {name: text | _FORMS.get(name, {}) for name in texts}
    return [{"name": name, "in": "query", "schema": schema} for name, schema in schemas.items()]


def _header(name: str, what: str, *, required: bool = False, maximum: int = TEXT_CHARACTERS_MAX) -> dict[str, Any]:
    schema = {"type": "string", "minLength": 1, "maxLength": maximum}
    return {"name": name, "in": "header", "required": required, "description": what, "schema": schema}


def _done(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"description": "OK", "content": {"application/json": {"schema": schema}}}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}

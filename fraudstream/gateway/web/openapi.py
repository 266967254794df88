"""The description of the API, OpenAPI 3.1, from the structs that it takes and sends."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

import msgspec

from fraudstream import __version__
from fraudstream.contracts import Decision, Payment
from fraudstream.gateway.submission import Unanswered
from fraudstream.gateway.web.answers import JSON, PROBLEM_JSON, TITLES
from fraudstream.gateway.web.requests import KEY_CHARACTERS_MAX

_PROBLEM: Final = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "A sentence for people; of a payment, that of its dead letter."},
        "code": {"type": "string", "description": "For programs; of a payment, that of its dead letter."},
        "path": {"type": "string", "description": "Of a payment: the JSON path of the fault."},
        "event_id": {"type": "string", "description": "Of a payment, if it could be read."},
    },
}
_ALWAYS: Final = (400, 401, 403, 503)
_EVENT_ID: Final = {
    "name": "event_id",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "minLength": 1, "maxLength": 128},
}


def description() -> dict[str, Any]:
    """The OpenAPI document."""
    _, components = msgspec.json.schema_components(
        (Payment, Decision, Unanswered), ref_template="#/components/schemas/{name}"
    )
    return {
        "openapi": "3.1.0",
        "info": {"title": "fraudstream gateway", "version": __version__, "license": {"name": "Apache-2.0"}},
        "servers": [{"url": "/"}],
        "security": [{"key": []}, {"token": []}, {"certificate": []}, {}],
        "paths": _paths(),
        "components": {
            "schemas": components | {"Problem": _PROBLEM},
            "securitySchemes": {
                "key": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API key, or an access token of the provider (OAuth 2 client credentials).",
                },
                "certificate": {"type": "mutualTLS"},
            },
        },
    }


def _paths() -> dict[str, Any]:
    one = {"oneOf": [_ref("Decision"), _ref("Unanswered")]}
    several = {"type": "array", "items": {"oneOf": [_ref("Decision"), _ref("Unanswered"), _ref("Problem")]}}
    return {
        "/v1/decisions": {
            "post": {
                "operationId": "decide",
                "summary": "Decide a payment, or each of several, within a deadline. Scope decide.",
                "parameters": [
                    _header("Deadline-Ms", {"type": "integer", "minimum": 1}, "How long to wait for the decision."),
                    _header(
                        "Idempotency-Key",
                        {"type": "string", "minLength": 1, "maxLength": KEY_CHARACTERS_MAX},
                        "Stands for the event_id of payments without one: a repeated request gets the first decision.",
                    ),
                ],
                "requestBody": {
                    "required": True,
                    "content": {
                        JSON: {"schema": {"oneOf": [_ref("Payment"), {"type": "array", "items": _ref("Payment")}]}}
                    },
                },
                "responses": _responses({"oneOf": [*one["oneOf"], several]}, (408, 413, 415, 422, 429)),
            }
        },
        "/v1/decisions/{event_id}": {
            "get": {
                "operationId": "findDecision",
                "summary": "The decision on a payment that this client has sent to this gateway lately. Scope read.",
                "parameters": [_EVENT_ID],
                "responses": _responses(_ref("Decision"), (404, 422)),
            }
        },
        "/openapi.json": {"get": _plain("describe", "This description.", JSON, {"type": "object"})},
        "/healthz": {"get": _plain("health", "Whether the process answers.", "text/plain", {"type": "string"})},
        "/readyz": {
            "get": _plain("readiness", "Whether requests are taken.", "text/plain", {"type": "string"}, (503,))
        },
    }


def _responses(schema: Mapping[str, Any], problems: Collection[int]) -> dict[str, Any]:
    responses: dict[str, Any] = {"200": {"description": "OK", "content": {JSON: {"schema": schema}}}}
    for status in sorted({*_ALWAYS, *problems}):
        responses[str(status)] = {"description": TITLES[status], "content": {PROBLEM_JSON: {"schema": _ref("Problem")}}}
    return responses


def _plain(
    name: str, summary: str, content_type: str, schema: Mapping[str, Any], others: Collection[int] = ()
) -> dict[str, Any]:
    content = {content_type: {"schema": schema}}
    responses = {str(status): {"description": TITLES[status], "content": content} for status in others}
    return {
        "operationId": name,
        "summary": summary,
        "security": [],
        "responses": {"200": {"description": "OK", "content": content}} | responses,
    }


def _header(name: str, schema: Mapping[str, Any], what: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "required": False, "description": what, "schema": schema}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}

"""What a gateway answers, as Python objects."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

TIMEOUT = "timeout"


class GatewayError(Exception):
    """The gateway, or the last of several, did not take the request. `status`: of HTTP, None if none answered. `code`:
    of the problem, such as `rate`."""

    def __init__(self, status: int | None, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.status, self.code, self.sentence = status, code, sentence


class PaymentRefusedError(GatewayError):
    """The payment cannot be decided. `code`, `sentence` and `path` are those of its dead letter."""

    def __init__(self, code: str, sentence: str, path: str) -> None:
        super().__init__(422, code, f"{path}: {sentence}")
        self.path = path


@dataclass(frozen=True)
class GatewayAnswer:
    """The answer to one payment. `outcome`: `allow`, `review`, `block`, or `timeout` if no decision came in time.
    `fields`: all that the gateway sent."""

    event_id: str
    outcome: str
    fields: Mapping[str, Any]

    @property
    def timed_out(self) -> bool:
        """Whether no decision came in time."""
        return self.outcome == TIMEOUT

    @property
    def outcome_to_follow(self) -> str:
        """The outcome; after a time-out that which the gateway's settings name."""
        return str(self.fields["fallback_outcome"]) if self.timed_out else self.outcome


def read_one(status: int, body: bytes) -> GatewayAnswer:
    """The answer in a response. Raises `PaymentRefusedError`, `GatewayError`."""
    found = _object(status, body)
    if status == 200:
        return _answer(found)
    raise _error(status, found)


def read_several(status: int, body: bytes) -> list[GatewayAnswer | PaymentRefusedError]:
    """The answers to several payments, in their order. Raises `GatewayError`."""
    if status != 200:
        raise _error(status, _object(status, body))
    return [_refused(each) if "code" in each else _answer(each) for each in json.loads(body)]


def _object(status: int, body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise GatewayError(status, "unexpected", f"HTTP {status}, and no JSON object: is this a gateway?")
    return found


def _answer(found: Mapping[str, Any]) -> GatewayAnswer:
    return GatewayAnswer(str(found["event_id"]), str(found["outcome"]), found)


def _refused(found: Mapping[str, Any]) -> PaymentRefusedError:
    return PaymentRefusedError(str(found["code"]), str(found["detail"]), str(found.get("path", "$")))


def _error(status: int, found: Mapping[str, Any]) -> GatewayError:
    if status == 422:
        return _refused(found)
    return GatewayError(status, str(found.get("code", "unexpected")), str(found.get("detail", f"HTTP {status}")))

"""What a request says: its payments, its deadline, its idempotency key."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from hashlib import blake2b
from typing import Final, NamedTuple

import msgspec
from starlette.types import Receive, Scope

from fraudstream.contracts.undecodable import UNDECODABLE
from fraudstream.gateway.settings import DEADLINE_MS_MIN, GatewaySettings
from fraudstream.gateway.web.answers import JSON, ProblemError

BODY_S_MAX: Final = 10.0
KEY_CHARACTERS_MAX: Final = 200
DEADLINE_HEADER: Final = "deadline-ms"
KEY_HEADER: Final = "idempotency-key"


class _EventId(msgspec.Struct):
    event_id: msgspec.Raw | None = None


_event_id = msgspec.json.Decoder(_EventId)
_several = msgspec.json.Decoder(list[msgspec.Raw])


class Payments(NamedTuple):
    """The payments of a request: the JSON of each. `is_batch`: whether the answer is an array, too."""

    values: list[bytes]
    is_batch: bool


def headers_of(scope: Scope) -> dict[str, str]:
    """The headers of a request by their lower-case names; of several of one name the last."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


async def body_of(headers: Mapping[str, str], receive: Receive, bytes_max: int) -> bytes:
    """The JSON body. Raises `ProblemError`."""
    if headers.get("content-type", "").partition(";")[0].strip().lower() != JSON:
        raise ProblemError(415, "media_type", "Send the payment as application/json.")
    length = headers.get("content-length", "")
    if length.isdecimal() and int(length[:18]) > bytes_max:
        raise _too_large(bytes_max)
    message = await receive()
    body: bytes = message.get("body", b"")
    if message.get("more_body", False):
        try:
            async with asyncio.timeout(BODY_S_MAX):
                parts = bytearray(body)
                while message.get("more_body", False):
                    message = await receive()
                    parts += message.get("body", b"")
                    if len(parts) > bytes_max:
                        raise _too_large(bytes_max)
                body = bytes(parts)
        except TimeoutError:
            raise ProblemError(408, "slow_body", f"The body did not arrive within {BODY_S_MAX:g} s.") from None
    if len(body) > bytes_max:
        raise _too_large(bytes_max)
    return body


def _too_large(bytes_max: int) -> ProblemError:
    return ProblemError(413, "too_large", f"A body has {bytes_max} bytes at most.")


def deadline_of(headers: Mapping[str, str], settings: GatewaySettings) -> int:
    """How long the caller waits, ms. Raises `ProblemError`."""
    text = headers.get(DEADLINE_HEADER)
    if text is None:
        return settings.deadline_ms
    number = int(text) if text.isascii() and text.isdecimal() and len(text) <= 9 else 0
    if not DEADLINE_MS_MIN <= number <= settings.deadline_ms_max:
        raise ProblemError(
            400, "deadline", f"Deadline-Ms is a whole number from {DEADLINE_MS_MIN} to {settings.deadline_ms_max}."
        )
    return number


def payments_of(body: bytes, headers: Mapping[str, str], client: bytes, settings: GatewaySettings) -> Payments:
    """The payments of a body: an object, or an array of them. Raises `ProblemError`.

    One without an `event_id` gets one of the client and the Idempotency-Key: a repeated request is the same payment
    then, whichever gateway takes it.
    """
    text = body.strip(b" \t\r\n")
    is_batch = text[:1] == b"["
    values = [text]
    if is_batch:
        try:
            values = [bytes(each) for each in _several.decode(text)]
        except UNDECODABLE as error:
            raise ProblemError(400, "not_json", f"The array of payments cannot be read: {error}.") from None
        if not 0 < len(values) <= settings.batch_payments_max:
            raise ProblemError(400, "batch", f"A batch has 1 to {settings.batch_payments_max} payments.")
    key = headers.get(KEY_HEADER)
    if key is not None:
        if not 0 < len(key) <= KEY_CHARACTERS_MAX or not key.isprintable():
            raise ProblemError(
                400, "idempotency_key", f"Idempotency-Key has 1 to {KEY_CHARACTERS_MAX} printable characters."
            )
        values = [_with_event_id(value, client, key, number) for number, value in enumerate(values)]
    return Payments(values, is_batch)


def _with_event_id(value: bytes, client: bytes, key: str, number: int) -> bytes:
    """The payment with an `event_id`, unless it has one or is no object."""
    try:
        if _event_id.decode(value).event_id is not None:
            return value
    except UNDECODABLE:
        return value  # the check of the contract says what is wrong
    digest = blake2b(f"{number}:{key}".encode(), digest_size=16, key=client).hexdigest()
    rest = value[1:].lstrip(b" \t\r\n")
    comma = b"" if rest[:1] == b"}" else b","
    return b'{"event_id":"key-%b"%b%b' % (digest.encode(), comma, rest)

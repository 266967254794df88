"""Signs the body of a webhook, by the scheme of Standard Webhooks (https://www.standardwebhooks.com), version v1.

    webhook-id         the event: the same at each attempt
    webhook-timestamp  of the attempt, s since the epoch
    webhook-signature  v1,BASE64(HMAC-SHA256(secret, "id.timestamp.body")), one for each secret, separated by spaces

While a secret is being replaced there are two: the receiver accepts the body if one of the signatures is right.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from typing import Final

SECRET_PREFIX: Final = "whsec_"
SECRET_BYTES_MIN: Final = 24
SECRET_BYTES_MAX: Final = 64


class SecretError(ValueError):
    """A secret that cannot be used; the message is a sentence without it."""


def parse_secret(text: str) -> bytes:
    """The secret in `whsec_BASE64`. Raises `SecretError`.

    >>> parse_secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").hex()[:8]
    '31f290f6'
    """
    encoded = text.strip().removeprefix(SECRET_PREFIX)
    try:
        secret = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise SecretError(f"a secret is {SECRET_PREFIX} and base64.") from None
    if not SECRET_BYTES_MIN <= len(secret) <= SECRET_BYTES_MAX:
        raise SecretError(f"a secret has {SECRET_BYTES_MIN} to {SECRET_BYTES_MAX} bytes, not {len(secret)}.")
    return secret


def signed_headers(secrets: Sequence[bytes], event_id: str, sent_at_s: int, body: bytes) -> dict[str, str]:
    """The three headers of an attempt.

    >>> secret = parse_secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    >>> headers = signed_headers([secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    >>> headers["webhook-signature"]
    'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE='
    """
    signed = f"{event_id}.{sent_at_s}.".encode() + body
    digests = (base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode() for secret in secrets)
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(sent_at_s),
        "webhook-signature": " ".join(f"v1,{digest}" for digest in digests),
    }

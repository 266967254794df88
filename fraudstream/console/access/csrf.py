"""Tokens against forged requests: the session's secret under a mask that differs in every response.

With a mask, no response holds the secret itself, so the length of compressed responses tells nothing about it.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
from typing import Final

SECRET_BYTES: Final = 32


def new_secret() -> bytes:
    """A secret for one session."""
    return secrets.token_bytes(SECRET_BYTES)


def masked_token(secret: bytes) -> str:
    """A token of `secret`, URL-safe text; another one at every call."""
    mask = secrets.token_bytes(SECRET_BYTES)
    return base64.urlsafe_b64encode(mask + _xor(mask, secret)).decode()


def is_token_of(secret: bytes, token: str) -> bool:
    """Whether `masked_token(secret)` may have returned `token`.

    >>> is_token_of(b"s" * 32, masked_token(b"s" * 32)), is_token_of(b"s" * 32, masked_token(b"t" * 32))
    (True, False)
    """
    try:
        given = base64.b64decode(token.encode("ascii"), altchars=b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error):
        return False
    if len(given) != 2 * SECRET_BYTES:
        return False
    return hmac.compare_digest(_xor(given[:SECRET_BYTES], given[SECRET_BYTES:]), secret)


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))

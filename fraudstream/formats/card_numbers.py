"""Card numbers (PANs) do not enter payments: an identifier under a secret takes their place, or the bank's own token.

The identifier is HMAC-SHA-256 of the number under the secret, cut to 160 bits. Without the secret, nobody can find the
number by trying all of them.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Callable
from typing import Final

SECRET_BYTES_MIN: Final = 16
_DIGEST_BYTES: Final = 20
_CARD_NUMBER: Final = re.compile(r"\d{12,19}")

CardIdentifier = Callable[[str], str]  # of a card number; raises `ValueError` with a sentence that does not hold it


def keyed(secret: bytes) -> CardIdentifier:
    """Identifiers under `secret`. The same card has the same identifier as long as the secret is the same.

    Raises `ValueError` for a secret that is too short.

    >>> keyed(b"0123456789abcdef")("4111111111111111")
    'card-nk3izivjuuetvov56aefnrljfpzscuxh'
    """
    if len(secret) < SECRET_BYTES_MIN:
        raise ValueError(f"the secret has {len(secret)} bytes; it needs {SECRET_BYTES_MIN} or more.")

    def identifier(number: str) -> str:
        if not _CARD_NUMBER.fullmatch(number):
            raise ValueError("is no card number: it has other characters than digits, or not 12 to 19 of them.")
        digest = hmac.new(secret, number.encode(), hashlib.sha256).digest()[:_DIGEST_BYTES]
        return "card-" + base64.b32encode(digest).decode().lower()

    return identifier


def token(number: str) -> str:
    """A token of the bank as it is. Raises `ValueError` if it may be a card number.

    >>> token("tok-81f3")
    'tok-81f3'
    """
    if _CARD_NUMBER.fullmatch(number) and _has_check_digit(number):
        raise ValueError("may be a card number: it is 12 to 19 digits with a right check digit, where a token is due.")
    return number


def clear(number: str) -> str:
    """The card number as it is: for a cluster that may hold card numbers."""
    return number


def _has_check_digit(number: str) -> bool:
    """Whether the last digit is right by ISO/IEC 7812-1 (Luhn)."""
    total = 0
    for index, digit in enumerate(reversed(number)):
        value = int(digit) * (2 if index % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0

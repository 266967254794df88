"""The secret of a deployment, from which the key of its digests is derived.

All workers of a deployment have one secret, under which their state is kept: a worker refuses the state of another
secret. Verdicts do not depend on it, unless two texts have one digest by chance (see `digest`).
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

from fraudstream.engine.aggregates.code_tables import tells_codes_apart
from fraudstream.engine.digest import PUBLIC_KEY, DigestKey

SECRET_BYTES: Final = 16
PUBLIC_SECRET: Final = bytes(range(SECRET_BYTES))  # gives `PUBLIC_KEY`

_HALF: Final = SECRET_BYTES // 2


def key_of(secret: bytes | None) -> DigestKey:
    """The digest key of a secret of 16 bytes; `PUBLIC_KEY` for None. Raises `ValueError` for another length.

    The secret is the key. Where two standard texts would share a code under it, as under one secret in forty, the key
    is the first digest of the secret under which none do.

    >>> key_of(PUBLIC_SECRET) == key_of(None) == PUBLIC_KEY
    True
    """
    if secret is None:
        return PUBLIC_KEY
    if len(secret) != SECRET_BYTES:
        raise ValueError(f"an identifier secret has {SECRET_BYTES} bytes, not {len(secret)}.")
    key, count = _halves(secret), 0
    while not tells_codes_apart(key):
        count += 1
        key = _halves(blake2b(b"%d" % count, digest_size=SECRET_BYTES, key=secret).digest())
    return key


def parse_secret(text: str) -> bytes:
    """The secret written as 32 hex digits, in a file or a setting. Raises `ValueError` with a sentence.

    >>> parse_secret("000102030405060708090A0b0c0d0e0f\\n") == PUBLIC_SECRET
    True
    """
    digits = text.strip()
    try:
        secret = bytes.fromhex(digits)
    except ValueError:
        secret = b""
    if len(secret) != SECRET_BYTES or len(digits) != 2 * SECRET_BYTES:
        raise ValueError(
            f"an identifier secret is {2 * SECRET_BYTES} hex digits; this has {len(digits)} characters. Make one with "
            f"`openssl rand -hex {SECRET_BYTES}`."
        )
    return secret


def _halves(key: bytes) -> DigestKey:
    return DigestKey(int.from_bytes(key[:_HALF], "little"), int.from_bytes(key[_HALF:], "little"))

"""What stands for an identifier where the identifier itself must not be: references in addresses, pseudonyms in the
audit log. Both are made with one secret of the deployment.

A reference is the identifier, encrypted (AES-SIV, RFC 5297): the same each time, so links can be kept and shared, and
nobody without the secret can read or make one. A pseudonym is a keyed hash (BLAKE2b), which cannot be turned back: who
knows an identifier can look for it, and after an erasure it leads to nobody.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from redis.asyncio import Redis

from fraudstream.console.access import PREFIX

PSEUDONYM_START: Final = "~"
REFERENCE_CHARACTERS_MAX: Final = 1_600  # of two identifiers of 128 characters, each of four bytes
PSEUDONYM_KINDS: Final = ("account", "device", "counterparty", "ip")  # that are about a person
_KEY: Final = f"{PREFIX}reference-secret"
_SECRET_BYTES: Final = 32
_PSEUDONYM_BYTES: Final = 16


class References:
    """Makes and reads references and pseudonyms. `secret`: of the deployment, any length."""

    def __init__(self, secret: bytes) -> None:
        self._cipher = AESSIV(_derived(secret, b"reference", 64))
        self._pseudonym_key = _derived(secret, b"pseudonym", 32)

    def reference(self, kind: str, value: str) -> str:
        """The reference to an identifier of a kind, such as `account`: URL-safe text."""
        sealed = self._cipher.encrypt(value.encode("utf-8", "surrogatepass"), [kind.encode()])
        return base64.urlsafe_b64encode(sealed).decode().rstrip("=")

    def value(self, kind: str, reference: str) -> str | None:
        """The identifier that `reference(kind, …)` was made of; None if it was not, or under another secret."""
        if len(reference) > REFERENCE_CHARACTERS_MAX:
            return None
        try:
            sealed = base64.b64decode(reference + "=" * (-len(reference) % 4), altchars=b"-_", validate=True)
            return self._cipher.decrypt(sealed, [kind.encode()]).decode("utf-8", "surrogatepass")
        except (binascii.Error, ValueError, InvalidTag):
            return None

    def pseudonym(self, kind: str, value: str) -> str:
        """What stands for an identifier in the audit log."""
        text = f"{kind}\0{value}".encode("utf-8", "surrogatepass")
        digest = hashlib.blake2b(text, key=self._pseudonym_key, digest_size=_PSEUDONYM_BYTES).digest()
        return PSEUDONYM_START + base64.urlsafe_b64encode(digest).decode().rstrip("=")

    def pseudonyms(self, name: str) -> frozenset[str]:
        """The pseudonyms under which the audit log may have an object: `acc-1`, or with its kind `account:acc-1`."""
        kind, colon, value = name.partition(":")
        if colon and kind in PSEUDONYM_KINDS:
            return frozenset((self.pseudonym(kind, value),))
        return frozenset(self.pseudonym(each, name) for each in PSEUDONYM_KINDS)

    def search(self, text: str) -> str:
        """What the audit log has of a text that was searched for: a word with a digit, which may be the id of an
        account, becomes the pseudonym of that account."""
        words = (self.pseudonym("account", word) if any(map(str.isdigit, word)) else word for word in text.split())
        return " ".join(words)


async def read_or_make_secret(redis: Redis) -> bytes:
    """The secret that Redis keeps for all consoles; made by the first that asks. Raises what Redis raises."""
    await redis.set(_KEY, secrets.token_hex(_SECRET_BYTES), nx=True)
    found = await redis.get(_KEY)
    return found if isinstance(found, bytes) else str(found).encode()


def _derived(secret: bytes, purpose: bytes, size: int) -> bytes:
    return hashlib.blake2b(hashlib.blake2b(secret).digest(), digest_size=size, person=purpose).digest()

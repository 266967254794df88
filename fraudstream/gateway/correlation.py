"""Correlation ids of a gateway: which instance asked, for which client, and a number.

An answer that comes late, or after a restart, is so known to be this gateway's, and is shown to its client alone.

    0        4                12               20
    │instance│ client         │ random         │
"""

from __future__ import annotations

import secrets
from functools import lru_cache
from hashlib import blake2b
from typing import Final

INSTANCE_BYTES: Final = 4
CLIENT_BYTES: Final = 8
_RANDOM_BYTES: Final = 8
BYTES: Final = INSTANCE_BYTES + CLIENT_BYTES + _RANDOM_BYTES


@lru_cache
def client_digest(name: str) -> bytes:
    """What stands for a client in its correlation ids."""
    return blake2b(name.encode(), digest_size=CLIENT_BYTES, person=b"client").digest()


class CorrelationIds:
    """Those of one instance."""

    def __init__(self, instance: str) -> None:
        self._instance = blake2b(instance.encode(), digest_size=INSTANCE_BYTES, person=b"gateway").digest()

    def new(self, client: bytes) -> bytes:
        """An id that no other request has. `client`: of `client_digest`."""
        return self._instance + client + secrets.token_bytes(_RANDOM_BYTES)

    def client_of(self, correlation: bytes) -> bytes | None:
        """The client of an id; None if another instance, or another program, has made it."""
        if len(correlation) != BYTES or not correlation.startswith(self._instance):
            return None
        return correlation[INSTANCE_BYTES : INSTANCE_BYTES + CLIENT_BYTES]

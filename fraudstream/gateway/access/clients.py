"""The clients of the gateway, in a file that holds no secret: of an API key it has the SHA-256 alone.

clients:
  - name: checkout
    scopes: [decide, read]
    payments_per_second: 500
    api_keys:                                  # several, so that one can be replaced while both work
      - {sha256: 9f86…, expires_at: 2027-06-30T00:00:00Z}
    certificates: ["CN=checkout,O=Example Bank"]   # subjects of client certificates
    subjects: [checkout-service]               # of tokens of the provider
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Final, Literal, NamedTuple, get_args

import msgspec
from msgspec import Meta

from fraudstream.engine.document import DocumentErrors, read_content
from fraudstream.gateway.correlation import client_digest

Scope = Literal["decide", "read"]
SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)
KEY_START: Final = "fsg_"
KEY_CHARACTERS_MAX: Final = 100
PER_SECOND_DEFAULT: Final = 1_000

_SECRET_BYTES: Final = 32
_Name = Annotated[str, Meta(pattern="^[A-Za-z0-9._-]{1,64}$")]
_Text = Annotated[str, Meta(min_length=1, max_length=512)]


class ClientsError(ValueError):
    """The file cannot be used. The text says why, and where."""


class ApiKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`sha256`: of the key's text, hexadecimal. `expires_at`: with its zone."""

    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    expires_at: Annotated[datetime, Meta(tz=True)]


class Client(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A program that may ask. `payments_per_second`: on average, of each gateway; a burst may have two seconds' worth.
    Without a way to authenticate nobody can be this client."""

    name: _Name
    scopes: tuple[Scope, ...]
    payments_per_second: Annotated[int, Meta(ge=1, le=1_000_000)] = PER_SECOND_DEFAULT
    api_keys: tuple[ApiKey, ...] = ()
    certificates: tuple[_Text, ...] = ()
    subjects: tuple[_Text, ...] = ()

    @property
    def digest(self) -> bytes:
        """What stands for the client in correlation ids."""
        return client_digest(self.name)


# Where no file is named, on loopback: whoever reaches the port.
ANYBODY: Final = Client("anybody", SCOPES, 1_000_000)


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    clients: tuple[Client, ...]


class Clients(NamedTuple):
    """The clients by what proves them. `keys`: by SHA-256, with the end of each in seconds since the epoch."""

    keys: Mapping[str, tuple[Client, float]]
    certificates: Mapping[str, Client]
    subjects: Mapping[str, Client]

    def by_key(self, text: str, now_s: float) -> Client | None:
        """The client with this API key; None if there is none, or the key has expired."""
        if not text.startswith(KEY_START) or len(text) > KEY_CHARACTERS_MAX:
            return None
        found = self.keys.get(key_digest(text))  # of a random secret: how long a look-up takes tells nothing
        return found[0] if found is not None and now_s < found[1] else None


def read_clients(text: str, path: str) -> Clients:
    """The clients in a file. `path`: for messages. Raises `ClientsError`."""
    try:
        clients = msgspec.convert(read_content(text, path, typed=True), _File).clients
    except DocumentErrors as errors:
        raise ClientsError(str(errors.faults[0])) from errors
    except msgspec.ValidationError as error:
        raise ClientsError(f"{path}: {error}.") from error
    found = Clients({}, {}, {})
    names: set[str] = set()
    for client in clients:
        if client.name in names:
            raise ClientsError(f"{path}: there are two clients {client.name}.")
        names.add(client.name)
        proofs = [(found.keys, key.sha256, (client, key.expires_at.timestamp())) for key in client.api_keys]
        proofs += [(found.certificates, subject, client) for subject in client.certificates]  # type: ignore[misc]
        proofs += [(found.subjects, subject, client) for subject in client.subjects]  # type: ignore[misc]
        for known, proof, value in proofs:
            if proof in known:
                raise ClientsError(f"{path}: {client.name} and another client have the same key or subject.")
            known[proof] = value  # type: ignore[index]
    return found


def new_key() -> str:
    """An API key: 256 random bits. The gateway's file is to hold its digest alone."""
    return KEY_START + secrets.token_urlsafe(_SECRET_BYTES)


def key_digest(text: str) -> str:
    """The SHA-256 of a key's text, hexadecimal."""
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()

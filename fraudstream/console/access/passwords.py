"""Passwords are kept as argon2id hashes. One check takes 64 MiB and some tenths of a second of a processor, so checks
run in threads, `AT_ONCE_MAX` at a time, and only `WAITING_MAX` may wait: log-ins cannot use up the machine."""

from __future__ import annotations

import asyncio
import secrets
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

AT_ONCE_MAX: Final = 2
WAITING_MAX: Final = 20
CHARACTERS_MIN: Final = 12
CHARACTERS_MAX: Final = 256
_ONE_TIME_BYTES: Final = 12


class BusyError(Exception):
    """Too many passwords wait to be checked."""


def new_password() -> str:
    """A random password of 16 characters."""
    return secrets.token_urlsafe(_ONE_TIME_BYTES)


def is_acceptable(password: str) -> bool:
    """Whether a person may choose this password: by its length alone."""
    return CHARACTERS_MIN <= len(password) <= CHARACTERS_MAX


class Passwords:
    """Hashes and checks passwords. `hasher`: argon2's parameters; tests pass cheap ones."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._at_once = asyncio.Semaphore(AT_ONCE_MAX)
        self._waiting = 0
        self._hash_of_nobody = self._hasher.hash(new_password())

    async def hash(self, password: str) -> str:
        """The hash to keep. Raises `BusyError`."""
        async with _Turn(self):
            return await asyncio.to_thread(self._hasher.hash, password)

    async def matches(self, kept_hash: str | None, password: str) -> bool:
        """Whether `kept_hash` is of `password`. None, for a name that nobody has, takes as long as any. Raises
        `BusyError`."""
        if len(password) > CHARACTERS_MAX:
            return False
        async with _Turn(self):
            found = await asyncio.to_thread(self._verify, kept_hash or self._hash_of_nobody, password)
        return found and kept_hash is not None

    def _verify(self, kept_hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(kept_hash, password)
        except (VerificationError, InvalidHashError):
            return False


class _Turn:
    """Waits until one of `AT_ONCE_MAX` places is free."""

    def __init__(self, passwords: Passwords) -> None:
        self._passwords = passwords

    async def __aenter__(self) -> None:
        passwords = self._passwords
        if passwords._waiting >= WAITING_MAX:
            raise BusyError
        passwords._waiting += 1
        try:
            await passwords._at_once.acquire()
        finally:
            passwords._waiting -= 1

    async def __aexit__(self, *_error: object) -> None:
        self._passwords._at_once.release()

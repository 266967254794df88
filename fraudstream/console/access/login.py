"""Log-ins: the limits, the password, a new session."""

from __future__ import annotations

import logging
from typing import Literal

from msgspec.structs import replace

from fraudstream.console.access.login_limits import LoginLimits
from fraudstream.console.access.passwords import BusyError, Passwords
from fraudstream.console.access.sessions import Session, SessionStore
from fraudstream.console.access.users import User, UserStore

LoginRefusal = Literal["wrong", "locked", "busy"]

log = logging.getLogger(__name__)


class LoginRefusedError(Exception):
    """The log-in was refused. `code`: "wrong" name or password; "locked" for `wait_s` seconds; "busy": too many log-ins
    at the same time."""

    def __init__(self, code: LoginRefusal, wait_s: int = 0) -> None:
        super().__init__(code)
        self.code = code
        self.wait_s = wait_s


class Login:
    """Logs users in and changes passwords."""

    def __init__(self, users: UserStore, sessions: SessionStore, limits: LoginLimits, passwords: Passwords) -> None:
        self._users, self._sessions, self._limits, self._passwords = users, sessions, limits, passwords

    async def log_in(self, name: str, password: str, address: str) -> Session:
        """A new session of the user. Raises `LoginRefusedError`, and what Redis raises."""
        await self._check(name, password, address)
        return await self._sessions.create(name)

    async def change_password(self, user: User, current: str, new: str, address: str) -> Session:
        """Replace the password, end the user's other sessions, and return a new one. Raises `LoginRefusedError`."""
        await self._check(user.name, current, address)
        new_hash = await self._hash(new)
        await self._users.put(replace(user, password_hash=new_hash, must_change=False))
        await self._sessions.revoke_all(user.name)
        return await self._sessions.create(user.name)

    async def _check(self, name: str, password: str, address: str) -> None:
        # On one line, whatever the name holds: a line break in it must not look like another log line.
        extra = {"user": name[:128].encode("unicode_escape").decode(), "address": address}
        if wait_s := await self._limits.count_attempt(name, address):
            log.warning("log-in refused: too many attempts failed", extra=extra)
            raise LoginRefusedError("locked", wait_s)
        user = await self._users.find(name)
        try:
            matches = await self._passwords.matches(None if user is None else user.password_hash, password)
        except BusyError:
            raise LoginRefusedError("busy") from None
        if not matches:
            log.warning("log-in refused: wrong name or password", extra=extra)
            raise LoginRefusedError("wrong")
        await self._limits.forget_attempt(name, address)

    async def _hash(self, password: str) -> str:
        try:
            return await self._passwords.hash(password)
        except BusyError:
            raise LoginRefusedError("busy") from None

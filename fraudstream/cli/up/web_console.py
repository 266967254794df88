"""The web console of a run: its process, and a user whose password is this run's alone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from fraudstream.board.run_state import RunState
from fraudstream.cli.command_process import QUICK_EXITS_MAX, CommandProcess, command_of

if TYPE_CHECKING:
    from fraudstream.console.access.users import User

USER: Final = "admin"
_ADDRESS: Final = re.compile(rb"console at (http://\S+)")
_IS_READY: Final = b"the queue is up to date"


class WebConsole:
    """`process`: `fraudstream console`. Once it serves, its address, user and password are an endpoint and a notice of
    `state`."""

    def __init__(self, environment: Mapping[str, str], state: RunState, redis_url: str) -> None:
        from fraudstream.console.access.passwords import new_password

        self._state, self._redis_url = state, redis_url
        self._password = new_password()
        self.process = CommandProcess(
            "console",
            command_of("console"),
            environment,
            report=state.notify,
            on_line=self._on_line,
            quick_exits_max=QUICK_EXITS_MAX,
        )

    async def run(self) -> None:
        """Add the user and keep the process running. Raises `Failure` and what Redis raises."""
        from fraudstream.cases.redis_closing import close_redis
        from fraudstream.console.access.users import UserStore
        from fraudstream.console.server import redis_client

        redis = redis_client(self._redis_url)
        try:
            await UserStore(redis).put(self._user())
        finally:
            await close_redis(redis)
        await self.process.run()

    def _user(self) -> User:
        from argon2 import PasswordHasher

        from fraudstream.console.access.users import User

        return User(USER, "admin", PasswordHasher().hash(self._password))

    def _on_line(self, line: bytes) -> None:
        """Called in a thread with each line of the process."""
        if found := _ADDRESS.search(line):
            login = f"{found[1].decode()} (user {USER}, password {self._password})"
            self._state.endpoints["console"] = login
            self._state.notify(f"the web console is at {login}")
        if _IS_READY in line:
            self.process.status.status = "ready"

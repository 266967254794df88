"""The gateway of a run: its process, whose address is an endpoint of the board."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from fraudstream.board.run_state import RunState
from fraudstream.cli.command_process import QUICK_EXITS_MAX, CommandProcess, command_of
from fraudstream.cli.failure import Failure
from fraudstream.cli.listener import listener_at

HOST: Final = "127.0.0.1"
_ADDRESS: Final = re.compile(rb"gateway at (http://\S+),")


class WebGateway:
    """`process`: `fraudstream gateway`. Once it serves, its address is an endpoint and a notice of `state`."""

    def __init__(self, environment: Mapping[str, str], state: RunState) -> None:
        self._state = state
        self.process = CommandProcess(
            "gateway",
            command_of("gateway"),
            environment,
            report=state.notify,
            on_line=self._on_line,
            quick_exits_max=QUICK_EXITS_MAX,
        )

    def _on_line(self, line: bytes) -> None:
        """Called in a thread with each line of the process."""
        if found := _ADDRESS.search(line):
            address = f"{found[1].decode()}/v1/decisions"
            self._state.endpoints["gateway"] = address
            self._state.notify(f"the gateway takes payments at {address}")
            self.process.status.status = "ready"


def free_port(wanted: int) -> int:
    """`wanted`, if no other process listens there; else 0, for any free one."""
    with suppress(Failure):
        listener_at(HOST, wanted, "gateway").close()
        return wanted
    return 0

"""The lines of `fraudstream up`: each reaches a pipe whole, whatever signals come."""

from __future__ import annotations

import io
import json
import select

import pytest

from fraudstream.board.run_state import RunState
from fraudstream.cli.up.display import JsonLines


class Pipe(io.StringIO):
    """Standard output that keeps what each write had."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[str] = []

    def write(self, text: str) -> int:
        self.writes.append(text)
        return super().write(text)


def test_a_long_line_is_written_in_pieces_that_a_pipe_takes_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal cut the rest of a line off that was longer than that: an alert with thirty parts of a score."""
    pipe = Pipe()
    monkeypatch.setattr("sys.stdout", pipe)
    state = RunState()
    state.phase = "数" * 5_000
    JsonLines(state).tick()
    assert max(len(each.encode()) for each in pipe.writes) <= select.PIPE_BUF
    assert json.loads(pipe.getvalue()) == {"event": "phase", "phase": state.phase}

"""The three displays of a run: a live screen for a terminal, lines for a pipe or a log, JSON lines for a program.

A display reads the `RunState` at each `tick` and shows what has changed.
"""

from __future__ import annotations

import io
import sys
import time
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec
from rich.console import Console
from rich.live import Live

from fraudstream.board.lines import alert_line, summary_line, totals_line
from fraudstream.board.run_state import JudgedAlert, RunState
from fraudstream.board.screen import screen

TICK_S: Final = 0.25
SUMMARY_S: Final = 5.0
PIECE_CHARACTERS: Final = 1_024  # of at most 4 bytes
ALERT_LINES_MAX: Final = 5  # per tick, as the history has hundreds


class Display(Protocol):
    """Shows the state of a run."""

    def tick(self) -> None:
        """Show what has changed. Raises `BrokenPipeError` when the reader of the output has exited."""

    def close(self) -> None:
        """Show the totals at the end of the run."""


class Screen:
    """The board, redrawn at each tick in the terminal's alternate screen."""

    def __init__(self, state: RunState) -> None:
        self._state = state
        self._console = Console()
        self._live = Live(
            console=self._console, screen=True, auto_refresh=False, redirect_stdout=False, redirect_stderr=False
        )
        self._live.start()

    def tick(self) -> None:
        """Redraw the board."""
        width, height = self._console.size
        self._live.update(screen(self._state, width, height), refresh=True)

    def close(self) -> None:
        """Leave the alternate screen and print the totals."""
        self._live.stop()
        print(f"fraudstream: {totals_line(self._state.totals())}")


class Lines:
    """A line for each alert and each notice, and a summary every few seconds."""

    def __init__(self, state: RunState) -> None:
        self._state = state
        self._metrics_urls: dict[str, str] = {}
        self._phase = ""
        self._summary_at = time.monotonic() + SUMMARY_S
        self._endpoints_shown = False

    def tick(self) -> None:
        """Print what is new."""
        state, alerts = self._state, 0
        if state.phase != self._phase:
            self._phase = state.phase
            _print(state.phase)
        if state.endpoints and not self._endpoints_shown:
            self._endpoints_shown = True
            for name, endpoint in state.endpoints.items():
                _print(f"  {name}: {endpoint}")
        for process in state.processes:
            if process.metrics_url and self._metrics_urls.get(process.name) != process.metrics_url:
                self._metrics_urls[process.name] = process.metrics_url
                _print(f"  {process.name}: metrics at {process.metrics_url}/metrics")
        while state.news:
            item = state.news.popleft()
            if isinstance(item, str):
                _print(item)
            else:
                alerts += 1
                if alerts <= ALERT_LINES_MAX:
                    _print(alert_line(item))
        if alerts > ALERT_LINES_MAX:
            _print(f"... and {alerts - ALERT_LINES_MAX:,} more alerts")
        if time.monotonic() >= self._summary_at:
            self._summary_at = time.monotonic() + SUMMARY_S
            _print(summary_line(state))

    def close(self) -> None:
        """Print what is new, and the totals."""
        self.tick()
        _print(f"total: {totals_line(self._state.totals())}")


class JsonLines:
    """One object a line, its kind under `event`: phase, endpoints, notice, alert, progress, totals."""

    def __init__(self, state: RunState) -> None:
        self._state = state
        self._phase = ""
        self._progress_at = time.monotonic() + SUMMARY_S
        self._endpoints_shown = False

    def tick(self) -> None:
        """Print what is new."""
        state = self._state
        if state.phase != self._phase:
            self._phase = state.phase
            self._write("phase", phase=state.phase)
        if state.endpoints and not self._endpoints_shown:
            self._endpoints_shown = True
            self._write("endpoints", **state.endpoints)
        while state.news:
            item = state.news.popleft()
            if isinstance(item, JudgedAlert):
                self._write("alert", alert=item.alert, truth=item.truth)
            else:
                self._write("notice", sentence=item)
        if time.monotonic() >= self._progress_at:
            self._progress_at = time.monotonic() + SUMMARY_S
            latency = state.latency()
            self._write(
                "progress",
                **msgspec.to_builtins(state.totals()),
                rate=round(state.rate(), 1),
                p50_ms=latency and round(latency.p50_ms, 2),
                p99_ms=latency and round(latency.p99_ms, 2),
                processes=state.processes,
            )

    def close(self) -> None:
        """Print what is new, and the totals."""
        self.tick()
        self._write("totals", **msgspec.to_builtins(self._state.totals()))

    def _write(self, event: str, **content: Any) -> None:
        _print(msgspec.json.encode({"event": event, **content}).decode())


def _print(line: str) -> None:
    """Write a line at once, also to a pipe, and whole.

    A signal that interrupts a write to a full pipe makes Python lose the rest of it, unless the kernel takes the write
    as a whole, as it does up to 4,096 bytes.
    """
    text = line + "\n"
    for begin in range(0, len(text), PIECE_CHARACTERS):
        sys.stdout.write(text[begin : begin + PIECE_CHARACTERS])
        sys.stdout.flush()


def draw(state: RunState, file: Path, width: int = 120, height: int = 36) -> None:
    """Draw the board as it is now to an SVG file; `width` and `height` in characters."""
    console = Console(record=True, width=width, height=height, file=io.StringIO(), force_terminal=True)
    console.print(screen(state, width, height))
    console.save_svg(str(file), title="fraudstream up")

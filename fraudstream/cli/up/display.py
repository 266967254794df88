"""The three faces of a run: a live screen for a terminal, plain lines for a pipe or a log, JSON lines for a program.

A face is told nothing: it looks at the state at each `tick` and shows what has changed.
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
from fraudstream.board.run_state import Judged, RunState
from fraudstream.board.screen import screen

TICK_S: Final = 0.25
SUMMARY_S: Final = 5.0
ALERT_LINES_MAX: Final = 5  # at a tick: the past alone brings hundreds


class Display(Protocol):
    def tick(self) -> None:
        """Show what is new. Raises `BrokenPipeError` when nobody can see it any more."""

    def close(self) -> None:
        """The run is over: show what it came to."""


class Screen:
    """The board, drawn anew at each tick in the terminal's alternate screen."""

    def __init__(self, state: RunState) -> None:
        self._state = state
        self._console = Console()
        self._live = Live(
            console=self._console, screen=True, auto_refresh=False, redirect_stdout=False, redirect_stderr=False
        )
        self._live.start()

    def tick(self) -> None:
        width, height = self._console.size
        self._live.update(screen(self._state, width, height), refresh=True)

    def close(self) -> None:
        self._live.stop()
        print(f"fraudstream: {totals_line(self._state.totals())}")


class Lines:
    """A line for an alert and for what goes wrong, a summary every few seconds."""

    def __init__(self, state: RunState) -> None:
        self._state = state
        self._metrics_urls: dict[str, str] = {}
        self._phase = ""
        self._summary_at = time.monotonic() + SUMMARY_S
        self._placed = False

    def tick(self) -> None:
        state, alerts = self._state, 0
        if state.phase != self._phase:
            self._phase = state.phase
            _say(state.phase)
        if state.places and not self._placed:
            self._placed = True
            for name, place in state.places.items():
                _say(f"  {name}: {place}")
        for process in state.processes:
            if process.metrics_url and self._metrics_urls.get(process.name) != process.metrics_url:
                self._metrics_urls[process.name] = process.metrics_url
                _say(f"  {process.name}: metrics at {process.metrics_url}/metrics")
        while state.news:
            item = state.news.popleft()
            if isinstance(item, str):
                _say(item)
            else:
                alerts += 1
                if alerts <= ALERT_LINES_MAX:
                    _say(alert_line(item))
        if alerts > ALERT_LINES_MAX:
            _say(f"... and {alerts - ALERT_LINES_MAX:,} alerts more")
        if time.monotonic() >= self._summary_at:
            self._summary_at = time.monotonic() + SUMMARY_S
            _say(summary_line(state))

    def close(self) -> None:
        self.tick()
        _say(f"total: {totals_line(self._state.totals())}")


class JsonLines:
    """One object a line, its kind under `event`: phase, places, notice, alert, progress, totals."""

    def __init__(self, state: RunState) -> None:
        self._state = state
        self._phase = ""
        self._progress_at = time.monotonic() + SUMMARY_S
        self._placed = False

    def tick(self) -> None:
        state = self._state
        if state.phase != self._phase:
            self._phase = state.phase
            self._write("phase", phase=state.phase)
        if state.places and not self._placed:
            self._placed = True
            self._write("places", **state.places)
        while state.news:
            item = state.news.popleft()
            if isinstance(item, Judged):
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
        self.tick()
        self._write("totals", **msgspec.to_builtins(self._state.totals()))

    def _write(self, event: str, **content: Any) -> None:
        _say(msgspec.json.encode({"event": event, **content}).decode())


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def draw(state: RunState, file: Path, width: int = 120, height: int = 36) -> None:
    """The board of this moment as an SVG picture."""
    console = Console(record=True, width=width, height=height, file=io.StringIO(), force_terminal=True)
    console.print(screen(state, width, height))
    console.save_svg(str(file), title="fraudstream up")

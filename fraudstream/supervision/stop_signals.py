"""Handles the signals that ask this process to stop: SIGINT (Ctrl-C), SIGTERM and SIGHUP."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from types import FrameType, TracebackType
from typing import Final

STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


class StopSignals:
    """A context manager in which the first signal calls `stop`, or raises `KeyboardInterrupt` while that is None.

    `on_repeat`: called at each further signal, None to ignore those. `signals`: those to handle; SIGHUP is left alone
    if the process ignores it, as under `nohup`. Must be used in the main thread. `stop` runs between two bytecodes: to
    wake an event loop it must use `call_soon_threadsafe`.
    """

    def __init__(
        self,
        stop: Callable[[], object] | None = None,
        on_repeat: Callable[[], object] | None = None,
        signals: Sequence[signal.Signals] = STOP_SIGNALS,
    ) -> None:
        self.stop, self.received = stop, False
        self._on_repeat = on_repeat
        self._previous = {number: signal.getsignal(number) for number in signals}

    def __enter__(self) -> StopSignals:
        for number, handler in self._previous.items():
            if number != signal.SIGHUP or handler is not signal.SIG_IGN:
                signal.signal(number, self._handle)
        return self

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.received:
            if self._on_repeat is not None:
                self._on_repeat()
            return
        self.received = True
        if self.stop is None:
            raise KeyboardInterrupt
        self.stop()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

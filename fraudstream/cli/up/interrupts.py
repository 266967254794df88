"""Ctrl-C, SIGTERM and SIGHUP: the first asks the run to stop in order, the second ends it at once.

To end at once is safe: every process of ours is tied to this one and dies with it.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from types import FrameType, TracebackType

FORCED = 130  # 128 + SIGINT, as shells count
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_TERMINAL_AS_IT_WAS = "\x1b[?1049l\x1b[?25h"  # leave the alternate screen, show the cursor


class Interrupts:
    """Within it signals call `stop`, or raise `KeyboardInterrupt` while that is None. `last`: called before the end at
    once, for what would be left behind."""

    def __init__(self, last: Callable[[], None]) -> None:
        self.stop: Callable[[], None] | None = None
        self.asked = False
        self._last = last
        self._before = {number: signal.getsignal(number) for number in SIGNALS}

    def __enter__(self) -> Interrupts:
        for number in SIGNALS:
            if number == signal.SIGHUP and self._before[number] is signal.SIG_IGN:
                continue  # nohup wants to live on
            signal.signal(number, self._on_signal)
        return self

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            self._last()
            if sys.stdout.isatty():
                os.write(sys.stdout.fileno(), _TERMINAL_AS_IT_WAS.encode())
            os._exit(FORCED)
        self.asked = True
        if self.stop is None:
            raise KeyboardInterrupt
        self.stop()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

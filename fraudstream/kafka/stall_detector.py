"""A reader that reads a topic to its end must not wait for ever where the brokers give it nothing more."""

from __future__ import annotations

import time
from typing import Final

STALLED_S: Final = 60.0


class StalledError(TimeoutError):
    """Nothing came for `STALLED_S`, and the end is not reached."""


class StallDetector:
    """Of reading one partition; `where` names it. Begins when it is made."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._at: int | None = None
        self._moved_at = time.monotonic()

    def at(self, position: int | None) -> None:
        """Reading stands at this offset (None: it is not known). Raises `StalledError` if it has for `STALLED_S`."""
        now = time.monotonic()
        if position != self._at:
            self._at, self._moved_at = position, now
        elif now - self._moved_at > STALLED_S:
            place = "its beginning" if position is None else f"offset {position}"
            raise StalledError(
                f"{self._where}: nothing came from {place} on for {STALLED_S:.0f} s, and it does not end there. "
                "Look at the broker that leads the partition."
            )

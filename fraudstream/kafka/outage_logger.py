"""Brokers that do not answer are worth a word every few seconds, not one at each try."""

from __future__ import annotations

import logging
import math
import time
from typing import Final

from fraudstream.kafka.brokers import Brokers

SAY_S: Final = 5.0  # between two words; also, how long a silence must last to be worth one


class OutageLogger:
    """Of `brokers`, from now on; told to `log`. `at_once`: the first failure is worth a word, as it is at a start.
    `so`: what follows from it."""

    def __init__(self, brokers: Brokers, log: logging.Logger, so: str = "", at_once: bool = False) -> None:
        self._brokers, self._log, self._so = brokers, log, so
        self._answered_at = time.monotonic()
        self._said_at = -math.inf if at_once else self._answered_at

    def continues(self, error: Exception) -> None:
        """They did not answer."""
        now = time.monotonic()
        if now - self._said_at > SAY_S:
            self._said_at = now
            why = str(error) or "no answer in time"
            lasts = now - self._answered_at
            self._log.warning("no broker answers at %s, for %.0f s now (%s)%s", self._brokers, lasts, why, self._so)

    def ends(self) -> None:
        """They answered."""
        now = time.monotonic()
        if self._said_at > self._answered_at:
            self._log.warning("the brokers answer again, after %.0f s", now - self._answered_at)
        self._answered_at = self._said_at = now

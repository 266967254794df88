"""Logs an outage of the brokers every few seconds, not at every failed attempt."""

from __future__ import annotations

import logging
import math
import time
from typing import Final

from fraudstream.kafka.brokers import Brokers
from fraudstream.kafka.error_text import NO_BROKER, kafka_error_text

LOG_INTERVAL_S: Final = 5.0  # between two messages; also, how long an outage must last to be logged


class OutageLogger:
    """Logs outages of `brokers` to `log`.

    `consequence`: appended to each message, such as ": retrying". `at_once`: log the first failure immediately, as at
    the start of a process.
    """

    def __init__(self, brokers: Brokers, log: logging.Logger, consequence: str = "", at_once: bool = False) -> None:
        self._brokers, self._log, self._consequence = brokers, log, consequence
        self._answered_at_s = time.monotonic()
        self._logged_at_s = -math.inf if at_once else self._answered_at_s

    def failed(self, error: Exception) -> None:
        """The brokers did not answer a request: it raised `error`."""
        now_s = time.monotonic()
        if now_s - self._logged_at_s > LOG_INTERVAL_S:
            self._logged_at_s = now_s
            self._log.warning(
                "no broker answers at %s, for %.0f s now%s%s",
                self._brokers,
                now_s - self._answered_at_s,
                _in_brackets(error),
                self._consequence,
            )

    def recovered(self) -> None:
        """The brokers answered a request. Logged once, if the outage was logged."""
        now_s = time.monotonic()
        if self._logged_at_s > self._answered_at_s:
            self._log.warning("the brokers answer again, after %.0f s", now_s - self._answered_at_s)
        self._answered_at_s = self._logged_at_s = now_s


def _in_brackets(error: Exception) -> str:
    """The reason, where it says more than the message."""
    reason = kafka_error_text(error)
    return "" if reason.startswith(NO_BROKER) else f" ({reason})"

"""The time limit of every read to the end of a partition: a reader that makes no progress must fail, not wait."""

from __future__ import annotations

import time
from typing import Final

STALL_LIMIT_S: Final = 60.0


class StalledError(TimeoutError):
    """A reader got nothing from a partition, or from the broker itself, within the time limit.

    `topic`: the topic that was read. `partition`: None if the request was about the whole topic. `position`: the offset
    that the reader had reached, None if the broker had not even answered where the partition ends. `seconds`: how long
    the reader waited. `str()` is a sentence for the user.
    """

    def __init__(self, topic: str, partition: int | None, position: int | None, seconds: float) -> None:
        self.topic, self.partition, self.position, self.seconds = topic, partition, position, seconds
        name = topic if partition is None else f"{topic}-{partition}"
        missing = "no answer from the brokers" if position is None else f"no record from offset {position} on"
        super().__init__(
            f"{name}: {missing} within {seconds:g} s. Check the broker that leads the partition, then try again."
        )


class OpenTransactionError(StalledError):
    """The reader waits for a transaction that a publisher has not ended: the records from the last stable offset
    `position` to before `high_watermark` are not readable yet."""

    def __init__(self, topic: str, partition: int, position: int, high_watermark: int, seconds: float) -> None:
        super().__init__(topic, partition, position, seconds)
        self.high_watermark = high_watermark
        self.args = (
            f"{topic}-{partition}: an open transaction of a publisher has held back the records {position} to "
            f"{high_watermark - 1} for {seconds:g} s. Wait until it ends, or find it with `kafka-transactions.sh "
            "find-hanging` and abort it.",
        )


class StallDetector:
    """Measures how long the reader of one partition has made no progress. The clock starts with the constructor."""

    def __init__(self, topic: str, partition: int, limit_s: float = STALL_LIMIT_S) -> None:
        self._topic, self._partition, self._limit_s = topic, partition, limit_s
        self._position: int | None = None
        self._progress_at_s = time.monotonic()

    def check(self, position: int | None) -> None:
        """Report the reader's position (None: not known yet). Raises `StalledError` if it has not changed for the
        time limit."""
        now_s = time.monotonic()
        if position != self._position:
            self._position, self._progress_at_s = position, now_s
        elif now_s - self._progress_at_s > self._limit_s:
            raise StalledError(self._topic, self._partition, position, self._limit_s)

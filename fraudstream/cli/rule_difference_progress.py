"""How far `fraudstream rules diff` is: a bar for people, lines of JSON for the console that runs it."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeAlias

from fraudstream.cli.progress import payments_progress

PROGRESS_S: Final = 0.5  # between two lines of JSON

# Called with the payments of a batch, its alerts gained and lost, and the share of all that is done.
Advance: TypeAlias = Callable[[int, int, float | None], None]


@contextmanager
def difference_progress(*, as_json: bool, quiet: bool) -> Iterator[Advance]:
    """Yields what to call after each batch: it draws a bar, none if `quiet`, or writes lines of JSON."""
    if as_json:
        yield _JsonProgress()
        return
    with payments_progress("compare", None, quiet=quiet) as advance:
        yield lambda payments, differing, share: advance(payments, 0)


class _JsonProgress:
    """Lines such as `{"payments": 20000, "differing": 3, "share": 0.4}` on stderr, of all so far."""

    def __init__(self) -> None:
        self._payments = self._differing = 0
        self._written_at_s = 0.0

    def __call__(self, payments: int, differing: int, share: float | None) -> None:
        self._payments += payments
        self._differing += differing
        if (now_s := time.monotonic()) - self._written_at_s >= PROGRESS_S:
            self._written_at_s = now_s
            line = {"payments": self._payments, "differing": self._differing, "share": share}
            print(json.dumps({"progress": line}), file=sys.stderr, flush=True)

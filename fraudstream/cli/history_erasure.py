"""`history erase`: removes an account, or has the running writer do it."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from fraudstream.cli.author_flags import author_of
from fraudstream.cli.failure import Failure
from fraudstream.cli.settings import Settings
from fraudstream.cli.time_flags import now_ms
from fraudstream.supervision import exit_codes

if TYPE_CHECKING:
    from fraudstream.history.erasure import ErasureRequest
    from fraudstream.history.manifest import Erasure

WAIT_S_MAX: Final = 60.0  # beside the interval of the writer's commits
_POLL_S: Final = 0.1


def run_erasure(args: argparse.Namespace, settings: Settings) -> int:
    """Erase, and print how many rows there were. Raises `Failure`, `HistoryError`."""
    erasure = erase_rows(settings, args.account, author_of(args))
    if args.json:
        print(json.dumps({"erased": erasure.rows, "request_id": erasure.request_id}))
    else:
        counts = ", ".join(f"{rows} {table}" for table, rows in sorted(erasure.rows.items()))
        print(f"erased: {counts}" if counts else "the store has no rows of this account")
    return exit_codes.DONE


def erase_rows(settings: Settings, account_id: str, actor: str, pseudonym: str | None = None) -> Erasure:
    """Erase an account from the store, or have the running writer do it. `pseudonym`: for the record of it. Raises
    `Failure`, `HistoryError`."""
    from fraudstream.history.erasure import erase, new_request
    from fraudstream.history.manifest import load
    from fraudstream.history.store import HistoryStore, StoreInUseError

    root = settings.history.root()
    if load(root) is None:
        raise Failure(f"there is no history in {root}.")
    request = new_request(account_id, actor, pseudonym)
    try:
        with HistoryStore(root) as store:
            return erase(store, request, now_ms())
    except StoreInUseError:
        return _by_writer(root, request, settings.history.commit_interval_s + WAIT_S_MAX)


def _by_writer(root: Path, request: ErasureRequest, wait_s: float) -> Erasure:
    """Ask the running writer, and wait for its record. Raises `Failure` if there is none within `wait_s`."""
    from fraudstream.history.erasure import put_request
    from fraudstream.history.manifest import Manifest, load

    put_request(root, request)
    until_s = time.monotonic() + wait_s
    while time.monotonic() < until_s:
        for erasure in (load(root) or Manifest()).erasures:
            if erasure.request_id == request.request_id:
                return erasure
        time.sleep(_POLL_S)
    raise Failure(
        f"the writer of {root} has not erased the account within {wait_s:.0f} s. The request stays: it is carried out "
        "by the next writer that runs."
    )

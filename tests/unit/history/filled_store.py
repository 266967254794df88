"""A store that a test fills with records, as the follower does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fraudstream.history.manifest import TopicPosition
from fraudstream.history.rows import decision_rows, log_rows
from fraudstream.history.store import HistoryStore
from tests.unit.history.log_records import DAY, LogRecord


def add(store: HistoryStore, log: Sequence[LogRecord], decisions: Sequence[LogRecord] = ()) -> int:
    """Commit these records; returns how many rows were too old."""
    rows = log_rows(log, DAY)
    store.add("payments", rows.payments)
    store.add("labels", rows.labels)
    store.add("decisions", decision_rows(decisions)[0])
    end = max((record.offset for record in log), default=-1) + 1
    return store.commit({"payments": TopicPosition("id-1", {0: end})})


def fill(root: Path, log: Sequence[LogRecord], decisions: Sequence[LogRecord] = ()) -> None:
    """A store at `root` with these records in one commit."""
    with HistoryStore(root) as store:
        add(store, log, decisions)

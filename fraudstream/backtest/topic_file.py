"""Files of JSON lines in the form of the payments topic: no mapping is needed.

Each line is a payment or a label, decoded and refused exactly as a record of the topic. Payments are judged in the
order of the lines, which has to be that of time unless sorting is requested. A label is a line with `label` or
`labelled_at` and without `occurred_at`; it takes effect at its line, or at `labelled_at` when sorting. All labels
count in the evaluation of a replay.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from fraudstream.backtest.file_error import PaymentFileError
from fraudstream.backtest.label_order import Events
from fraudstream.backtest.readers.table import ROWS_PER_BATCH, Int64Array, OnBadRow, refuse
from fraudstream.backtest.readers.text_lines import LineBatch, line_batches
from fraudstream.backtest.told import Name as _Name
from fraudstream.backtest.told import Told
from fraudstream.contracts import Label, Payment
from fraudstream.contracts.undecodable import UNDECODABLE
from fraudstream.engine.columns import Rejection, time_ms
from fraudstream.engine.contract_check import checked_events
from fraudstream.engine.decode import decode

_BEFORE_ALL_MS = -(1 << 62)
_Timed = tuple[list[Payment | Label], Int64Array]  # events, and when each comes, ms since the epoch


class TopicFiles:
    """Files of payments and labels as JSON lines, read as one that joins them in the order given. `on_bad_row`: is
    called for each line that the topic would refuse. `rows`: None, unknown before they are read. `typologies`: none, a
    label of the topic does not name the kind of a fraud. `label_sources`: who gave the label of a payment and how sure
    they were, by account and event id, once `batches` are read."""

    rows = None
    typologies: Mapping[str, str] = {}

    def __init__(self, paths: Sequence[Path], encoding: str | None = None, on_bad_row: OnBadRow = refuse) -> None:
        self.paths = list(paths)
        self._encoding, self._on_bad_row = encoding, on_bad_row
        self.label_sources: dict[_Name, Told] = {}

    def batches(self, sort: bool = False) -> Iterator[Events]:
        """The events in the order of the lines, or of time. `sort`: sort them first, in memory.

        Raises `PaymentFileError` for the first line that is refused, the first payment that is earlier than the one
        before if `sort` is False, and if there is no payment.
        """
        found, truth = False, self._truth()
        for events, at_ms in self._sorted() if sort else self._in_order():
            found = found or any(type(event) is Payment for event in events)
            labels = [truth.get(_named(event), -1) if type(event) is Payment else -1 for event in events]
            yield Events(events, at_ms, np.array(labels, np.int8))
        if not found:
            raise PaymentFileError(", ".join(map(str, self.paths)), "holds no payments.")

    def _truth(self) -> dict[_Name, int]:
        """What the labels of all files say of payments: 1 fraud, 0 genuine. The newest label counts."""
        found: dict[_Name, tuple[int, int]] = {}
        self.label_sources.clear()
        for path in self.paths:
            for lines in line_batches(path, self._encoding):
                values = [line for line in lines.lines if _is_label(line)]
                for label in decode(values, [True] * len(values)):
                    if isinstance(label, Label):
                        truth = (time_ms(label.labelled_at), int(label.label == "fraud"))
                        if truth[0] >= found.get(_named(label), truth)[0]:
                            found[_named(label)] = truth
                            self.label_sources[_named(label)] = Told(label.source, label.confidence)
        return {name: fraud for name, (_, fraud) in found.items()}

    def _in_order(self) -> Iterator[_Timed]:
        last_ms = _BEFORE_ALL_MS
        for part in self._parts():
            times = np.where(part.is_payment, part.at_ms, _BEFORE_ALL_MS)
            latest = np.maximum.accumulate(np.concatenate([[last_ms], times]))
            backwards = np.flatnonzero(part.is_payment & (times < latest[:-1]))
            if len(backwards):
                raise PaymentFileError(
                    str(part.path),
                    "is earlier than a payment before it: the payments are not in order of time. Run again with "
                    "--sort.",
                    part.numbers[int(backwards[0])],
                    unit="line",
                )
            last_ms = int(latest[-1])
            yield part.events, latest[1:]

    def _sorted(self) -> Iterator[_Timed]:
        parts = list(self._parts())
        if not parts:
            return
        events = [event for part in parts for event in part.events]
        at_ms = np.concatenate([part.at_ms for part in parts])
        order = np.argsort(at_ms, kind="stable").astype(np.int64)
        for start in range(0, len(order), ROWS_PER_BATCH):
            chosen = order[start : start + ROWS_PER_BATCH]
            yield [events[index] for index in chosen.tolist()], at_ms[chosen]

    def _parts(self) -> Iterator[_Part]:
        for path in self.paths:
            for lines in line_batches(path, self._encoding):
                yield from self._accepted(path, lines)

    def _accepted(self, path: Path, lines: LineBatch) -> Iterator[_Part]:
        """The events of some lines, without those that are refused."""
        good: list[tuple[Payment | Label, int]] = []
        for at, event in enumerate(checked_events(lines.lines, [_is_label(line) for line in lines.lines])):
            if isinstance(event, Rejection):
                self._on_bad_row(PaymentFileError(str(path), event.sentence, lines.numbers[at], unit="line"))
            else:
                good.append((event, at))
        if good:
            kept = [event for event, _ in good]
            at_ms = np.array([time_ms(_moment(event)) for event in kept], np.int64)
            is_payment = np.array([type(event) is Payment for event in kept])
            yield _Part(path, kept, at_ms, is_payment, [lines.numbers[at] for _, at in good])


class _Part(NamedTuple):
    """Some events of a file. `at_ms`: event time, or `labelled_at` of a label, ms since the epoch; int64. `numbers`: of
    their lines."""

    path: Path
    events: list[Payment | Label]
    at_ms: Int64Array
    is_payment: np.ndarray[tuple[int], np.dtype[np.bool_]]
    numbers: list[int]


class _Keys(msgspec.Struct):
    """The keys that tell a label from a payment."""

    label: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    labelled_at: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    occurred_at: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_keys = msgspec.json.Decoder(_Keys)


def _is_label(line: bytes) -> bool:
    if b'"label' not in line:
        return False
    try:
        keys = _keys.decode(line)
    except UNDECODABLE:
        return False
    told = keys.labelled_at is not msgspec.UNSET or keys.label is not msgspec.UNSET
    return told and keys.occurred_at is msgspec.UNSET


def _named(event: Payment | Label) -> _Name:
    return event.account_id, event.event_id


def _moment(event: Payment | Label) -> int | datetime:
    return event.occurred_at if isinstance(event, Payment) else event.labelled_at

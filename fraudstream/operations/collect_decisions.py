"""Collects the decisions of a cluster, with amounts and labels from the payments log, as a replay would write them.

    payments    p1 p2 label(p1) p3 …  ──┐
    decisions   d1 d2 d3 …            ──┴──►  decisions.parquet: one row a payment, for `fraudstream evaluate`

A decision that was sent again, and the decision on a repeated payment, are left out: a payment counts once.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pyarrow as pa
import pyarrow.parquet

from fraudstream.contracts import Decision, Label, Payment
from fraudstream.contracts.currency import EXPONENTS
from fraudstream.contracts.headers import LABEL_HEADER, TYPE_HEADER
from fraudstream.contracts.record_signature import NOT_REQUIRED, RecordSignatures
from fraudstream.contracts.undecodable import UNDECODABLE
from fraudstream.engine.columns import time_ms
from fraudstream.engine.decode import decode
from fraudstream.evaluation.decisions_file import DECISIONS as FILE_NAME
from fraudstream.evaluation.decisions_schema import DECISIONS
from fraudstream.kafka import Brokers
from fraudstream.kafka.topic_reader import NoTopicError, ReportProgress, TopicReader
from fraudstream.operations.errors import MissingTopicError, OperationError

_decision = msgspec.json.Decoder(Decision)
_Name = tuple[str, str]  # account_id and event_id: two accounts may have payments of one id


class Collected(NamedTuple):
    """`decisions`: rows written. `without_payment`: decisions left out, as the log no longer has their payments.
    `labelled`: payments with a label."""

    decisions: int
    without_payment: int
    labelled: int


class NoDecisionsError(OperationError):
    """The topic holds no decision on a payment of the log."""

    def __init__(self, topic: str, log: str) -> None:
        super().__init__(
            f"'{topic}' has no decision on a payment that '{log}' still holds. Do workers publish decisions "
            "(setting worker.decisions), and are these the topics meant (section [topics])?"
        )
        self.topic = topic


async def collect_decisions(
    brokers: Brokers,
    out: Path,
    *,
    log: str,
    decisions: str,
    committed_only: bool,
    progress: ReportProgress | None = None,
    signatures: RecordSignatures = NOT_REQUIRED,
) -> Collected:
    """Write `decisions.parquet` to the directory `out`. `log`, `decisions`: topics. `signatures`:
    those that the workers require.

    The log is read before the decisions, so that each label read is of a payment decided or about to be. Raises
    `MissingTopicError`, `NoDecisionsError`, `OSError`, `StalledError`, and what aiokafka raises.
    """
    truth = _Truth()
    rows: dict[_Name, Decision] = {}
    without_payment: set[_Name] = set()
    async with TopicReader(brokers, committed_only=committed_only, progress=progress) as reader:
        try:
            async for records in _chunks(reader, log):
                truth.add(list(filter(signatures.accepts, records)))
            async for records in _chunks(reader, decisions):
                for record in records:
                    decision = _decided(record.value)
                    if decision is None or decision.repeat:
                        continue
                    name = (decision.account_id, decision.event_id)
                    if name in truth.amounts:
                        rows.setdefault(name, decision)
                    else:
                        without_payment.add(name)
        except NoTopicError as error:
            raise MissingTopicError(brokers.servers, error.topic) from error
    if not rows:
        raise NoDecisionsError(decisions, log)
    _write(out, rows, truth)
    return Collected(len(rows), len(without_payment), sum(name in truth.labels for name in rows))


def _decided(value: bytes | None) -> Decision | None:
    """The decision in a record; None if it says that a record could not be judged, or is none of ours."""
    try:
        return _decision.decode(value or b"")
    except UNDECODABLE:
        return None


async def _chunks(reader: TopicReader, topic: str) -> AsyncIterator[list[Any]]:
    for partition in await reader.partitions(topic):
        async for records in reader.whole(topic, partition):
            yield records


class _Truth:
    """What the log says of payments. `amounts`: minor units and currency; `labels`: the newest, and its time."""

    def __init__(self) -> None:
        self.amounts: dict[_Name, tuple[int, str]] = {}
        self.labels: dict[_Name, tuple[int, Label]] = {}

    def add(self, records: list[Any]) -> None:
        """Take in records of the log; controls and what is refused are passed over."""
        kept = [
            record for record in records if LABEL_HEADER in record.headers or TYPE_HEADER not in dict(record.headers)
        ]
        is_label = [LABEL_HEADER in record.headers for record in kept]
        for event in decode([record.value for record in kept], is_label):
            if isinstance(event, Payment) and event.currency in EXPONENTS:
                minor = int(Decimal(event.amount).scaleb(EXPONENTS[event.currency]))
                self.amounts.setdefault((event.account_id, event.event_id), (minor, event.currency))
            elif isinstance(event, Label):
                name, told = (event.account_id, event.event_id), (time_ms(event.labelled_at), event)
                if told[0] >= self.labels.get(name, told)[0]:
                    self.labels[name] = told


def _write(out: Path, rows: dict[_Name, Decision], truth: _Truth) -> None:
    names = sorted(rows, key=lambda name: (rows[name].occurred_at_ms, name))
    labels = [truth.labels[name][1] if name in truth.labels else None for name in names]
    columns: dict[str, list[Any]] = {
        "occurred_at": [rows[name].occurred_at_ms for name in names],
        "amount_minor": [truth.amounts[name][0] for name in names],
        "currency": [truth.amounts[name][1] for name in names],
        "label": [None if label is None else label.label for label in labels],
        "label_source": [None if label is None else label.source for label in labels],
        "label_confidence": [None if label is None else label.confidence for label in labels],
        "typology": [None] * len(names),
    }
    arrays = []
    for field in DECISIONS:
        values = columns.get(field.name) or [getattr(rows[name], field.name) for name in names]
        typed = pa.array(values, pa.int64()).cast(field.type) if field.name == "occurred_at" else None
        arrays.append(typed if typed is not None else pa.array(values, field.type))
    out.mkdir(parents=True, exist_ok=True)
    draft = out / f".{FILE_NAME}.part"
    pa.parquet.write_table(pa.Table.from_arrays(arrays, schema=DECISIONS), draft, compression="zstd")
    draft.replace(out / FILE_NAME)

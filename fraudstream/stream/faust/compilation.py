"""Compiles what the way of a payment needs, before the first records come: on a cold start that takes seconds.

A payment and a label take that way once: written as a record batch, parsed, judged, and by each stage of a chain; then
their decision is written, and their state saved and restored.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from aiokafka import TopicPartition

from fraudstream.contracts import Label, Payment
from fraudstream.contracts.headers import FEATURES_HEADER, LABEL_HEADER, source_header
from fraudstream.engine.engine import Engine
from fraudstream.engine.log import forward_log, read_log
from fraudstream.engine.partitioners import Partitioner, partitions_for
from fraudstream.engine.records import Records
from fraudstream.engine.rule_set import RuleSet
from fraudstream.kafka.record_batch.outgoing import OutgoingRecord, pack_records
from fraudstream.kafka.record_batch.parse import parse
from fraudstream.kafka.record_batch.ready_batch import ReadyBatch
from fraudstream.kafka.record_batch.writer import write_batches
from fraudstream.stream.decisions import DecisionRecords

_PAYMENT = Payment(event_id="0", occurred_at=0, account_id="0", amount="1", currency="EUR", direction="debit")
_LABEL = Label(event_id="0", account_id="0", label="genuine", labelled_at=0)
_BATCH_BYTES = 1 << 16


def compile_way_of_a_payment(rule_set: RuleSet, partitioner: Partitioner = "murmur2") -> None:
    """Compile it, or load it from the cache. `partitioner`: of the publishers."""
    engine = Engine(rule_set)
    published: Sequence[OutgoingRecord] = [
        (b"0", msgspec.json.encode(_PAYMENT), []),
        (b"0", msgspec.json.encode(_LABEL), [LABEL_HEADER]),
    ]
    _judge(engine, _fetched(published[:1]))  # as most batches are: without a label
    _judge(engine, _fetched(published))
    if len(engine.stages) > 1:
        _pass_through_the_chain(engine, _fetched(published))
    for which in {"murmur2", partitioner}:
        partitions_for([b"0"], 1, which)


def _judge(engine: Engine, records: Records) -> None:
    """Judge the records, write their decisions, save and restore the state."""
    state = engine.new_state()
    (span,) = read_log({engine.rule_set.digest: engine}, state, records)
    verdicts, positions = span.result.verdicts, span.result.positions
    list(write_batches([DecisionRecords(0, 1).records(records, verdicts, positions, 0)], _BATCH_BYTES))
    for part in state.take_changes():
        engine.new_state().restore_packed(part)


def _pass_through_the_chain(whole: Engine, records: Records) -> None:
    """Let every stage read what the stage before forwards."""
    for engine in map(whole.of_stage, whole.stages):
        state = engine.new_state()
        if engine.decides:
            read_log({engine.rule_set.digest: engine}, state, records)
            return
        (span,) = forward_log(engine, state, records)
        forwarded = span.result.forwarded
        keys, features = forwarded.keys.strings(), forwarded.features.strings()
        records = _fetched(
            [
                (key, records[position].value, [source_header(0, position), (FEATURES_HEADER, packed or b"")])
                for position, key, packed in zip(span.result.positions.tolist(), keys, features, strict=True)
                if records[position].headers == () or not engine.is_first
            ]
        )


def _fetched(records: Sequence[OutgoingRecord]) -> Records:
    """The records as a fetch brings them."""
    (written,) = write_batches([pack_records(records, 0)], _BATCH_BYTES)
    parsed = parse(bytes(ReadyBatch(written, "none")._build()), 0, TopicPartition("", 0))
    assert np.array_equal(parsed.spans.offset, np.arange(len(records)))
    return Records(parsed.buffer, parsed.spans)

"""Compiles what the way of a payment needs, before the first records come: on a cold start that takes a minute.

A payment and a label take that way once: written as a record batch, parsed, judged, and by each stage of a chain; then
their decision is written, and their state saved and restored.

On a cold start two processes compile: this one the kernel, which is nearly half of it all, and a second one what
surrounds the kernel. Then this one takes the whole way and finds in the cache what the second has compiled. The types
of compiled functions are the same under all rule sets, so both use the smallest one.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import msgspec
import numpy as np
from aiokafka import TopicPartition

from fraudstream.compiled.jit import can_cache, is_cached
from fraudstream.contracts import Label, Payment
from fraudstream.contracts.headers import FEATURES_HEADER, LABEL_HEADER, source_header
from fraudstream.engine import kernel
from fraudstream.engine.engine import Engine
from fraudstream.engine.frame import new_frame
from fraudstream.engine.log import forward_log, read_log
from fraudstream.engine.partition_state import PartitionState
from fraudstream.engine.partitioners import Partitioner, partitions_for
from fraudstream.engine.program import filter_program
from fraudstream.engine.records import Records
from fraudstream.engine.rule_set import RuleSet, compile_rule_set
from fraudstream.kafka.record_batch.outgoing import OutgoingRecord, pack_records
from fraudstream.kafka.record_batch.parse import parse
from fraudstream.kafka.record_batch.ready_batch import ReadyBatch
from fraudstream.kafka.record_batch.writer import write_batches
from fraudstream.stream.decisions import DecisionRecords
from fraudstream.supervision.parent_death import with_parent_death_signal

_PAYMENT = Payment(event_id="0", occurred_at=0, account_id="0", amount="1", currency="EUR", direction="debit")
_LABEL = Label(event_id="0", account_id="0", label="genuine", labelled_at=0)
_PUBLISHED: Sequence[OutgoingRecord] = [
    (b"0", msgspec.json.encode(_PAYMENT), []),
    (b"0", msgspec.json.encode(_LABEL), [LABEL_HEADER]),
]
_BATCH_BYTES = 1 << 16
_SMALLEST = """
version: 1
entities: {account: {key: account_id, slots: 4}}
features: {account.payments_1h: {aggregate: count, window: 1h}}
"""


def compile_way_of_a_payment(rule_set: RuleSet, partitioner: Partitioner = "murmur2") -> None:
    """Compile it, or load it from the cache. `partitioner`: of the publishers."""
    if can_cache() and not is_cached(kernel.update):
        with _second_process():
            _compile_kernel()
    engine = Engine(rule_set)
    _judge(engine, _fetched(_PUBLISHED[:1]))  # as most batches are: without a label
    _judge(engine, _fetched(_PUBLISHED))
    if len(engine.stages) > 1:
        _pass_through_the_chain(engine, _fetched(_PUBLISHED))
    for which in {"murmur2", partitioner}:
        partitions_for([b"0"], 1, which)


@contextmanager
def _second_process() -> Iterator[None]:
    """A process that runs `compile_around_kernel`, and dies with this one, which compiles the rest should it fail."""
    command = with_parent_death_signal([sys.executable, "-m", __name__])
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as process:
        try:
            yield
        except BaseException:
            process.kill()
            raise


def _compile_kernel() -> None:
    """Compile the kernel without what a payment passes before it."""
    engine = _smallest_engine()
    engine.judge([], engine.new_state())


def compile_around_kernel() -> None:
    """Compile what surrounds the kernel: programs first, which the first process needs next."""
    engine = _smallest_engine()
    filter_program((), engine.index.layout, engine.digest_key).run(new_frame(engine.index.layout, 0))
    state, records = engine.new_state(), _fetched(_PUBLISHED)
    taken = engine.intake.take(state, records)
    (accounts,) = state.entities
    for row in accounts.rows_of(taken.batch.keys(engine.key)).tolist()[:1]:
        accounts.arena.mark_row(row)
    _save_and_restore(engine, state)


def _smallest_engine() -> Engine:
    return Engine(compile_rule_set({"features.yaml": _SMALLEST}))


def _judge(engine: Engine, records: Records) -> None:
    """Judge the records, write their decisions, save and restore the state."""
    state = engine.new_state()
    (span,) = read_log({engine.rule_set.digest: engine}, state, records)
    verdicts, positions = span.result.verdicts, span.result.positions
    list(write_batches([DecisionRecords(0, 1).records(records, verdicts, positions, 0)], _BATCH_BYTES))
    _save_and_restore(engine, state)


def _save_and_restore(engine: Engine, state: PartitionState) -> None:
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


if __name__ == "__main__":
    compile_around_kernel()

"""A chain of stages, each with the state of its own entity, publishes what one process with all entities publishes.

With one partition a topic every stage's log has the order of the first one. Between stages goes what Kafka would carry:
key, value, headers. A stage that is killed goes on from its last checkpoint and sends again what it had sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraudstream.contracts.headers import FEATURES_HEADER, LABEL_HEADER, SOURCE_HEADER, source_header
from fraudstream.contracts.label import Label
from fraudstream.contracts.payment import Payment
from fraudstream.engine.alert_writer import decoded_alerts
from fraudstream.engine.apply import ApplyResult, apply, apply_and_forward
from fraudstream.engine.engine import Engine
from fraudstream.engine.partition_state import PartitionState
from tests.property.batches import split
from tests.property.chains import CHAINS, WHOLE
from tests.property.judged_log import judgements
from tests.property.payment_logs import BEGIN_MS, Log, log_of, logs
from tests.property.profile import EXAMPLES

_cuts = st.lists(st.integers(0, 60), max_size=4)


class Record(NamedTuple):
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


def records_of(log: Log) -> list[Record]:
    return [
        Record(
            offset,
            BEGIN_MS + 4_000 * 86_400_000,
            event.account_id.encode(),
            msgspec.json.encode(event),
            [LABEL_HEADER] if isinstance(event, Label) else [],
        )
        for offset, event in enumerate(log)
    ]


def forward_all(engine: Engine, state: PartitionState, records: Sequence[Record], begin: int) -> list[Record]:
    """What the stage sends for the records; the first has offset `begin` of the next log."""
    result = apply_and_forward(engine, state, records)
    assert result.refused == []
    sent: list[Record] = []
    for position, key, forwarded in zip(
        result.positions.tolist(),
        result.forwarded.keys.present(),
        result.forwarded.features.present(),
        strict=True,
    ):
        record = records[position]
        label = [LABEL_HEADER] if LABEL_HEADER in record.headers else []
        headers = [*label, source_header(0, record.offset), (FEATURES_HEADER, forwarded)]
        sent.append(Record(begin + len(sent), record.timestamp + 1, key, record.value, headers))
    return sent


def decided_by(engines: Sequence[Engine], records: list[Record]) -> ApplyResult:
    """What the last of some stages, all without state, makes of the records that the first of them receives."""
    for engine in engines[:-1]:
        records = forward_all(engine, engine.new_state(), records, 0)
    return apply(engines[-1], engines[-1].new_state(), records)


def published_of(results: Sequence[ApplyResult]) -> list[object]:
    return [
        (
            judgements(r.verdicts),
            [msgspec.json.encode(a) for a in decoded_alerts(r.verdicts)],
            r.verdicts.labels_unmatched,
        )
        for r in results
    ]


@pytest.mark.parametrize("name", WHOLE)
@EXAMPLES
@given(log=logs(), cuts=_cuts)
def test_a_chain_of_stages_decides_as_one_process_with_all_entities(name: str, log: Log, cuts: list[int]) -> None:
    states = [engine.new_state() for engine in CHAINS[name]]
    whole = WHOLE[name].new_state()
    begin = 0
    for piece in split(records_of(log), cuts):  # type: ignore[arg-type]
        records: list[Record] = list(piece)  # type: ignore[arg-type]
        expected = apply(WHOLE[name], whole, records)
        for engine, state in list(zip(CHAINS[name], states, strict=True))[:-1]:
            records = forward_all(engine, state, records, begin)
        begin += len(records)
        found = apply(CHAINS[name][-1], states[-1], records)
        assert published_of([found]) == published_of([expected])
        assert found.verdicts.labels == expected.verdicts.labels
    of_stages = [dict(state.changes()) for state in states]
    rows = {key: value for records in of_stages for key, value in records.items() if not key.startswith(b"\0")}
    assert rows == {key: value for key, value in whole.changes() if not key.startswith(b"\0")}


@EXAMPLES
@given(log=logs(), saved=st.integers(0, 60), killed=st.integers(0, 60))
def test_what_a_restarted_stage_sends_again_is_dropped_by_the_next(log: Log, saved: int, killed: int) -> None:
    account, device, *later = CHAINS["paned"]
    undisturbed = [engine.new_state() for engine in (account, device)]
    records = records_of(log)
    saved, killed = sorted((min(saved, len(log)), min(killed, len(log))))
    first = forward_all(account, undisturbed[0], records, 0)
    expected = decided_by(later, forward_all(device, undisturbed[1], first, 0))

    state, again = account.new_state(), account.new_state()
    sent = forward_all(account, state, records[:saved], 0)
    again.restore(state.changes())
    sent += forward_all(account, state, records[saved:killed], len(sent))
    sent += forward_all(account, again, records[saved:], len(sent))  # the successor
    second = device.new_state()
    on = forward_all(device, second, sent, 0)
    assert [record.value for record in on] == [record.value for record in records]
    found = decided_by(later, on)
    assert published_of([found]) == published_of([expected])
    assert dict(second.changes()) == dict(undisturbed[1].changes())
    assert second.sources == ({"0": len(records) - 1} if records else {})


def test_an_altered_repeat_is_reported_by_the_stage_that_decides() -> None:
    (payment,) = _one_payment()
    assert isinstance(payment, Payment)
    records = records_of([payment, msgspec.structs.replace(payment, amount="77.00"), payment])
    *before, last = CHAINS["paned"]
    for engine in before:
        records = forward_all(engine, engine.new_state(), records, 0)
    verdicts = apply(last, last.new_state(), records).verdicts
    assert [(d.repeat, d.altered) for d in verdicts.decisions()] == [(False, False), (True, True), (True, False)]


def test_a_label_of_a_capture_that_lacks_an_entity_reaches_its_payment_there() -> None:
    payment = Payment(
        event_id="p", occurred_at=BEGIN_MS, account_id="a", amount="5", currency="EUR", direction="debit", device_id="d"
    )
    capture = msgspec.structs.replace(payment, event_id="c", kind="capture", relates_to="p", device_id=None)
    label = Label(event_id="c", account_id="a", label="fraud", labelled_at=BEGIN_MS)
    records = records_of([payment, capture, label, msgspec.structs.replace(payment, event_id="q")])
    whole = apply(WHOLE["paned"], WHOLE["paned"].new_state(), records)
    found = decided_by(CHAINS["paned"], records)
    assert whole.verdicts.features["device.fraud_30d"].tolist()[-1] == 0.5
    assert published_of([found]) == published_of([whole])


def test_features_of_another_catalogue_are_refused_in_a_sentence() -> None:
    account, *_ = CHAINS["paned"]
    _, other, *_ = CHAINS["tight"]
    (payment,) = records_of(_one_payment())
    record = payment._replace(headers=[source_header(0, 0), (FEATURES_HEADER, b"of something else")])
    with pytest.raises(
        ValueError, match=r"of another rules/features\.yaml or rules/currencies\.yaml, or another identifier secret"
    ):
        apply_and_forward(other, other.new_state(), [record])
    sent = forward_all(account, account.new_state(), records_of(_one_payment()), 0)
    with pytest.raises(ValueError, match="Run all stages with the same one"):
        apply_and_forward(other, other.new_state(), sent)


def test_a_record_that_no_stage_sent_is_a_dead_letter_and_changes_nothing() -> None:
    _, device, *_ = CHAINS["paned"]
    state = device.new_state()
    result = apply_and_forward(device, state, records_of(_one_payment()))
    assert [(refused.position, refused.reason) for refused in result.refused] == [(0, "invalid")]
    assert "does not come from the previous stage" in result.refused[0].sentence
    assert (result.positions.tolist(), result.events, state.sources, state.changes()) == ([], 0, {}, [])


def test_what_a_record_brings_along_is_named_and_placed() -> None:
    account, *_ = CHAINS["paned"]
    (record,) = forward_all(account, account.new_state(), records_of(_one_payment()), 0)
    assert dict(record.headers)[SOURCE_HEADER] == b"0:0"
    forwarded = account.codec_out.unpack([dict(record.headers)[FEATURES_HEADER]])
    values = dict(zip(account.codec_out.features, forwarded.value[:, 0].tolist(), strict=True))
    assert values["account.pane_count_30d"] == 1.0


def _one_payment() -> Log:
    return log_of([("pay", 0, 0, 0)])

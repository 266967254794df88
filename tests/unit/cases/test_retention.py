"""Cases that leave: erased on request, or because their time is up. What stays is the position."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest
from aiokafka import ConsumerRecord, TopicPartition

from fraudstream.cases.case_log import CaseLog
from fraudstream.cases.held import Held
from fraudstream.cases.observer import Unobserved
from fraudstream.cases.processor import CaseProcessor
from fraudstream.cases.record import CaseRecord, Position
from fraudstream.cases.refusal import RejectedAction
from fraudstream.cases.retention import DAY_MS, ErasedCase
from fraudstream.cases.store import CLOSED_HELD_MS, CaseStore
from fraudstream.contracts import CaseAnswer
from fraudstream.kafka import Brokers
from fraudstream.kafka.topic_reader import TopicReader
from tests.unit.cases.events import action, alert
from tests.unit.cases.processing import Emission, record_of
from tests.unit.kafka.fake_consumer import FakeConsumer

CLOSED_ON_DAY = 100
AT_MS = CLOSED_ON_DAY * DAY_MS + 5_000


def store_with(retention_days: int = 0, disposition: str | None = "false_positive") -> tuple[CaseStore, str]:
    """A store with one case, closed at `AT_MS` unless `disposition` is None."""
    store = CaseStore(retention_days=retention_days)
    held = store.alert(alert("a1"), None)
    assert held is not None
    if disposition is not None:
        typology = "mule" if disposition == "confirmed_fraud" else None
        closing = action("close", held.case.case_id, acted_at=AT_MS, disposition=disposition, typology=typology)
        assert isinstance(store.act(closing), Held)
    return store, held.case.case_id


def test_a_closed_case_leaves_after_the_day_on_which_its_time_is_up_and_no_sooner() -> None:
    store, case_id = store_with(retention_days=30)
    last_ms = (CLOSED_ON_DAY + 31) * DAY_MS - 1
    assert store.retire(last_ms) == []
    assert store.case(case_id) is not None
    assert store.retire(last_ms + 1) == [case_id]
    assert (store.case(case_id), list(store), store.retire(last_ms + 2)) == (None, [], [])


def test_a_case_that_is_closed_at_the_time_of_old_payments_is_kept_from_when_that_was_written() -> None:
    """As by somebody who replays payments of years ago."""
    store, written_at_ms = CaseStore(retention_days=30), 20_000 * DAY_MS
    held = store.alert(alert("a1"), None)
    assert held is not None
    closed = store.act(action("close", held.case.case_id, disposition="inconclusive"), written_at_ms)
    assert isinstance(closed, Held)
    restored = CaseStore(retention_days=30)
    restored.restore(closed, written_at_ms)
    for each in (store, restored):
        assert each.retire(written_at_ms + 30 * DAY_MS) == []
        assert each.retire(written_at_ms + 31 * DAY_MS) == [held.case.case_id]


def test_a_case_that_has_left_the_memory_of_the_agent_leaves_too() -> None:
    store, case_id = store_with(retention_days=30)
    store.alert(alert("b1", "acc-2", occurred_at_ms=10 * CLOSED_HELD_MS), None)
    assert store.case(case_id) is None
    assert store.retire((CLOSED_ON_DAY + 31) * DAY_MS) == [case_id]


def test_a_reopened_case_and_an_open_one_stay() -> None:
    store, case_id = store_with(retention_days=30)
    store.alert(alert("b1", "acc-2"), None)
    assert isinstance(store.act(action("reopen", case_id)), Held)
    assert store.retire(10_000 * DAY_MS) == []
    assert len(list(store)) == 2


def test_without_a_retention_cases_stay() -> None:
    store, _ = store_with(retention_days=0)
    assert store.retire(10_000 * DAY_MS) == []


@pytest.mark.parametrize(
    ("disposition", "held"), [(None, "new"), ("confirmed_fraud", "evidence"), ("inconclusive", "")]
)
def test_an_open_case_and_a_confirmed_fraud_are_erased_for_a_reason_alone(disposition: str | None, held: str) -> None:
    store, case_id = store_with(disposition=disposition)
    result = store.act(action("erase", case_id, "eve", "erase-1"))
    if held:
        assert isinstance(result, RejectedAction)
        assert result.code == "legal_hold"
        assert held in result.sentence
        assert store.case(case_id) is not None
        result = store.act(action("erase", case_id, "eve", "erase-2", note="order of the court"))
    assert result == ErasedCase(case_id)
    assert (store.case(case_id), list(store), store.open_cases) == (None, [], 0)


def test_a_confirmed_fraud_is_held_even_when_the_agent_has_forgotten_the_case() -> None:
    store, case_id = store_with(disposition="confirmed_fraud")
    store.alert(alert("b1", "acc-2", occurred_at_ms=10 * CLOSED_HELD_MS), None)
    assert store.case(case_id) is None
    result = store.act(action("erase", case_id))
    assert isinstance(result, RejectedAction)
    assert result.code == "legal_hold"


def test_nobody_erases_the_case_of_another_account_and_a_repeat_is_accepted() -> None:
    store, case_id = store_with()
    result = store.act(action("erase", case_id, account_id="acc-2"))
    assert isinstance(result, RejectedAction)
    assert result.code == "wrong_account"
    for _ in range(2):
        assert store.act(action("erase", case_id)) == ErasedCase(case_id)


class View:
    def __init__(self) -> None:
        self.changes: list[Any] = []

    def put(self, partition: int, changes: Any, offset: int) -> None:
        self.changes += changes


class Cases(Emission):
    """Keeps the records of `cases`, as a log."""

    def __init__(self) -> None:
        super().__init__()
        self.log: list[CaseRecord] = []

    async def emit(self, partition: int, cases: Any, answers: Any, notices: Any) -> int:
        self.log += cases
        return await super().emit(partition, cases, answers, notices)


def processor_of(emission: Cases, view: View) -> CaseProcessor:
    settings = SimpleNamespace(cases_topic="cases", case_answers_topic="case-answers", payments_topic="payments")
    return CaseProcessor(
        0, CaseStore(), Position(), cast(Any, settings), cast(Any, emission), cast(Any, view), Unobserved()
    )


async def restored(log: list[tuple[int, CaseRecord]]) -> tuple[CaseStore, Position, int]:
    """What the next owner reads from these records, by offset."""
    records = [
        ConsumerRecord("cases", 0, offset, 0, 0, each.key, each.value, None, 0, 0, tuple(each.headers))
        for offset, each in log
    ]
    consumer = FakeConsumer({TopicPartition("cases", 0): records})
    reader = TopicReader(Brokers("b:1"), committed_only=True, consumer=consumer)
    return await CaseLog(Brokers("b:1"), "cases", 5, True, open_reader=lambda _: reader).restore(0, lambda _: None)


async def test_an_erased_case_is_gone_for_the_next_owner_which_goes_on_behind_it() -> None:
    """Also once compaction has removed all records of the case: the position must not go back, or the alert would make
    the case again."""
    emission, view = Cases(), View()
    processor = processor_of(emission, view)
    processor.alert(record_of(alert("a1"), 6))
    await processor.emit()
    case_id = (emission.log[0].key or b"").decode()
    processor.action(record_of(action("erase", case_id, note="a request of the customer"), 3))
    await processor.emit()
    answer = msgspec.json.decode(emission.answers[0].value or b"", type=CaseAnswer)
    assert (answer.accepted, answer.case, answer.action) == (True, None, "erase")
    assert view.changes[-1] == ErasedCase(case_id)
    for log in (list(enumerate(emission.log)), [(9, emission.log[-1])]):
        store, position, _ = await restored(log)
        assert list(store) == []
        assert (position.alerts, position.case_actions) == (7, 4)


async def test_cases_whose_time_is_up_get_records_without_a_value_and_the_view_loses_them() -> None:
    emission, view = Cases(), View()
    store, case_id = store_with(retention_days=30)
    processor = processor_of(emission, view)
    processor._store = store
    await processor.retire((CLOSED_ON_DAY + 31) * DAY_MS)
    assert [(each.key, each.value is None) for each in emission.log] == [(case_id.encode(), True), (b"position", False)]
    assert view.changes == [ErasedCase(case_id)]
    await processor.retire((CLOSED_ON_DAY + 32) * DAY_MS)
    assert len(emission.log) == 2, "nothing is left to remove"

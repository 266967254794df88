"""Merge and split: what is refused, what four eyes see, and what is written together."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from msgspec.structs import replace

from fraudstream.cases.emission import PlainEmission
from fraudstream.cases.grouping import ALERTS_KEPT, case_id_of
from fraudstream.cases.held import Held, HeldPair, Source
from fraudstream.cases.observer import Unobserved
from fraudstream.cases.policy import Approval, CasePolicy
from fraudstream.cases.processor import CaseProcessor
from fraudstream.cases.record import CaseRecord, Position, held_of
from fraudstream.cases.refusal import TAGS_MAX, RejectedAction
from fraudstream.cases.retention import DAY_MS, ErasedCase
from fraudstream.cases.store import CaseStore
from fraudstream.contracts import Alert, Case, CaseAction
from fraudstream.kafka import Brokers
from tests.unit.cases.events import action, alert

FIRST, SECOND = case_id_of("acc-1", "a1"), case_id_of("acc-2", "b1")


def store_of(*alerts: Any, policy: CasePolicy | None = None) -> CaseStore:
    store = CaseStore(policy or CasePolicy())
    for number, each in enumerate(alerts):
        store.alert(each, Source(0, number))
    return store


def merge(store: CaseStore, case_id: str = SECOND, into: str = FIRST, **fields: Any) -> HeldPair | RejectedAction:
    account = "acc-2" if case_id == SECOND else "acc-1"
    result = store.act(action("merge", case_id, other_case_id=into, account_id=account, **fields))
    assert isinstance(result, HeldPair | RejectedAction)
    return result


def split(store: CaseStore, *alert_ids: str, case_id: str = FIRST) -> HeldPair | RejectedAction:
    result = store.act(action("split", case_id, alert_ids=alert_ids, note="another matter"))
    assert isinstance(result, HeldPair | RejectedAction)
    return result


def through(partner_id: str, given: Alert) -> Alert:
    return replace(given, payment=replace(given.payment, partner_id=partner_id))


def refused(result: object) -> str:
    assert isinstance(result, RejectedAction), result
    assert result.sentence.endswith((".", "instead.", "first."))
    return result.code


def two() -> CaseStore:
    return store_of(alert("a1"), alert("b1", "acc-2", severity="critical", score=0.9, rules=("mule/fan_in",)))


def test_the_surviving_case_has_all_of_both() -> None:
    store = two()
    store.act(action("note", FIRST, "ann", note="first", acted_at=2_000))
    store.act(action("note", SECOND, "bob", note="second", acted_at=1_500, account_id="acc-2"))
    store.act(action("tag", FIRST, tag="vip"))
    store.act(action("tag", SECOND, tag="ring", account_id="acc-2"))
    pair = merge(store, note="one ring", acted_at=3_000)
    assert isinstance(pair, HeldPair)
    case = pair.other.case
    assert [(note.actor, note.at_ms, note.text) for note in case.notes] == [
        ("bob", 1_500, "second"),
        ("ann", 2_000, "first"),
        ("ann", 3_000, "one ring"),
    ]
    assert (case.severity, case.score, case.alert_count) == ("critical", 0.9, 2)
    assert case.rules == ("takeover/new_device", "mule/fan_in")
    assert case.amount_totals == {"EUR": "20.00"}
    assert [case.account_of(line) for line in case.alerts] == ["acc-1", "acc-2"]
    assert case.links == (SECOND,)
    assert case.tags == ("vip", "ring")
    merged = pair.held.case
    assert (merged.disposition, merged.merged_into, merged.alert_count) == (None, FIRST, 0)


def test_alerts_join_the_surviving_case_while_it_is_open_and_a_new_one_afterwards() -> None:
    store = two()
    merge(store)
    joined = store.alert(alert("b2", "acc-2"), Source(0, 10))
    assert joined is not None
    assert joined.case.case_id == FIRST
    assert isinstance(store.act(action("close", FIRST, disposition="inconclusive")), Held)
    opened = store.alert(alert("b3", "acc-2"), Source(0, 11))
    assert opened is not None
    assert opened.case.case_id == case_id_of("acc-2", "b3")


def test_a_merged_case_cannot_be_worked() -> None:
    store = two()
    merge(store)
    for name in ("reopen", "claim", "note"):
        assert refused(store.act(action(name, SECOND, note="n", account_id="acc-2"))) == "merged"


def test_what_cannot_be_merged() -> None:
    store = two()
    assert refused(merge(store, into="f" * 32)) == "unknown_other_case"
    assert refused(merge(store, into=SECOND)) == "same_case"
    assert refused(merge(store, expected_version=7)) == "changed"
    store.act(action("close", FIRST, disposition="inconclusive"))
    assert refused(merge(store)) == "other_closed"


def test_a_proposed_closing_hinders_a_merge_on_both_sides() -> None:
    policy = CasePolicy(approval=Approval(confirmed_fraud=True))
    store = store_of(alert("a1"), alert("b1", "acc-2"), policy=policy)
    store.act(action("close", FIRST, disposition="confirmed_fraud", typology="mule"))
    assert refused(merge(store)) == "other_proposed"
    assert refused(merge(store, case_id=FIRST, into=SECOND)) == "proposed"
    assert refused(split(store, "a1")) == "proposed"


def test_only_the_assignee_merges_or_splits_a_case() -> None:
    store = two()
    store.act(action("claim", SECOND, "bob", account_id="acc-2"))
    assert refused(merge(store, actor="ann")) == "assigned_to_other"
    assert isinstance(merge(store, actor="bob"), HeldPair)
    store.act(action("claim", FIRST, "carol"))
    assert refused(split(store, "b1")) == "assigned_to_other"


def test_a_merge_that_would_leave_alerts_without_a_label_is_refused() -> None:
    alerts = [alert(f"a{number}") for number in range(1, ALERTS_KEPT)]
    store = store_of(*alerts, alert("b1", "acc-2"), alert("b2", "acc-2"))
    assert refused(merge(store)) == "too_many_alerts"
    assert isinstance(split(store, "a1", "a2"), HeldPair)
    assert isinstance(merge(store), HeldPair)


def test_notes_that_do_not_fit_into_one_case_are_not_merged() -> None:
    store = two()
    for number in range(20):
        store.act(action("note", SECOND, action_id=f"n{number}", note="é" * 2_000, account_id="acc-2"))
    assert refused(merge(store)) == "notes_full"


def test_alerts_that_a_merged_case_no_longer_lists_are_still_known() -> None:
    alerts = [alert(f"b{number}", "acc-2", occurred_at_ms=number) for number in range(1, ALERTS_KEPT + 3)]
    store = store_of(*alerts, alert("a1"))
    split_off = store.act(
        action("split", SECOND, alert_ids=("b10",), note="n", account_id="acc-2", action_id="split-1")
    )
    assert isinstance(split_off, HeldPair)
    assert isinstance(merge(store), HeldPair)
    case = store.case(FIRST)
    assert case is not None
    assert case.alert_count == ALERTS_KEPT + 2  # with two that are not listed
    for number, each in enumerate(alerts):
        assert store.alert(each, Source(0, number)) is None


def test_what_cannot_be_split() -> None:
    store = two()
    assert refused(split(store, "a7")) == "unknown_alert"
    assert refused(split(store, "a1")) == "nothing_left"
    merge(store)
    store.alert(alert("a2"), Source(0, 5))
    assert refused(split(store, "a1", "b1")) == "several_accounts"


def test_a_case_that_was_split_off_is_merged_with_its_own_account_only() -> None:
    store = store_of(alert("a1"), alert("a2"), alert("b1", "acc-2"))
    pair = split(store, "a2")
    assert isinstance(pair, HeldPair)
    apart = pair.other.case.case_id
    assert refused(merge(store, into=apart)) == "split_off"
    back = store.act(action("merge", FIRST, other_case_id=apart))
    assert isinstance(back, HeldPair)
    joined = store.alert(alert("a3"), Source(0, 9))
    assert joined is not None
    assert joined.case.case_id == apart


def test_the_case_and_what_is_split_off_are_as_severe_as_their_own_alerts() -> None:
    store = store_of(alert("a1"), alert("a2", severity="critical", score=0.9, rules=("mule/fan_in",), currency="USD"))
    pair = split(store, "a2")
    assert isinstance(pair, HeldPair)
    left, new = pair.held.case, pair.other.case
    assert (left.severity, left.score, left.rules, left.amount_totals) == (
        "medium",
        0.5,
        ("takeover/new_device",),
        {"EUR": "10.00"},
    )
    assert (new.severity, new.score, new.rules, new.amount_totals) == (
        "critical",
        0.9,
        ("mule/fan_in",),
        {"USD": "10.00"},
    )
    assert (new.status, new.split_from, new.links) == ("new", FIRST, (FIRST,))


def test_a_case_opened_by_hand_stays_as_severe_as_it_was_opened() -> None:
    store = CaseStore()
    case_id = case_id_of("acc-1", "o1")
    store.act(action("open", case_id, action_id="o1", severity="critical", note="called"))
    store.alert(alert("a1"), None)
    store.alert(alert("a2"), None)
    pair = split(store, "a1", case_id=case_id)
    assert isinstance(pair, HeldPair)
    assert pair.held.case.severity == "critical"


def test_nobody_closes_in_two_parts_what_a_second_person_is_to_approve() -> None:
    policy = msgspec.convert({"base": "EUR", "approval": {"closing_above": "1000"}}, CasePolicy)
    store = store_of(alert("a1", amount="600.00"), alert("a2", amount="600.00"), policy=policy)
    pair = split(store, "a2")
    assert isinstance(pair, HeldPair)
    for held in pair:
        closed = store.act(action("close", held.case.case_id, disposition="false_positive"))
        assert isinstance(closed, Held)
        assert closed.case.proposal is not None


def test_tags_are_limited() -> None:
    store = two()
    for number in range(TAGS_MAX):
        assert isinstance(store.act(action("tag", FIRST, action_id=f"t{number}", tag=f"tag-{number}")), Held)
    assert refused(store.act(action("tag", FIRST, action_id="t", tag="more"))) == "tags_full"
    spaced = msgspec.json.encode(action("tag", FIRST, tag="two words"))
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(spaced, type=CaseAction)


class Batches:
    """A producer that keeps what each batch has. Batches are those of aiokafka."""

    def __init__(self, bytes_max: int) -> None:
        self.bytes_max = bytes_max
        self.sent: list[list[bytes]] = []

    def create_batch(self) -> Any:
        builder, values = DefaultRecordBatchBuilder(2, 0, False, -1, -1, 0, self.bytes_max), list[bytes]()

        def append(timestamp: None, key: bytes, value: bytes, headers: Any) -> Any:
            added = builder.append(len(values), 0, key, value, headers)
            if added is not None:
                values.append(value)
            return added

        return SimpleNamespace(append=append, record_count=lambda: len(values), values=values)

    async def send_batch(self, batch: Any, topic: str, partition: int) -> Any:
        self.sent.append(batch.values)
        answer = asyncio.get_running_loop().create_future()
        answer.set_result(SimpleNamespace(offset=0))
        return answer


async def test_cases_that_changed_together_are_in_one_batch() -> None:
    emission, producer = PlainEmission(Brokers("127.0.0.1:1")), Batches(bytes_max=1_000)
    emission._producer = cast(Any, producer)
    names = [f"{number}".encode() * 300 for number in range(4)]
    records = [CaseRecord("cases", b"k", name, with_next=number == 2) for number, name in enumerate(names)]
    await emission.emit(0, records)
    assert producer.sent == [names[:2], names[2:]]
    await emission.emit(0, records[1:])
    assert producer.sent[2:] == [names[1:2], names[2:]]


async def test_a_merge_is_answered_and_both_cases_have_the_position_after_it() -> None:
    emitted: list[CaseRecord] = []
    answers: list[CaseRecord] = []
    viewed: list[Case] = []

    async def emit(partition: int, cases: list[CaseRecord], given: list[CaseRecord], notices: list[CaseRecord]) -> int:
        emitted.extend(cases)
        answers.extend(given)
        return 0

    processor = CaseProcessor(
        0,
        two(),
        Position(),
        cast(Any, SimpleNamespace(cases_topic="cases", case_answers_topic="case-answers")),
        cast(Any, SimpleNamespace(emit=emit)),
        cast(Any, SimpleNamespace(put=lambda partition, cases, offset: viewed.extend(cases))),
        Unobserved(),
    )
    given = action("merge", SECOND, other_case_id=FIRST, account_id="acc-2")
    processor.action(
        cast(
            Any,
            SimpleNamespace(
                topic="case-actions",
                partition=0,
                offset=7,
                timestamp=0,
                key=b"acc-2",
                value=msgspec.json.encode(given),
                headers=(),
            ),
        )
    )
    await processor.emit()
    assert [record.with_next for record in emitted] == [True, False]
    assert [held_of(record.value or b"", record.headers)[1].case_actions for record in emitted] == [8, 8]
    assert [case.case_id for case in viewed] == [SECOND, FIRST]
    answer = msgspec.json.decode(answers[0].value or b"")
    assert (answer["accepted"], answer["version"], answer["case"]["merged_into"]) == (True, 2, FIRST)


def test_the_partners_follow_the_alerts() -> None:
    first, second = through("north", alert("a1")), through("south", alert("a2"))
    store = store_of(first, second, through("east", alert("b1", "acc-2")))
    merged = merge(store)
    assert isinstance(merged, HeldPair)
    assert (merged.held.case.partners, merged.other.case.partners) == (("east",), ("north", "south", "east"))
    apart = split(store, "a2")
    assert isinstance(apart, HeldPair)
    assert (apart.held.case.partners, apart.other.case.partners) == (("north", "east"), ("south",))


def test_service_levels_count_the_open_cases_after_a_merge_and_a_split() -> None:
    store = two()
    assert dict(store.service_levels) == {("", "within"): 2}
    merge(store)
    assert dict(store.service_levels) == {("", "within"): 1}
    split(store, "a1")
    assert dict(store.service_levels) == {("", "within"): 2}


def test_a_merged_case_is_no_evidence_and_leaves_when_its_time_is_up() -> None:
    store = CaseStore(retention_days=30)
    for number, each in enumerate((alert("a1"), alert("b1", "acc-2"))):
        store.alert(each, Source(0, number))
    written_at_ms = 20_000 * DAY_MS
    given = action("merge", SECOND, other_case_id=FIRST, account_id="acc-2")
    assert isinstance(store.act(given, written_at_ms), HeldPair)
    assert store.retire(written_at_ms + 30 * DAY_MS) == []
    assert store.retire(written_at_ms + 31 * DAY_MS) == [SECOND]
    assert [held.case.case_id for held in store] == [FIRST]
    assert store.alert(alert("b1", "acc-2"), Source(0, 1)) is None, "the other case knows its alerts"


def test_an_erased_case_takes_new_alerts_of_none_of_its_accounts() -> None:
    store = two()
    merge(store)
    assert store.act(action("erase", FIRST, "eve", note="a request")) == ErasedCase(FIRST)
    assert store.open_cases == 0
    for number, account_id in enumerate(("acc-1", "acc-2")):
        held = store.alert(alert(f"c{number}", account_id), Source(0, 9 + number))
        assert held is not None
        assert held.case.accounts == (account_id,)
    assert store.act(action("erase", SECOND, account_id="acc-2")) == ErasedCase(SECOND), "a merged case is closed"

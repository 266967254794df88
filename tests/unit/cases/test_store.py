"""The cases of a partition: repeats, interleavings, restarts and bounds.

Invariant: the cases follow from each account's own alerts and actions, in their order. Whatever else stands between
them, and however often an input comes again, and wherever the agent is killed and read back from the records it
emitted, changes nothing. Limits: what `fraudstream/cases/store.py` says about repeats; the last tests stand on these
edges.
"""

import random
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from fraudstream.cases.grouping import ALERTS_KEPT, case_id_of
from fraudstream.cases.held import Held, HeldPair, RepeatedAction, Source
from fraudstream.cases.record import Position, case_record, held_of, source_of
from fraudstream.cases.refusal import RejectedAction
from fraudstream.cases.retention import ErasedCase
from fraudstream.cases.store import CLOSED_HELD_MS, CaseStore
from fraudstream.contracts import Alert, Case, CaseAction
from fraudstream.contracts.headers import source_header, version_header
from tests.unit.cases.events import action, alert

Event = Alert | CaseAction
ACCOUNTS = ("acc-1", "acc-2", "acc-3")


def applied(
    store: CaseStore, event: Event, source: Source | None = None
) -> Held | HeldPair | RejectedAction | RepeatedAction | ErasedCase | None:
    return store.alert(event, source) if isinstance(event, Alert) else store.act(event)


def cases_of(store: CaseStore) -> list[Case]:
    return sorted((held.case for held in store), key=lambda case: case.case_id)


def cases_after(events: Sequence[Event]) -> list[Case]:
    store = CaseStore()
    for event in events:
        applied(store, event)
    return cases_of(store)


@st.composite
def account_histories(draw: st.DrawFn) -> list[list[Event]]:
    """For each account its own alerts and actions in order; actions name any case that its alerts may have opened."""
    histories: list[list[Event]] = []
    for account in ACCOUNTS:
        history: list[Event] = []
        for number in range(draw(st.integers(1, 8))):
            alert_ids = [event.alert_id for event in history if isinstance(event, Alert)]
            acts = draw(st.booleans())
            if alert_ids and acts:
                history.append(
                    action(
                        draw(st.sampled_from(["claim", "release", "note", "close", "reopen"])),
                        case_id_of(account, draw(st.sampled_from(alert_ids))),
                        actor=draw(st.sampled_from(("ann", "bob"))),
                        action_id=f"{account}-{number}",
                        account_id=account,
                        disposition="false_positive",
                        note="n",
                    )
                )
            else:
                amount = f"{draw(st.integers(0, 10**6))}.{draw(st.integers(0, 99)):02d}"
                at = draw(st.integers(0, 10**6))
                history.append(alert(f"{account}-{number}", account, amount, occurred_at_ms=at))
        histories.append(history)
    return histories


def interleaved(histories: Sequence[Sequence[Event]], order: random.Random) -> list[Event]:
    left = [list(history) for history in histories]
    events = []
    while any(left):
        events.append(order.choice([history for history in left if history]).pop(0))
    return events


@given(account_histories(), st.randoms(use_true_random=False))
def test_any_interleaving_of_accounts_gives_the_same_cases(histories: list[list[Event]], order: random.Random) -> None:
    assert cases_after(interleaved(histories, order)) == cases_after(
        [event for history in histories for event in history]
    )


@given(account_histories(), st.randoms(use_true_random=False))
def test_repeated_alerts_and_accepted_actions_change_nothing(
    histories: list[list[Event]], order: random.Random
) -> None:
    store, seen = CaseStore(), list[tuple[Event, RepeatedAction | None]]()
    for event in interleaved(histories, order):
        held = applied(store, event)
        if isinstance(held, Held):
            seen.append((event, None if isinstance(event, Alert) else RepeatedAction(held.case.version)))
        before = cases_of(store)
        for repeat, expected in order.sample(seen, min(3, len(seen))):
            assert applied(store, repeat) == expected
        assert cases_of(store) == before


@given(account_histories(), st.randoms(use_true_random=False))
def test_a_store_restored_from_its_records_continues_as_if_it_had_never_stopped(
    histories: list[list[Event]], order: random.Random
) -> None:
    store, emitted = CaseStore(), []
    for offset, event in enumerate(interleaved(histories, order)):
        result = applied(store, event, Source(0, offset))
        if isinstance(result, Held):
            emitted.append(case_record("cases", 0, result, Position(offset + 1)))
        if order.random() < 0.3:  # killed here; half of the time compaction has been by
            newest = {record.key: number for number, record in enumerate(emitted)}
            kept = [r for n, r in enumerate(emitted) if newest[r.key] == n] if order.random() < 0.5 else emitted
            store = CaseStore()
            for record in kept:
                store.restore(held_of(record.value or b"", record.headers)[0])
    assert cases_of(store) == cases_after(interleaved(histories, random.Random(0)))


def test_an_alert_after_the_closing_opens_a_new_case() -> None:
    store = CaseStore()
    applied(store, alert("a1"))
    first = case_id_of("acc-1", "a1")
    applied(store, action("close", first, disposition="false_positive"))
    held = store.alert(alert("a2"), None)

    assert held is not None
    assert held.case.case_id == case_id_of("acc-1", "a2") != first
    assert held.case.alert_count == 1
    assert store.open_cases == 1


def test_a_repeated_alert_of_a_closed_case_opens_no_case() -> None:
    store = CaseStore()
    applied(store, alert("a1"))
    applied(store, action("close", case_id_of("acc-1", "a1"), disposition="false_positive"))

    assert store.alert(alert("a1"), None) is None
    assert store.open_cases == 0


def test_a_repeated_action_tells_the_version_that_it_led_to() -> None:
    store = CaseStore()
    applied(store, alert("a1"))
    claim, note = action("claim", case_id_of("acc-1", "a1")), action("note", case_id_of("acc-1", "a1"), note="n")
    applied(store, claim)
    applied(store, note)
    assert [store.act(claim), store.act(note)] == [RepeatedAction(2), RepeatedAction(3)]


def test_a_repeat_of_an_action_before_versions_were_kept_tells_the_present_version() -> None:
    store = CaseStore()
    applied(store, alert("a1"))
    case_id = case_id_of("acc-1", "a1")
    held = applied(store, action("claim", case_id))
    assert isinstance(held, Held)
    again = CaseStore()
    again.restore(held._replace(memo=replace(held.memo, action_versions=())))
    again.act(action("note", case_id, note="n"))
    assert again.act(action("claim", case_id)) == RepeatedAction(3)


def opening(action_id: str = "o1", account_id: str = "acc-1", **fields: Any) -> CaseAction:
    case_id = case_id_of(account_id, action_id)
    values = {"account_id": account_id, "note": "card lost", "severity": "high", **fields}
    return action("open", case_id, "ann", action_id, **values)


def test_a_case_is_opened_by_hand_and_alerts_join_it() -> None:
    store = CaseStore()
    held = store.act(opening())
    assert isinstance(held, Held)
    case = held.case
    assert (case.status, case.severity, case.alert_count, case.opened_at_ms) == ("new", "high", 0, 5_000)
    assert [(note.actor, note.action, note.text) for note in case.notes] == [("ann", "open", "card lost")]
    assert store.act(opening()) == RepeatedAction(1)
    again = CaseStore()
    record = case_record("cases", 0, held, Position())
    again.restore(held_of(record.value or b"", record.headers)[0])
    for each in (store, again):
        joined = applied(each, alert("a1"))
        assert isinstance(joined, Held)
        assert (joined.case.case_id, joined.case.alert_count, joined.case.severity) == (case.case_id, 1, "high")


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (opening("o2"), "other_case_open"),
        (opening("o2", account_id="acc-2", acted_at=-1), "acted_at"),
        (action("open", "mine", "ann", "o2", account_id="acc-2", note="n", severity="low"), "case_id"),
        (action("open", case_id_of("acc-1", "a1"), "ann", "o2", note="n", severity="low"), "case_exists"),
    ],
)
def test_a_case_that_cannot_be_opened_by_hand_is_refused(given: CaseAction, code: str) -> None:
    store = CaseStore()
    applied(store, alert("a1"))
    result = store.act(given)
    assert isinstance(result, RejectedAction)
    assert result.code == code


def test_a_case_without_alerts_is_dropped_by_the_time_it_was_opened() -> None:
    store = CaseStore()
    held = applied(store, opening(acted_at=1_000))
    assert isinstance(held, Held)
    applied(store, action("close", held.case.case_id, disposition="inconclusive"))
    applied(store, alert("b1", "acc-2", occurred_at_ms=CLOSED_HELD_MS + 1_000))
    assert store.case(held.case.case_id) is not None
    applied(store, alert("b2", "acc-2", occurred_at_ms=CLOSED_HELD_MS + 1_001))
    assert store.case(held.case.case_id) is None


def test_an_action_on_an_unknown_case_is_rejected_with_advice() -> None:
    result = CaseStore().act(action("claim", "nowhere"))
    assert isinstance(result, RejectedAction)
    assert result.code == "unknown_case"
    assert "partition of `cases`" in result.sentence


def test_repeats_of_alerts_that_are_no_longer_listed_are_known_by_the_position_of_their_payment() -> None:
    """A worker killed before its checkpoint sends all alerts since again, perhaps more of one account than a case
    lists."""
    store = CaseStore()
    alerts = [alert(f"a{number}") for number in range(ALERTS_KEPT * 3)]
    for number, given_alert in enumerate(alerts):
        store.alert(given_alert, Source(2, number * 10))
    (case,) = cases_of(store)

    for number, given_alert in enumerate(alerts):
        assert store.alert(given_alert, Source(2, number * 10)) is None
    assert cases_of(store) == [case]
    assert case.alert_count == ALERTS_KEPT * 3

    assert store.alert(alert("new"), Source(2, ALERTS_KEPT * 30)) is not None
    assert store.alert(alert("of another log partition"), Source(1, 0)) is not None
    next_version = source_of([source_header(2, 0), version_header(2)])
    assert store.alert(alert("of the next state version's log"), next_version) is not None
    (case,) = cases_of(store)
    for number in range(ALERTS_KEPT + 1):
        store.alert(alert(f"b{number}"), Source(2, number + 1, state_version=2))
    assert store.alert(alert("of the next state version's log"), next_version) is None


def test_a_closed_case_is_dropped_only_when_the_partition_is_far_ahead_of_it() -> None:
    store = CaseStore()
    applied(store, alert("a1", occurred_at_ms=0))
    old = case_id_of("acc-1", "a1")
    applied(store, action("close", old, disposition="false_positive"))

    applied(store, alert("b1", "acc-2", occurred_at_ms=CLOSED_HELD_MS))
    assert store.case(old) is not None
    applied(store, alert("b2", "acc-2", occurred_at_ms=CLOSED_HELD_MS + 1))
    assert store.case(old) is None
    assert [case.account_id for case in cases_of(store)] == ["acc-2"]


def test_an_open_case_is_never_dropped() -> None:
    store = CaseStore()
    applied(store, alert("a1", occurred_at_ms=0))
    applied(store, alert("b1", "acc-2", occurred_at_ms=10 * CLOSED_HELD_MS))
    held = store.alert(alert("a2", occurred_at_ms=5), None)

    assert held is not None
    assert held.case.alert_count == 2


def test_a_repeated_alert_with_a_different_verdict_disagrees() -> None:
    store = CaseStore()
    for event in (alert("a1"), alert("a2")):
        assert store.alert(event, None) is not None
        assert not store.disagrees(event)
    assert store.disagrees(alert("a1", verdict_digest="f" * 16))
    assert not store.disagrees(alert("a3", verdict_digest="f" * 16))  # never seen: nothing to disagree with


def test_a_store_restored_from_its_records_still_has_the_verdicts() -> None:
    store = CaseStore()
    held = store.alert(alert("a1"), None)
    assert held is not None
    record = case_record("cases", 0, held, Position())
    again = CaseStore()
    again.restore(held_of(record.value or b"", record.headers)[0])
    assert again.disagrees(alert("a1", verdict_digest="f" * 16))
    assert not again.disagrees(alert("a1"))

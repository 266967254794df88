"""Service levels, the end of a wait and of a snooze: when each is due, and what becomes of the case."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
import pytest

from fraudstream.cases.grouping import case_id_of, opened
from fraudstream.cases.held import Held, RepeatedAction
from fraudstream.cases.lifecycle import acted_on
from fraudstream.cases.policy import CasePolicy
from fraudstream.cases.queueing import entered, rejoined
from fraudstream.cases.refusal import RejectedAction
from fraudstream.cases.store import CaseStore
from fraudstream.cases.timers import due_timer, expiry_of
from fraudstream.contracts import Case
from tests.unit.cases.events import action, alert

MINUTE = 60_000
POLICY = msgspec.convert(
    {
        "queues": [
            {
                "name": "urgent",
                "severity": "high",
                "first_action": {"warn": "15m", "breach": "30m"},
                "closing": {"warn": "2h", "breach": "4h"},
                "escalate_to": "senior",
            },
            {"name": "general", "closing": {"breach": "3h"}},
        ]
    },
    CasePolicy,
)
NEW = entered(opened(alert(severity="high")), POLICY, 0)


def act(case: Case, name: str, at_minutes: int, actor: str = "ann", **fields: Any) -> Case:
    given = action(name, case.case_id, actor, acted_at=at_minutes * MINUTE, note="n", **fields)
    after = acted_on(case, given, None, POLICY)
    assert isinstance(after, Case), after
    return after


def due(case: Case) -> tuple[str, float] | None:
    """The timer that is due first: its name, and when, in minutes."""
    timer = due_timer(case)
    return None if timer is None else (timer.name, timer.due_at_ms / MINUTE)


def expire(case: Case) -> Case:
    """The case after its next timer."""
    timer = due_timer(case)
    assert timer is not None
    after = acted_on(case, expiry_of(case, timer), None, POLICY)
    assert isinstance(after, Case), after
    assert after.version == case.version + 1
    return after


def test_a_case_that_nobody_touches_is_warned_breached_and_escalated_in_turn() -> None:
    assert due(NEW) == ("first_action_warning", 15)
    warned = expire(NEW)
    assert (warned.warned_at_ms, warned.status, due(warned)) == (15 * MINUTE, "new", ("first_action_breach", 30))
    breached = expire(warned)
    assert (breached.breached_at_ms, breached.status, breached.escalated_to) == (30 * MINUTE, "escalated", "senior")
    assert due(breached) == ("closing_warning", 120)
    last = expire(expire(breached))
    assert (last.warned_at_ms, last.breached_at_ms, due(last)) == (120 * MINUTE, 240 * MINUTE, None)


def test_an_action_ends_the_timers_of_the_first_and_closing_ends_all() -> None:
    claimed = act(NEW, "claim", 10)
    assert due(claimed) == ("closing_warning", 120)
    assert due(act(claimed, "close", 20, disposition="inconclusive")) is None


def test_a_breach_takes_a_case_from_its_assignee_where_the_queue_escalates() -> None:
    breached = expire(expire(act(NEW, "claim", 10)))
    assert (breached.status, breached.assignee, breached.escalated_to) == ("escalated", None, "senior")
    general = entered(opened(alert()), POLICY, 0)
    breached = expire(act(general, "claim", 10))
    assert (breached.status, breached.assignee, breached.breached_at_ms) == ("in_review", "ann", 180 * MINUTE)


def test_while_a_case_waits_its_clock_stands_still() -> None:
    waiting = act(act(NEW, "claim", 10), "wait", 60, waiting_for="customer")
    assert due(waiting) is None
    resumed = act(waiting, "resume", 160)
    assert due(resumed) == ("closing_warning", 220)
    again = act(act(resumed, "wait", 170, waiting_for="partner"), "release", 175, actor="bob")
    assert due(again) == ("closing_warning", 225)


def test_a_wait_with_an_end_is_resumed_by_itself() -> None:
    waiting = act(act(NEW, "claim", 10), "wait", 60, waiting_for="customer", until=100 * MINUTE)
    assert due(waiting) == ("waiting_end", 100)
    resumed = expire(waiting)
    assert (resumed.status, resumed.assignee, resumed.waiting_for) == ("in_review", "ann", None)
    assert due(resumed) == ("closing_warning", 160)
    by_hand = act(waiting, "resume", 70)
    assert due(by_hand) == ("closing_warning", 130)  # the timer of the wait is over


def test_a_snooze_ends_by_time_or_by_hand_and_tells_what_it_hid() -> None:
    snoozed = act(act(NEW, "claim", 10), "snooze", 20, until=90 * MINUTE)
    assert snoozed.snooze is not None
    assert (snoozed.snooze.actor, snoozed.snooze.reason, snoozed.snooze.alert_count) == ("ann", "n", 1)
    assert (snoozed.status, due(snoozed)) == ("in_review", ("snooze_end", 90))
    assert expire(snoozed).snooze is None
    awake = act(snoozed, "wake", 30, actor="bob")
    assert (awake.snooze, due(awake)) == (None, ("closing_warning", 120))
    later = act(snoozed, "snooze", 40, until=100 * MINUTE)
    assert due(later) == ("snooze_end", 100)
    assert due(act(later, "close", 50, disposition="inconclusive")) is None


@pytest.mark.parametrize(
    ("name", "fields", "code"),
    [
        ("snooze", {"until": 5 * MINUTE}, "until"),
        ("snooze", {"until": 10**15}, "until"),
        ("wake", {}, "not_snoozed"),
    ],
)
def test_a_snooze_that_makes_no_sense_is_refused(name: str, fields: dict[str, Any], code: str) -> None:
    result = acted_on(NEW, action(name, NEW.case_id, acted_at=5 * MINUTE, note="n", **fields), None)
    assert isinstance(result, RejectedAction)
    assert result.code == code


def test_a_timer_that_has_moved_on_does_nothing() -> None:
    timer = due_timer(NEW)
    assert timer is not None
    result = acted_on(act(NEW, "claim", 14), expiry_of(NEW, timer), None, POLICY)
    assert isinstance(result, RejectedAction)
    assert result.code == "not_due"


def test_reopening_starts_the_service_level_again_and_another_queue_has_its_own() -> None:
    closed = act(expire(NEW), "close", 20, disposition="inconclusive")
    reopened = act(closed, "reopen", 1_000)
    assert (reopened.warned_at_ms, due(reopened)) == (None, ("first_action_warning", 1_015))
    general = entered(opened(alert()), POLICY, 0)
    assert due(general) == ("closing_breach", 180)
    moved = rejoined(msgspec.structs.replace(general, severity="high"), POLICY)
    assert due(moved) == ("first_action_warning", 15)
    acted = rejoined(msgspec.structs.replace(act(general, "claim", 1), severity="high"), POLICY)
    assert due(acted) == ("closing_warning", 120)


def test_a_store_tells_each_timer_when_it_is_due_also_after_a_restart() -> None:
    store = CaseStore(POLICY)
    for number, account in enumerate(("acc-1", "acc-2")):
        store.alert(alert(account, account, severity="high"), None, at_ms=number * MINUTE)
    assert store.due(15 * MINUTE - 1) == []
    (first,) = store.due(15 * MINUTE)
    assert (first.account_id, first.action, first.timer) == ("acc-1", "expire", "first_action_warning")
    assert store.due(15 * MINUTE) == []
    assert [each.account_id for each in store.due(99 * MINUTE)] == ["acc-2"]

    again = CaseStore(POLICY)
    for held in store:
        again.restore(held)
    assert [each.account_id for each in again.due(15 * MINUTE)] == ["acc-1"]  # it had not taken effect
    assert isinstance(again.act(first), Held)
    assert again.act(first) == RepeatedAction(2)
    assert {(each.account_id, each.timer) for each in again.due(99 * MINUTE)} == {
        ("acc-1", "first_action_breach"),
        ("acc-2", "first_action_warning"),
    }


def test_a_timer_comes_again_if_the_case_changes_before_it_takes_effect() -> None:
    store = CaseStore(POLICY)
    store.alert(alert("a1", severity="high"), None, at_ms=0)
    case_id = case_id_of("acc-1", "a1")
    store.act(action("claim", case_id, acted_at=MINUTE, action_id="1"))
    (expiry,) = store.due(120 * MINUTE)
    paused = action("wait", case_id, acted_at=119 * MINUTE, note="n", waiting_for="customer", action_id="2")
    store.act(paused)
    assert isinstance(store.act(expiry), RejectedAction)
    store.act(action("resume", case_id, acted_at=119 * MINUTE, action_id="3"))
    assert store.due(120 * MINUTE) == [expiry]


def test_a_store_counts_open_cases_by_queue_and_service_level_also_after_a_restart() -> None:
    store = CaseStore(POLICY)
    urgent = store.alert(alert("a1", severity="high"), None)
    general = store.alert(alert("a2", "acc-2", severity="low"), None)
    assert urgent is not None
    assert general is not None
    assert store.service_levels == {("urgent", "within"): 1, ("general", "within"): 1}
    (warning,) = store.due(urgent.case.opened_at_ms + 15 * MINUTE)
    held = store.act(warning)
    assert isinstance(held, Held)
    assert store.service_levels == {("urgent", "within"): 0, ("urgent", "warned"): 1, ("general", "within"): 1}
    restarted = CaseStore(POLICY)
    for each in (urgent, held, general, urgent):
        restarted.restore(each)
    assert +Counter(restarted.service_levels) == +Counter(store.service_levels)
    store.act(action("close", urgent.case.case_id, disposition="false_positive"))
    assert +Counter(store.service_levels) == {("general", "within"): 1}

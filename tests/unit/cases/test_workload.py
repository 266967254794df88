"""Cases that a queue assigns by itself: to whom, and that a restart changes nothing."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraudstream.cases.due_cases import ASSIGN_AGAIN_MS
from fraudstream.cases.grouping import case_id_of
from fraudstream.cases.held import Held, RepeatedAction
from fraudstream.cases.policy import CasePolicy
from fraudstream.cases.refusal import RejectedAction
from fraudstream.cases.store import CaseStore
from fraudstream.contracts import CaseAction
from tests.unit.cases.events import action, alert

NAMES = ("ann", "bob", "carol")
NOW_MS = 10_000


def policy(method: str, analysts: Sequence[str] = NAMES, **fields: Any) -> CasePolicy:
    queue = {"name": "general", "assignment": {"method": method, "analysts": list(analysts)}, **fields}
    skills = {"bob": ["mule"], "carol": ["mule", "general"], "ann": ["takeover"]}
    return msgspec.convert({"queues": [queue], "skills": skills}, CasePolicy)


def add(store: CaseStore, number: int, rules: tuple[str, ...] = ("takeover/new_device",)) -> str:
    account = f"acc-{number}"
    assert store.alert(alert(f"a{number}", account, rules=rules), None, at_ms=number) is not None
    return case_id_of(account, f"a{number}")


def assign(store: CaseStore, absent: Collection[str] = (), now_ms: int = NOW_MS) -> list[str | None]:
    """Who gets the cases that wait."""
    results = [store.act(each) for each in store.due(now_ms, absent)]
    assert all(isinstance(each, Held) for each in results), results
    return [each.case.assignee for each in results if isinstance(each, Held)]


def send(store: CaseStore, name: str, case_id: str, number: int, actor: str = "ann", **fields: Any) -> Held:
    result = store.act(action(name, case_id, actor, f"{name}-{number}", account_id=f"acc-{number}", **fields))
    assert isinstance(result, Held), result
    return result


def restarted(store: CaseStore, given: CasePolicy) -> CaseStore:
    again = CaseStore(given)
    for held in store:
        again.restore(held)
    return again


def test_round_robin_goes_on_where_it_was_also_after_a_restart() -> None:
    given = policy("round_robin")
    store = CaseStore(given)
    for number in range(4):
        add(store, number)
    assert assign(store) == ["ann", "bob", "carol", "ann"]
    store = restarted(store, given)
    add(store, 4)
    assert assign(store) == ["bob"]
    add(store, 5)
    assert assign(store, absent={"carol"}) == ["ann"]


def test_by_load_the_one_with_the_fewest_open_cases_gets_it() -> None:
    given = policy("load")
    store = CaseStore(given)
    ids = [add(store, number) for number in range(3)]
    send(store, "claim", ids[0], 0, "ann")
    assert assign(store) == ["bob", "carol"]
    send(store, "close", ids[0], 0, "ann", disposition="inconclusive")
    add(store, 3)
    assert assign(restarted(store, given)) == ["ann"]
    assert assign(store) == ["ann"]


def test_by_skill_the_one_who_knows_the_typology_gets_it() -> None:
    store = CaseStore(policy("skill"))
    got = []
    for number, rules in enumerate((("mule/fan_in",), ("takeover/x",), ("mule/fan_in", "takeover/x"))):
        add(store, number, rules)
        got += assign(store)
    assert got == ["carol", "ann", "carol"]  # "general" is a skill, too
    add(store, 3, ("mule/fan_in",))
    assert assign(store, absent={"carol"}) == ["bob"]
    add(store, 4, ("cash_out/x",))
    assert assign(store, absent={"carol"}) == ["ann"]  # nobody has it: the fewest cases


def test_while_everybody_is_absent_a_case_waits_and_its_service_level_goes_on() -> None:
    store = CaseStore(policy("load", closing={"breach": "1m"}))
    case_id = add(store, 1)
    assert store.due(NOW_MS, NAMES) == []
    assert store.due(NOW_MS + 1, NAMES) == []
    (breach,) = store.due(70_000, NAMES)
    assert breach.timer == "closing_breach"
    store.act(breach)
    assert store.due(70_001, NAMES) == []
    (later,) = store.due(70_001 + ASSIGN_AGAIN_MS, ("ann", "bob"))
    assert (later.timer, later.absent) == ("assignment", ("ann", "bob"))
    store.act(later)
    case = store.case(case_id)
    assert case is not None
    assert (case.assignee, case.status, case.breached_at_ms) == ("carol", "assigned", 60_001)


def test_who_takes_a_case_first_has_it() -> None:
    store = CaseStore(policy("load"))
    case_id = add(store, 1)
    (given,) = store.due(NOW_MS)
    send(store, "claim", case_id, 1, "zoe")
    refused = store.act(given)
    assert isinstance(refused, RejectedAction)
    assert refused.code == "not_due"
    assert store.due(NOW_MS) == []


def test_a_released_case_goes_to_somebody_else() -> None:
    store = CaseStore(policy("round_robin", ("ann", "bob")))
    case_id = add(store, 1)
    assert assign(store) == ["ann"]
    send(store, "release", case_id, 1, acted_at=6_000)
    assert assign(store) == ["bob"]


def test_what_is_put_aside_or_escalated_is_not_assigned() -> None:
    store = CaseStore(policy("load"))
    first, second = add(store, 1), add(store, 2)
    send(store, "snooze", first, 1, until=50_000, note="later")
    send(store, "escalate", second, 2, escalate_to="senior", note="n")
    assert store.due(NOW_MS) == []


def test_the_timer_published_twice_assigns_once() -> None:
    store = CaseStore(policy("load"))
    add(store, 1)
    (given,) = store.due(NOW_MS)
    assert isinstance(store.act(given), Held)
    assert isinstance(store.act(given), RepeatedAction)


@pytest.mark.parametrize(
    "assignment",
    [
        {"method": "load", "analysts": []},
        {"method": "load", "analysts": ["ann", "ann"]},
        {"method": "other", "analysts": ["ann"]},
        {"method": "load"},
    ],
)
def test_an_assignment_that_is_none_is_refused(assignment: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"queues": [{"name": "general", "assignment": assignment}]}, CasePolicy)


@given(
    method=st.sampled_from(("round_robin", "load", "skill")),
    steps=st.lists(st.tuples(st.integers(0, 4), st.sets(st.sampled_from(NAMES), max_size=2), st.booleans())),
)
def test_a_restart_anywhere_changes_nothing(method: str, steps: list[tuple[int, set[str], bool]]) -> None:
    given = policy(method)
    live, again = CaseStore(given), CaseStore(given)
    for count, (kind, absent, restarts) in enumerate(steps):
        if restarts:
            again = restarted(again, given)
        events: list[Any] = []
        assigned = [held.case for held in live if held.case.assignee is not None and held.case.status != "closed"]
        if kind < 2 or not assigned:
            events = [alert(f"a{count}", f"acc-{count}", rules=(("mule/a",), ("takeover/b",))[kind % 2])]
        else:
            name, fields = ("release", {}) if kind == 2 else ("close", {"disposition": "inconclusive"})
            case = assigned[count % len(assigned)]
            assert case.assignee is not None
            events = [action(name, case.case_id, case.assignee, f"x{count}", account_id=case.account_id, **fields)]
        for store in (live, again):
            for event in events:
                store.act(event) if isinstance(event, CaseAction) else store.alert(event, None, at_ms=1)
            for expiry in store.due(NOW_MS, absent):
                store.act(expiry)
        assert {held.case.case_id: held for held in live} == {held.case.case_id: held for held in again}

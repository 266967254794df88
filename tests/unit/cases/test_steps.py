"""A case keeps what was done to it: the actions that took effect, bounded."""

import msgspec

from fraudstream.cases.grouping import case_id_of
from fraudstream.cases.held import Held, HeldPair
from fraudstream.cases.refusal import RejectedAction
from fraudstream.cases.steps import STEPS_BYTES_MAX, STEPS_KEPT, with_step
from fraudstream.cases.store import CaseStore
from fraudstream.contracts import Case, CaseStep
from tests.unit.cases.events import action, alert


def opened(store: CaseStore) -> Case:
    held = store.alert(alert(), None)
    assert held is not None
    return held.case


def test_a_step_has_who_what_when_the_version_and_the_details() -> None:
    store = CaseStore()
    case_id = opened(store).case_id
    store.act(action("claim", case_id))
    store.act(action("wait", case_id, waiting_for="customer", note="called", until=60_000, acted_at=6_000))
    held = store.act(action("close", case_id, disposition="confirmed_fraud", typology="mule"))
    assert isinstance(held, Held)
    assert held.case.steps == (
        CaseStep(5_000, "ann", "claim", 2),
        CaseStep(6_000, "ann", "wait", 3, "customer 1970-01-01T00:01:00Z"),
        CaseStep(5_000, "ann", "close", 4, "confirmed_fraud mule"),
    )


def test_a_refused_or_repeated_action_and_an_alert_leave_no_step() -> None:
    store = CaseStore()
    case_id = opened(store).case_id
    store.act(action("claim", case_id))
    assert isinstance(store.act(action("claim", case_id, "bob")), RejectedAction)
    store.act(action("claim", case_id))
    held = store.alert(alert("a2"), None)
    assert held is not None
    assert [step.action for step in held.case.steps] == ["claim"]


def test_a_timer_that_took_effect_is_a_step() -> None:
    store = CaseStore()
    case_id = opened(store).case_id
    store.act(action("claim", case_id))
    store.act(action("snooze", case_id, until=9_000, note="later"))
    (expiry,) = store.due(9_000)
    held = store.act(expiry)
    assert isinstance(held, Held)
    assert held.case.steps[-1] == CaseStep(9_000, "fraudstream", "expire", 4, "snooze_end")


def test_a_case_keeps_the_newest_steps_within_both_limits() -> None:
    case = opened(CaseStore())
    for number in range(STEPS_KEPT + 5):
        case = with_step(case, action("note", case.case_id, note="x", acted_at=number))
    assert [step.at_ms for step in case.steps] == list(range(5, STEPS_KEPT + 5))
    for number in range(STEPS_KEPT):
        long = "客" * 128
        case = with_step(case, action("assign", case.case_id, long, assignee=long, acted_at=number))
    assert 10 < len(case.steps) < STEPS_KEPT
    assert case.steps[-1].at_ms == STEPS_KEPT - 1
    assert len(msgspec.json.encode(case.steps)) <= STEPS_BYTES_MAX


def test_a_merge_and_a_split_are_steps_of_both_cases_which_name_each_other() -> None:
    store = CaseStore()
    first = opened(store).case_id
    other = store.alert(alert("b1", "acc-2"), None)
    assert other is not None
    merged = store.act(action("merge", other.case.case_id, account_id="acc-2", other_case_id=first))
    assert isinstance(merged, HeldPair)
    assert [held.case.steps[-1] for held in merged] == [
        CaseStep(5_000, "ann", "merge", 2, first),
        CaseStep(5_000, "ann", "merge", 2, other.case.case_id),
    ]
    split = store.act(action("split", first, alert_ids=("b1",), note="two matters"))
    assert isinstance(split, HeldPair)
    new = case_id_of("acc-2", "split-by-ann")
    assert [held.case.steps[-1] for held in split] == [
        CaseStep(5_000, "ann", "split", 3, new),
        CaseStep(5_000, "ann", "split", 1, first),
    ]


def test_a_tag_is_a_step_that_names_it() -> None:
    store = CaseStore()
    held = store.act(action("tag", opened(store).case_id, tag="ring"))
    assert isinstance(held, Held)
    assert held.case.steps == (CaseStep(5_000, "ann", "tag", 2, "ring"),)

"""Which actions a case allows, and when."""

import msgspec
import pytest
from msgspec.structs import replace

from fraudstream.cases.grouping import opened
from fraudstream.cases.lifecycle import RejectedAction, acted_on, labels_of
from fraudstream.contracts import Case, CaseAction, CaseNote
from tests.unit.cases.events import action, alert

OPEN = opened(alert())
CLAIMED = replace(OPEN, status="claimed", assignee="ann")
CLOSED = replace(OPEN, status="closed", disposition="genuine")
CASES = {"open": OPEN, "claimed": CLAIMED, "closed": CLOSED}


def act(case: Case, given: CaseAction, other_open: str | None = None) -> Case | RejectedAction:
    return acted_on(case, given, other_open)


# Every state, every action, by the assignee (ann) and by somebody else (bob): the status after, or the refusal's code.
TABLE = {
    ("open", "claim"): ("claimed", "claimed"),
    ("open", "release"): ("not_claimed", "not_claimed"),
    ("open", "note"): ("open", "open"),
    ("open", "close"): ("closed", "closed"),
    ("open", "reopen"): ("not_closed", "not_closed"),
    ("claimed", "claim"): ("already_claimed", "claimed_by_other"),
    ("claimed", "release"): ("open", "open"),
    ("claimed", "note"): ("claimed", "claimed"),
    ("claimed", "close"): ("closed", "claimed_by_other"),
    ("claimed", "reopen"): ("not_closed", "not_closed"),
    ("closed", "claim"): ("closed!", "closed!"),
    ("closed", "release"): ("closed!", "closed!"),
    ("closed", "note"): ("closed!", "closed!"),
    ("closed", "close"): ("closed!", "closed!"),
    ("closed", "reopen"): ("open", "open"),
}


@pytest.mark.parametrize(("status", "name"), TABLE)
def test_each_status_allows_the_actions_of_the_table(status: str, name: str) -> None:
    for actor, expected in zip(("ann", "bob"), TABLE[status, name], strict=True):
        given = action(name, OPEN.case_id, actor, disposition="fraud", note="seen")
        result = act(CASES[status], given)
        if isinstance(result, RejectedAction):
            assert result.code == expected.removesuffix("!"), actor
            assert result.sentence.endswith("."), result.sentence
            assert OPEN.case_id in result.sentence
        else:
            assert (result.status, result.version) == (expected, CASES[status].version + 1), actor
            assert result.notes == (*CASES[status].notes, CaseNote(5_000, actor, given.action, "seen"))


def test_claiming_sets_the_assignee_and_releasing_removes_it() -> None:
    claimed = act(OPEN, action("claim", OPEN.case_id, "bob"))
    assert isinstance(claimed, Case)
    assert claimed.assignee == "bob"
    released = act(claimed, action("release", OPEN.case_id, "carol"))
    assert isinstance(released, Case)
    assert released.assignee is None


def test_a_closed_case_names_who_closed_it_and_when_and_a_reopened_one_does_not() -> None:
    closed = act(OPEN, action("close", OPEN.case_id, "bob", disposition="fraud", acted_at=7_000))
    assert isinstance(closed, Case)
    assert (closed.disposition, closed.closed_by, closed.closed_at_ms) == ("fraud", "bob", 7_000)
    reopened = act(replace(closed, assignee="ann"), action("reopen", OPEN.case_id))
    assert isinstance(reopened, Case)
    assert (reopened.status, reopened.disposition, reopened.assignee) == ("open", None, None)
    assert (reopened.closed_by, reopened.closed_at_ms) == (None, None)


def test_a_note_is_added_to_the_earlier_ones_and_survives_closing_and_reopening() -> None:
    case = OPEN
    for given in (
        action("note", OPEN.case_id, "ann", note="called the customer"),
        action("note", OPEN.case_id, "bob", note="she called back", acted_at=6_000),
        action("close", OPEN.case_id, "bob", disposition="fraud", note="card copied", acted_at=7_000),
        action("reopen", OPEN.case_id, "ann", acted_at=8_000),
    ):
        after = act(case, given)
        assert isinstance(after, Case)
        case = after
    assert case.notes == (
        CaseNote(5_000, "ann", "note", "called the customer"),
        CaseNote(6_000, "bob", "note", "she called back"),
        CaseNote(7_000, "bob", "close", "card copied"),
    )


def test_a_note_that_would_make_the_case_too_large_is_rejected_and_loses_none() -> None:
    case: Case | RejectedAction = OPEN
    while isinstance(case, Case):
        held = case
        case = act(held, action("note", OPEN.case_id, note="ü" * 4_096))
    assert case.code == "notes_full"
    assert f"its {len(held.notes)} notes leave no room" in case.sentence
    assert len(held.notes) > 20
    assert len(msgspec.json.encode(held)) < 1_000_000
    assert isinstance(act(held, action("close", OPEN.case_id, disposition="fraud")), Case)


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (action("claim", OPEN.case_id, account_id="acc-2"), "wrong_account"),
        (action("claim", OPEN.case_id, acted_at=-1), "acted_at"),
        (action("claim", OPEN.case_id, acted_at=10**15), "acted_at"),
    ],
)
def test_an_invalid_action_is_rejected_with_its_code(given: CaseAction, code: str) -> None:
    result = act(OPEN, given)
    assert isinstance(result, RejectedAction)
    assert result.code == code


def test_a_case_is_not_reopened_while_the_account_has_an_open_one() -> None:
    result = act(CLOSED, action("reopen", OPEN.case_id), other_open="other")
    assert isinstance(result, RejectedAction)
    assert result.code == "other_case_open"


def test_the_time_of_a_case_is_that_of_its_events_and_never_goes_back() -> None:
    later = act(OPEN, action("note", OPEN.case_id, note="x", acted_at=9_000))
    assert isinstance(later, Case)
    earlier = act(later, action("note", OPEN.case_id, note="y", acted_at=2_000))
    assert isinstance(earlier, Case)
    assert (later.updated_at_ms, earlier.updated_at_ms) == (9_000, 9_000)


@pytest.mark.parametrize("disposition", ["fraud", "genuine"])
def test_a_disposition_becomes_a_label_for_every_alert(disposition: str) -> None:
    labels = labels_of(OPEN, action("close", OPEN.case_id, disposition=disposition))
    assert [(label.event_id, label.account_id, label.label, label.source) for label in labels] == [
        ("event-of-a1", "acc-1", disposition, OPEN.case_id)
    ]
    assert (labels[0].labelled_at, labels[0].payment_occurred_at) == (5_000, 1_000)


def test_an_inconclusive_case_and_a_note_give_no_labels() -> None:
    assert labels_of(OPEN, action("close", OPEN.case_id, disposition="inconclusive")) == []
    assert labels_of(OPEN, action("note", OPEN.case_id, note="x", disposition="fraud")) == []

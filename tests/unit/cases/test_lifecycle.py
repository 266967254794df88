"""Which actions a case allows, and when."""

import pytest
from msgspec.structs import replace

from fraudstream.cases.grouping import opened
from fraudstream.cases.lifecycle import RejectedAction, acted_on, labels_of
from fraudstream.contracts import Case, CaseAction
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
            assert (result.status, result.version, result.note) == (expected, CASES[status].version + 1, "seen"), actor


def test_claiming_sets_the_assignee_and_releasing_removes_it() -> None:
    claimed = act(OPEN, action("claim", OPEN.case_id, "bob"))
    assert isinstance(claimed, Case)
    assert claimed.assignee == "bob"
    released = act(claimed, action("release", OPEN.case_id, "carol"))
    assert isinstance(released, Case)
    assert released.assignee is None


def test_a_reopened_case_has_no_disposition_and_no_assignee() -> None:
    reopened = act(replace(CLOSED, assignee="ann"), action("reopen", OPEN.case_id))
    assert isinstance(reopened, Case)
    assert (reopened.status, reopened.disposition, reopened.assignee) == ("open", None, None)


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

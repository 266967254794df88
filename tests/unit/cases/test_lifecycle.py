"""Which actions a case allows, and what each makes of it.

The table of docs/cases.md is the one that analysts read, and the one that these tests take what to expect from.
"""

import re
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from msgspec.structs import replace

from fraudstream.cases.grouping import opened
from fraudstream.cases.held import Held, HeldPair, Memo
from fraudstream.cases.labels import labels_of
from fraudstream.cases.lifecycle import acted_on
from fraudstream.cases.merging import merged
from fraudstream.cases.policy import CasePolicy
from fraudstream.cases.refusal import LINKS_MAX, RejectedAction
from fraudstream.cases.splitting import split
from fraudstream.cases.transitions import BY_ASSIGNEE, STATUS_AFTER
from fraudstream.contracts import Case, CaseAction, CaseNote
from fraudstream.contracts.attached_file import AttachedFile
from fraudstream.contracts.case import CaseProposal
from fraudstream.contracts.case_timers import CaseSnooze
from fraudstream.contracts.case_values import ActionName, CaseStatus
from tests.unit.cases.events import action, alert, description

PAGE = (Path(__file__).parents[3] / "docs" / "cases.md").read_text()
NEW = opened(alert())
CASES = {
    "new": NEW,
    "assigned": replace(NEW, status="assigned", assignee="ann"),
    "in_review": replace(NEW, status="in_review", assignee="ann"),
    "waiting": replace(NEW, status="waiting", assignee="ann", waiting_for="customer"),
    "escalated": replace(NEW, status="escalated", escalated_to="senior"),
    "closed": replace(NEW, status="closed", assignee="ann", disposition="false_positive"),
}
FILE = AttachedFile("a" * 64, "a.pdf", 10, "application/pdf", "ann", 1_000)
DETAILS: dict[str, dict[str, Any]] = {
    "assign": {"assignee": "carol"},
    "wait": {"waiting_for": "partner"},
    "ask": {"event_id": "event-of-a1", "until": 9_000, "notice_id": "f" * 32},
    "escalate": {"escalate_to": "seniors"},
    "snooze": {"until": 9_000},
    "link": {"other_case_id": "c2"},
    "unlink": {"other_case_id": "c2"},
    "tag": {"tag": "mule"},
    "untag": {"tag": "mule"},
    "attach": {"file": description("b")},
    "detach": {"sha256": "a" * 64},
    "merge": {"other_case_id": "c2"},
    "split": {"alert_ids": ("a1",)},
    "close": {"disposition": "confirmed_fraud", "typology": "mule"},
}


def table() -> dict[str, list[str]]:
    """The rows of the table of docs/cases.md: by action its cells, of which the last says who may."""
    lines = re.findall(r"^\| (.+) \|$", PAGE[PAGE.index("| action | new |") :], re.M)
    rows = [[cell.strip("` ") for cell in line.split("|")] for line in lines]
    assert rows[0] == ["action", *get_args(CaseStatus), "who"]
    return {name: cells for name, *cells in rows[2 : 2 + len(STATUS_AFTER)]}


def act(case: Case, given: CaseAction, other_open: str | None = None) -> Case | RejectedAction:
    if given.action in ("merge", "split"):
        pair = split(held(case), given, CasePolicy()) if given.action == "split" else merged_with_c2(case, given)
        return pair.held.case if isinstance(pair, HeldPair) else pair
    return acted_on(case, given, other_open)


def held(case: Case) -> Held:
    return Held(case, Memo(sources=(None,) * len(case.alerts), digests=("d",) * len(case.alerts)))


def merged_with_c2(case: Case, given: CaseAction) -> HeldPair | RejectedAction:
    other = replace(opened(alert("a9", account_id="acc-2")), case_id="c2")
    return merged(held(case), held(other), given, CasePolicy())


def after(case: Case, name: str, actor: str = "ann", **fields: Any) -> Case:
    given = action(name, NEW.case_id, actor, **({"note": "n"} | DETAILS.get(name, {}) | fields))
    result = act(case, given)
    assert isinstance(result, Case), result
    return result


def test_the_documented_table_is_that_of_the_case_agent() -> None:
    assert table() == {
        name: [
            *(statuses.get(status, "") for status in get_args(CaseStatus)),
            "the assignee" if name in BY_ASSIGNEE else "anybody",
        ]
        for name, statuses in STATUS_AFTER.items()
    }
    assert set(STATUS_AFTER) == set(get_args(ActionName))


@pytest.mark.parametrize("status", CASES)
@pytest.mark.parametrize("name", get_args(ActionName))
def test_each_status_allows_the_actions_of_the_table(status: str, name: str) -> None:
    case = replace(
        CASES[status],
        links=("c2",) if name == "unlink" else (),
        tags=("mule",) if name == "untag" else (),
        files=(FILE,) if name == "detach" else (),
        snooze=CaseSnooze(9_000, "ann", 0, "n", 1) if name == "wake" else None,
        proposal=CaseProposal("carol", 0, "inconclusive") if name in ("approve", "reject") else None,
    )
    if name == "split":
        case = replace(case, alert_count=2, alerts=(*case.alerts, replace(case.alerts[0], alert_id="a2")))
    *cells, who = table()[name]
    expected = cells[get_args(CaseStatus).index(status)]
    for actor in ("ann", "bob"):
        result = act(case, action(name, NEW.case_id, actor, note="seen", **DETAILS.get(name, {})))
        is_others = status not in ("new", "escalated", "closed") and actor == "bob" and who == "the assignee"
        if expected and not is_others:
            assert isinstance(result, Case), result
            assert (result.status, result.version) == (expected, case.version + 1)
            assert result.notes == (CaseNote(5_000, actor, name, "seen"),)  # type: ignore[arg-type]
        else:
            assert isinstance(result, RejectedAction), result
            assert result.sentence.endswith(".")
            assert NEW.case_id in result.sentence
            assert result.code in ("closed", "not_closed", "assigned_to_other", "already_assigned", "wrong_status")
            assert (result.code == "assigned_to_other") == (is_others and status != "closed")


def test_who_works_a_case_follows_from_its_actions() -> None:
    assigned = after(NEW, "assign", "bob")
    assert (assigned.status, assigned.assignee) == ("assigned", "carol")
    assert after(assigned, "claim", "carol").assignee == "carol"
    assert after(NEW, "claim", "bob").assignee == "bob"
    assert after(CASES["in_review"], "release", "carol").assignee is None
    assert after(CASES["in_review"], "assign", "bob").assignee == "carol"
    waiting = after(CASES["waiting"], "assign", "bob")
    assert (waiting.status, waiting.waiting_for, waiting.assignee) == ("waiting", "customer", "carol")


@pytest.mark.parametrize(
    ("status", "name", "fields"),
    [("in_review", "claim", {}), ("waiting", "claim", {}), ("assigned", "assign", {"assignee": "ann"})],
)
def test_what_is_theirs_already_is_not_assigned_again(status: str, name: str, fields: dict[str, str]) -> None:
    result = act(CASES[status], action(name, NEW.case_id, "ann", **fields))
    assert isinstance(result, RejectedAction)
    assert result.code == "already_assigned"


def test_a_case_waits_for_somebody_until_it_is_resumed() -> None:
    waiting = after(CASES["in_review"], "wait")
    assert (waiting.status, waiting.waiting_for, waiting.assignee) == ("waiting", "partner", "ann")
    assert waiting.notes[-1].text == "n"
    for name in ("resume", "escalate", "release", "close"):
        assert after(waiting, name).waiting_for is None


def test_an_escalated_case_has_no_assignee_and_names_where_it_went() -> None:
    escalated = after(CASES["in_review"], "escalate", "bob")
    assert (escalated.status, escalated.assignee, escalated.escalated_to) == ("escalated", None, "seniors")
    claimed = after(escalated, "claim", "sue")
    assert (claimed.assignee, claimed.escalated_to) == ("sue", "seniors")
    assert after(claimed, "release").escalated_to is None


def test_cases_are_linked_once_and_not_without_end() -> None:
    linked = after(NEW, "link")
    assert linked.links == ("c2",)
    assert after(linked, "unlink").links == ()
    full = replace(NEW, links=tuple(f"c{number}" for number in range(LINKS_MAX)))
    for case, name, other, code in (
        (linked, "link", "c2", "already_linked"),
        (linked, "link", NEW.case_id, "same_case"),
        (full, "link", "another", "links_full"),
        (linked, "unlink", "c3", "not_linked"),
    ):
        result = act(case, action(name, NEW.case_id, other_case_id=other))
        assert isinstance(result, RejectedAction)
        assert result.code == code


def test_a_closed_case_names_how_by_whom_and_when_and_a_reopened_one_does_not() -> None:
    closed = after(replace(NEW, escalated_to="senior"), "close", "bob", acted_at=7_000)
    assert (closed.disposition, closed.typology, closed.closed_by) == ("confirmed_fraud", "mule", "bob")
    assert closed.closed_at_ms == 7_000
    reopened = after(replace(closed, assignee="ann"), "reopen")
    assert (reopened.status, reopened.disposition, reopened.typology, reopened.assignee) == ("new", None, None, None)
    assert (reopened.closed_by, reopened.closed_at_ms, reopened.escalated_to) == (None, None, None)


def test_a_typology_belongs_to_a_confirmed_fraud_alone() -> None:
    assert after(NEW, "close", disposition="false_positive").typology is None


def test_a_note_is_added_to_the_earlier_ones_and_survives_closing_and_reopening() -> None:
    case = after(NEW, "note", "ann", note="called the customer")
    case = after(case, "note", "bob", note="she called back", acted_at=6_000)
    case = after(case, "close", "bob", note="card copied", acted_at=7_000)
    case = after(case, "reopen", "ann", note="", acted_at=8_000)
    assert case.notes == (
        CaseNote(5_000, "ann", "note", "called the customer"),
        CaseNote(6_000, "bob", "note", "she called back"),
        CaseNote(7_000, "bob", "close", "card copied"),
    )


def test_a_note_that_would_make_the_case_too_large_is_rejected_and_loses_none() -> None:
    case: Case | RejectedAction = NEW
    while isinstance(case, Case):
        held = case
        case = act(held, action("note", NEW.case_id, note="ü" * 4_096))
    assert case.code == "notes_full"
    assert f"its {len(held.notes)} notes leave no room" in case.sentence
    assert len(held.notes) > 20
    assert len(msgspec.json.encode(held)) < 1_000_000
    assert isinstance(act(held, action("close", NEW.case_id, disposition="inconclusive")), Case)


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (action("claim", NEW.case_id, account_id="acc-2"), "wrong_account"),
        (action("claim", NEW.case_id, acted_at=-1), "acted_at"),
        (action("claim", NEW.case_id, acted_at=10**15), "acted_at"),
        (action("claim", NEW.case_id, expected_version=2), "changed"),
    ],
)
def test_an_invalid_action_is_rejected_with_its_code(given: CaseAction, code: str) -> None:
    result = act(NEW, given)
    assert isinstance(result, RejectedAction)
    assert result.code == code


def test_an_action_on_the_version_that_was_seen_is_accepted_and_a_better_reason_comes_before_changed() -> None:
    claimed = after(NEW, "claim", "ann", expected_version=1)
    result = act(claimed, action("claim", NEW.case_id, "bob", expected_version=1))
    assert isinstance(result, RejectedAction)
    assert result.code == "assigned_to_other"


def test_a_case_is_not_reopened_while_the_account_has_an_open_one() -> None:
    result = act(CASES["closed"], action("reopen", NEW.case_id), other_open="other")
    assert isinstance(result, RejectedAction)
    assert result.code == "other_case_open"


def test_the_time_of_a_case_is_that_of_its_events_and_never_goes_back() -> None:
    later = after(NEW, "note", acted_at=9_000)
    assert (later.updated_at_ms, after(later, "note", acted_at=2_000).updated_at_ms) == (9_000, 9_000)


@pytest.mark.parametrize(
    ("disposition", "label", "confidence"),
    [
        ("confirmed_fraud", "fraud", None),
        ("false_positive", "genuine", None),
        ("genuine_but_risky", "genuine", 0.7),
        ("fraud", "fraud", None),
        ("genuine", "genuine", None),
    ],
)
def test_a_disposition_becomes_a_label_for_every_alert(disposition: str, label: str, confidence: float | None) -> None:
    given = action("close", NEW.case_id, disposition=disposition, typology="mule")
    closed = act(NEW, given)
    assert isinstance(closed, Case)
    (found,) = labels_of(closed, given)
    assert (found.event_id, found.account_id, found.source) == ("event-of-a1", "acc-1", NEW.case_id)
    assert (found.label, found.confidence) == (label, confidence)
    assert (found.labelled_at, found.payment_occurred_at) == (5_000, 1_000)


def test_an_inconclusive_case_and_a_note_give_no_labels() -> None:
    closed = after(NEW, "close", disposition="inconclusive")
    assert labels_of(closed, action("close", NEW.case_id, disposition="inconclusive")) == []
    assert labels_of(CASES["closed"], action("note", NEW.case_id, note="x", disposition="fraud")) == []


BY_TWO = msgspec.convert({"base": "EUR", "approval": {"closing_above": "1000", "confirmed_fraud": True}}, CasePolicy)


@pytest.mark.parametrize(
    ("disposition", "amount", "is_proposed"),
    [
        ("confirmed_fraud", None, True),
        ("false_positive", None, False),
        ("false_positive", "1000.00", False),
        ("false_positive", "1000.01", True),
    ],
)
def test_the_policy_says_what_a_second_person_is_to_approve(disposition: str, amount: str, is_proposed: bool) -> None:
    case = replace(CASES["in_review"], amount_at_risk=amount)
    given = action("close", NEW.case_id, disposition=disposition, typology="mule")
    closed = acted_on(case, given, None, BY_TWO)
    assert isinstance(closed, Case)
    assert (closed.status, closed.proposal is not None) == ("in_review" if is_proposed else "closed", is_proposed)
    assert bool(labels_of(closed, given)) != is_proposed


def test_a_proposed_closing_takes_effect_once_somebody_else_approves_it() -> None:
    given = action("close", NEW.case_id, "ann", disposition="confirmed_fraud", typology="mule", note="card copied")
    proposed = acted_on(CASES["in_review"], given, None, BY_TWO)
    assert isinstance(proposed, Case)
    for name, actor, code in (
        ("approve", "ann", "same_person"),
        ("reject", "ann", "same_person"),
        ("release", "bob", "proposed"),
        ("close", "ann", "proposed"),
    ):
        refused = act(proposed, action(name, NEW.case_id, actor, note="n", disposition="inconclusive"))
        assert isinstance(refused, RejectedAction)
        assert refused.code == code
    assert after(proposed, "note", "bob").proposal == proposed.proposal
    approval = action("approve", NEW.case_id, "sue", acted_at=8_000)
    closed = act(proposed, approval)
    assert isinstance(closed, Case)
    assert (closed.status, closed.disposition, closed.typology) == ("closed", "confirmed_fraud", "mule")
    assert (closed.closed_by, closed.approved_by, closed.closed_at_ms, closed.proposal) == ("ann", "sue", 8_000, None)
    assert [(label.label, label.labelled_at) for label in labels_of(closed, approval)] == [("fraud", 8_000)]
    assert after(closed, "reopen").approved_by is None


def test_a_rejected_proposal_leaves_the_case_as_it_was() -> None:
    given = action("close", NEW.case_id, "ann", disposition="confirmed_fraud", typology="mule")
    proposed = acted_on(CASES["in_review"], given, None, BY_TWO)
    assert isinstance(proposed, Case)
    rejected = after(proposed, "reject", "sue", note="ask the merchant first")
    assert (rejected.status, rejected.assignee, rejected.proposal) == ("in_review", "ann", None)
    assert rejected.notes[-1] == CaseNote(5_000, "sue", "reject", "ask the merchant first")
    result = act(rejected, action("approve", NEW.case_id, "sue"))
    assert isinstance(result, RejectedAction)
    assert result.code == "not_proposed"

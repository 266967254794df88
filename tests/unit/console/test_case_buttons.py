"""A case's page has the buttons that its status and its assignee allow, each with a key of its own."""

from typing import Any

import pytest
from msgspec.structs import replace

from fraudstream.console.case_buttons import KEYS, buttons_of
from fraudstream.contracts.case import CaseProposal
from tests.unit.console.console_app import case

PROPOSAL = CaseProposal("ann", 0, "inconclusive")
RESERVED = set("jknpq/?")  # of rows and pages


def keys(user: str = "ann", **fields: Any) -> str:
    may_approve = user == "bob"
    return "".join(button.key for button in buttons_of(case(**fields), user, may_approve=may_approve))


@pytest.mark.parametrize(
    ("fields", "ann", "bob"),
    [
        ({"status": "new"}, "czmaelfgyi", "czmaelfgyi"),
        ({"status": "assigned", "assignee": "ann"}, "szmaerlfgyi", "maerl"),
        ({"status": "in_review", "assignee": "ann"}, "wzmaerlfgyi", "maerl"),
        ({"status": "waiting", "assignee": "ann", "waiting_for": "customer"}, "uzmaerlfgyi", "maerl"),
        ({"status": "escalated", "escalated_to": "senior"}, "czmarlfgyi", "czmarlfgyi"),
        ({"status": "in_review", "assignee": "ann", "proposal": PROPOSAL}, "ml", "vxml"),
        ({"status": "in_review", "assignee": "ann", "proposal": replace(PROPOSAL, actor="bob")}, "ml", "ml"),
        ({"status": "closed", "disposition": "inconclusive", "assignee": "ann"}, "o", "o"),
    ],
)
def test_a_status_has_its_buttons(fields: dict[str, Any], ann: str, bob: str) -> None:
    assert (keys("ann", **fields), keys("bob", **fields)) == (ann, bob)


def test_no_two_buttons_have_one_key() -> None:
    assert len(set(KEYS.values())) == len(KEYS)
    assert not RESERVED & set(KEYS.values())

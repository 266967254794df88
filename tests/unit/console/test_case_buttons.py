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
        ({"status": "new"}, "czmaelhJfgyi", "czmaelhJfgyi"),
        ({"status": "assigned", "assignee": "ann"}, "szmaerlhJfgyi", "maerlh"),
        ({"status": "in_review", "assignee": "ann"}, "wWzmaerlhJfgyi", "maerlh"),
        ({"status": "waiting", "assignee": "ann", "waiting_for": "customer"}, "uzmaerlhJfgyi", "maerlh"),
        ({"status": "escalated", "escalated_to": "senior"}, "czmarlhJfgyi", "czmarlhJfgyi"),
        ({"status": "in_review", "assignee": "ann", "proposal": PROPOSAL}, "mlh", "vxmlh"),
        ({"status": "in_review", "assignee": "ann", "proposal": replace(PROPOSAL, actor="bob")}, "mlh", "mlh"),
        ({"status": "closed", "disposition": "inconclusive", "assignee": "ann"}, "o", "o"),
        ({"status": "closed", "merged_into": "c2"}, "", ""),
    ],
)
def test_a_status_has_its_buttons(fields: dict[str, Any], ann: str, bob: str) -> None:
    assert (keys("ann", **fields), keys("bob", **fields)) == (ann, bob)


def test_no_two_buttons_have_one_key() -> None:
    assert len(set(KEYS.values())) == len(KEYS)
    assert not RESERVED & set(KEYS.values())

"""A case action is checked before it is published: an invalid one would end as a dead letter, and nobody would know."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from fraudstream.cases.grouping import opened
from fraudstream.contracts import CaseAction
from fraudstream.operations.case_actions import new_case_action
from fraudstream.operations.errors import InvalidValueError
from tests.unit.cases.events import alert

CASE = opened(alert("a1"))


def test_an_action_is_one_that_the_contract_reads_and_has_an_id_of_its_own() -> None:
    claims = [new_case_action(CASE, "claim", actor="ann", acted_at_ms=5_000) for _ in range(2)]
    assert [msgspec.json.decode(msgspec.json.encode(claim), type=CaseAction) for claim in claims] == claims
    assert claims[0].action_id != claims[1].action_id
    assert (claims[0].case_id, claims[0].account_id) == (CASE.case_id, CASE.account_id)


@pytest.mark.parametrize(
    ("name", "fields", "wrong"),
    [
        ("close", {"actor": "ann"}, "action"),
        ("note", {"actor": "ann"}, "action"),
        ("note", {"actor": "ann", "note": ""}, "action"),
        ("note", {"actor": "ann", "note": "x" * 4_097}, "note"),
        ("claim", {"actor": ""}, "actor"),
        ("claim", {"actor": "a" * 129}, "actor"),
        ("claim", {"actor": "ann\nbob"}, "actor"),
    ],
)
def test_an_action_that_the_contract_does_not_take_is_refused(name: Any, fields: dict[str, Any], wrong: str) -> None:
    with pytest.raises(InvalidValueError) as refused:
        new_case_action(CASE, name, acted_at_ms=5_000, **fields)
    assert refused.value.name == wrong

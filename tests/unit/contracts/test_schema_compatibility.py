"""The contracts of this tree are compatible with the released schemas, and a change that is not is found."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fraudstream.cli.main import main
from fraudstream.contracts.schema_compatibility import incompatibilities
from fraudstream.contracts.schemas import contract_schemas

RELEASED = Path(__file__).parents[3] / "topics" / "released"


def test_publishers_and_readers_of_the_released_schemas_still_work(capsys: pytest.CaptureFixture[str]) -> None:
    """Fails for a change that would break them: undo it, or make it with a release that says so in the changelog, and
    write the schemas of that release to topics/released."""
    assert main(["topics", "schemas", "--compatible-with", str(RELEASED)]) == 0, capsys.readouterr().out


def changed(change: Callable[[dict[str, Any]], object], contract: str) -> list[str]:
    """What is said of a tree in which `change` was made to a contract."""
    current = copy.deepcopy(contract_schemas())
    schema = current[contract]
    name = schema["$ref"].removeprefix("#/$defs/") if "$ref" in schema else None
    change(schema if name is None else schema["$defs"][name])
    return list(incompatibilities(contract_schemas(), current))


def test_a_field_that_becomes_required_or_goes_or_changes_its_type_breaks_publishers() -> None:
    assert changed(lambda schema: schema["required"].append("channel"), "payment") == [
        "payment $.channel: was optional, and is required: what publishers write would be refused."
    ]
    assert changed(lambda schema: schema["properties"].pop("mcc"), "payment") == [
        "payment $.mcc: is gone: what publishers write would be refused."
    ]
    number = {"type": "number"}
    assert changed(lambda schema: schema["properties"].update(amount=number), "payment")[0] == (
        "payment $.amount: is integer or number where it was string: what publishers write would be refused."
    )


def test_a_word_less_and_a_shorter_text_break_publishers() -> None:
    found = changed(lambda schema: schema["properties"]["direction"]["enum"].remove("credit"), "payment")
    assert found == ["payment $.direction: has no credit: what publishers write would be refused."]
    found = changed(lambda schema: schema["properties"]["account_id"].update(maxLength=64), "payment")
    assert found == ["payment $.account_id: has a lower maxLength: what publishers write would be refused."]


def test_a_new_word_and_a_field_that_may_be_missing_break_readers_of_decisions() -> None:
    found = changed(lambda schema: schema["properties"]["outcome"]["enum"].append("hold"), "decision")
    assert found == ["decision $.outcome: has no hold: readers of the released schema would refuse it."]
    found = changed(lambda schema: schema["required"].remove("event_id"), "decision")
    assert found == [
        "decision $.event_id: was required, and is optional: readers of the released schema would refuse it."
    ]


def test_a_new_optional_field_breaks_nobody() -> None:
    for contract in ("payment", "decision", "case", "dead-letter"):
        assert changed(lambda schema: schema["properties"].update(more={"type": "string"}), contract) == []


def test_what_is_kept_in_topics_must_fit_both_ways() -> None:
    found = changed(lambda schema: schema["properties"].pop("sentence"), "dead-letter")
    assert "dead-letter $.sentence: is gone: what publishers write would be refused." in found
    assert next(incompatibilities(contract_schemas(), {})) == "payment: the contract is gone."


def test_the_command_names_each_incompatible_change(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    schema = copy.deepcopy(contract_schemas()["payment"])
    schema["$defs"]["Payment"]["properties"]["wallet_id"] = {"type": "string"}
    (tmp_path / "payment.json").write_text(json.dumps(schema))
    assert main(["topics", "schemas", "--compatible-with", str(tmp_path)]) == 1
    assert "payment $.wallet_id: is gone" in capsys.readouterr().out
    assert main(["topics", "schemas", "--compatible-with", str(tmp_path), "--json"]) == 1
    assert len(json.loads(capsys.readouterr().out)["incompatible"]) == 1

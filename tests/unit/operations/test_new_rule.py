"""A new rule passes the check and its own cases, whatever its name and the directory that it is written to."""

from pathlib import Path

import pytest

from fraudstream.backtest.rule_cases import run_rule_cases
from fraudstream.engine.rule_set import compile_rule_set
from fraudstream.operations.errors import InvalidValueError
from fraudstream.operations.new_rule import new_rule

SMALLEST = "version: 1\nentities: {account: {key: account_id}}\n"
ID = "0b6f6c1e-6a55-4c3b-9a0e-5d1f0f1d7a42"
DIRECTORIES = ["rules", "examples/account_only", "examples/four_stages", "examples/handbook/rules"]


@pytest.mark.parametrize("features", [SMALLEST, *DIRECTORIES])
def test_a_new_rule_passes_the_check_and_its_cases(features: str) -> None:
    text = features if features == SMALLEST else (Path(features) / "features.yaml").read_text()
    files = new_rule("card_testing/large_2", ID, ["account.payments_1h"])
    rule_set = compile_rule_set({"features.yaml": text, **files})
    cases = run_rule_cases(rule_set, files)
    assert [result.actual for result in cases.results] == [result.expected for result in cases.results]
    assert {result.case.shows for result in cases.results} == {"firing", "near_miss", "false_positive"}
    [rule] = rule_set.rules
    assert (rule.name, rule.rule_id, rule.status) == ("card_testing/large_2", ID, "shadow")
    assert (rule.title, rule.tags) == ("Large 2", ("typology.card-testing",))


@pytest.mark.parametrize("name", ["large", "Mule/large", "mule/large/er", "mule/", "mule/large.yaml", "../mule/large"])
def test_a_name_that_is_no_rule_is_refused(name: str) -> None:
    with pytest.raises(InvalidValueError, match="write TYPOLOGY/NAME"):
        new_rule(name, ID)

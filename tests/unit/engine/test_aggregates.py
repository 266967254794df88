"""The registry of aggregates, the compiled dispatch, the documentation and the oracle name the same aggregates."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path
from typing import Any, cast

import pytest

from fraudstream.engine.aggregates import dispatch
from fraudstream.engine.aggregates.definition import Aggregate
from fraudstream.engine.aggregates.registry import REGISTRY
from fraudstream.engine.expression import Type
from tests.oracle.slow_oracle import DEFINITIONS

DOCUMENTATION = Path(__file__).parents[3] / "docs" / "rules.md"


def plain(function: Any) -> Any:
    """The Python function behind a compiled one, which differs where the JIT is off."""
    return getattr(function, "py_func", function)


def dispatched() -> dict[int, Any]:
    """By the source of `dispatch.answer`: the function that each id leads to."""
    [definition] = ast.parse(inspect.getsource(plain(dispatch.answer))).body
    assert isinstance(definition, ast.FunctionDef)
    found: dict[int, Any] = {}
    for branch in (node for node in definition.body if isinstance(node, ast.If)):
        test, answer = cast(ast.Compare, branch.test), cast(ast.Return, branch.body[0])
        id_, function = cast(ast.Name, test.comparators[0]).id, cast(ast.Name, cast(ast.Call, answer.value).func).id
        assert getattr(dispatch, id_) not in found, f"{id_} is dispatched twice"
        found[getattr(dispatch, id_)] = getattr(dispatch, function)
    return found


def test_the_dispatch_calls_the_function_of_each_aggregate() -> None:
    assert dispatched() == {aggregate.id: aggregate.answer for aggregate in REGISTRY.values()}


def test_the_oracle_defines_every_aggregate() -> None:
    assert DEFINITIONS.keys() == REGISTRY.keys()


def documented_row(aggregate: Aggregate) -> str:
    """The line of the table in docs/rules.md."""
    taken = {"window": aggregate.windowed, "delay": aggregate.takes_delay, "same": aggregate.takes_same}
    taken |= {"where": aggregate.takes_where, **dict.fromkeys(("prior", "strength"), aggregate.prior is not None)}
    taken["last"] = aggregate.keeps_recent_labels
    keys = [key for key, takes in taken.items() if takes]
    takes = ", ".join(f"`{key}`" for key in keys)
    pane = "yes" if aggregate.panes is not None else ""
    cells = (f"`{aggregate.name}`", aggregate.summary, aggregate.type.value, aggregate.operand.described, takes, pane)
    return re.sub(r" +", " ", f"| {' | '.join(cells)} |")


def test_the_documentation_describes_every_aggregate_and_no_other() -> None:
    lines = DOCUMENTATION.read_text().splitlines()
    begin = next(n for n, line in enumerate(lines) if line.startswith("| aggregate |"))
    table = [line for line in lines[begin + 2 :][: lines[begin + 2 :].index("")] if line.startswith("|")]
    assert table == [documented_row(aggregate) for aggregate in REGISTRY.values()]


@pytest.mark.parametrize("name", REGISTRY)
def test_every_aggregate_says_what_its_answer_means(name: str) -> None:
    aggregate = REGISTRY[name]
    assert aggregate.name == name
    assert plain(aggregate.answer).__doc__, f"{name} has no docstring"
    assert not aggregate.is_of_amounts or aggregate.type is (Type.NUMBER if name == "z_score" else Type.MONEY)

"""The results of rules' test cases, as text and as JSON: what failed, and on which values."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fraudstream.cli import verdict_text

if TYPE_CHECKING:
    from fraudstream.backtest.rule_cases import CaseResult, RuleCases


def print_cases(cases: RuleCases, directory: Path, *, as_json: bool) -> int:
    """Print the failed cases and how many passed; the exit code: 1 if one failed."""
    failed = [result for result in cases.results if not result.passed]
    rules = len({result.rule for result in cases.results})
    if as_json:
        found = {"cases": len(cases.results), "rules": rules, "failed": [_case(result, directory) for result in failed]}
        print(json.dumps({"passed": not failed, **found, "without_cases": cases.without_cases}))
        return 1 if failed else 0
    for result in failed:
        _print_failed(result, directory)
    for rule in cases.without_cases:
        print(f"{directory / rule}.yaml has no cases next to it", file=sys.stderr)
    print(f"{len(cases.results) - len(failed)} of {len(cases.results)} cases of {rules} rules passed")
    return 1 if failed else 0


def _print_failed(result: CaseResult, directory: Path) -> None:
    """A failed case: each comparison of the rule with the values that it saw, and the values of the names in it."""
    case = result.case
    print(f"{directory / case.path}:{case.line}: {case.name}: expected {result.expected}, found {result.actual}")
    if not result.tested:
        return
    console = verdict_text.console()
    rows = [(verdict_text.MARKS[tested.holds], tested.evidence) for tested in result.tested]
    console.print(verdict_text.indented(verdict_text.comparisons(rows), by=4))
    shown = ", ".join(f"{name} {text}" for name, text in result.values.items())
    console.print(verdict_text.indented(f"values: {shown}", by=4))
    if result.fired:
        console.print(verdict_text.indented(f"rules that fired: {', '.join(result.fired)}", by=4))


def _case(result: CaseResult, directory: Path) -> dict[str, Any]:
    import msgspec

    return {
        "rule": result.rule,
        "path": str(directory / result.case.path),
        "line": result.case.line,
        "case": result.case.name,
        "shows": result.case.shows,
        "expected": result.expected,
        "actual": result.actual,
        "tested": msgspec.to_builtins(result.tested),
        "values": dict(result.values),
        "fired": list(result.fired),
    }

"""`fraudstream rules`: check the rules, run their test cases on the engine of the stream, activate them."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fraudstream.cli import author_flags, cluster_command
from fraudstream.cli.settings import Settings

if TYPE_CHECKING:
    from fraudstream.backtest.rule_cases import CaseResult, RuleCases
    from fraudstream.cli.main import Subparsers
    from fraudstream.engine.document import DocumentErrors
    from fraudstream.engine.rule_set import RuleSet


def add_parser(subparsers: Subparsers) -> None:
    """Add `rules check|test|activate|active`."""
    parser = subparsers.add_parser(
        "rules",
        help="check the rules, run their test cases, activate them",
        description=(
            "Features, lists, rules, score: check every file, run the test cases next to the rules, and activate the "
            "rules."
        ),
        epilog='example:\n  fraudstream rules check\n  fraudstream rules activate --note "higher limit for transfers"',
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", dest="action", required=True)
    _add_check_and_test(actions)
    _add_activate_and_active(actions)


def _add_check_and_test(actions: Subparsers) -> None:
    check = actions.add_parser(
        "check",
        help="list every fault, with its line and column; exit code 1 if there is one",
        epilog="example:\n  fraudstream rules check rules",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    test = actions.add_parser(
        "test",
        help="run the test cases, list those that fail; exit code 1 if one does",
        epilog="example:\n  fraudstream rules test --json",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for action in (check, test):
        _add_directory(action)
        action.add_argument("--json", action="store_true", help="print JSON")


def _add_activate_and_active(actions: Subparsers) -> None:
    activate = actions.add_parser(
        "activate",
        help="put the rules in force from one record of each partition on",
        description=(
            "Checks and tests the rules, writes them to the topic of controls and a switch to every partition of the "
            "log. Workers decide by them from that record on, whatever their own directory holds. Repeating it "
            "changes nothing; to return to other rules, activate their directory."
        ),
        epilog='example:\n  fraudstream rules activate rules --note "higher limit for transfers"',
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_directory(activate)
    activate.add_argument("--skip-tests", action="store_true", help="do not run the test cases first")
    author_flags.add_flags(activate)
    active = actions.add_parser(
        "active",
        help="which rules are in force, by the workers' last checkpoints",
        epilog="example:\n  fraudstream rules active --json",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for action in (activate, active):
        cluster_command.add_flags(action)


def _add_directory(action: argparse.ArgumentParser) -> None:
    action.add_argument("directory", metavar="DIR", nargs="?", type=Path, help="default: setting rules.directory")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Check, test or activate. Raises `Failure`, `OperationError`."""
    if args.action in ("activate", "active"):
        from fraudstream.cli import rule_activation

        command = rule_activation.activate if args.action == "activate" else rule_activation.active
        return command(args, settings)

    from fraudstream.backtest.rule_cases import read_all_cases, run_rule_cases
    from fraudstream.cli.rule_files import artefact_contents, ignored_files, rule_texts
    from fraudstream.engine.document import DocumentErrors
    from fraudstream.engine.rule_set import compile_rule_set

    directory = args.directory or Path(settings.rules.directory)
    for path in ignored_files(directory):
        print(f"{path} is not read: rename it to .yaml, one directory deep at most", file=sys.stderr)
    texts = rule_texts(directory)
    try:
        rule_set = compile_rule_set(texts, artefacts=artefact_contents(directory, texts))
        if args.action == "check":
            read_all_cases(rule_set, texts)
            return _print_rule_set(rule_set, directory, args.json)
        return _print_cases(run_rule_cases(rule_set, texts), directory, args.json)
    except DocumentErrors as errors:
        return _print_faults(errors, directory, args.json)


def _print_faults(errors: DocumentErrors, directory: Path, as_json: bool) -> int:
    from fraudstream.cli.rule_files import fault_list

    if as_json:
        faults = [{**fault._asdict(), "path": str(directory / fault.path)} for fault in errors.faults]
        print(json.dumps({"sound": False, "faults": faults}))
    else:
        print(fault_list(errors, directory), file=sys.stderr)
    return 1


def _print_rule_set(rule_set: RuleSet, directory: Path, as_json: bool) -> int:
    counts = {status: sum(rule.status == status for rule in rule_set.rules) for status in ("live", "shadow")}
    counts["retired"] = len(rule_set.retired)
    features = len(rule_set.catalogue.features) + len(rule_set.catalogue.derived)
    typologies = len({rule.name.partition("/")[0] for rule in rule_set.rules})
    if as_json:
        found = {"rules": counts, "typologies": typologies, "features": features, "parts": len(rule_set.scorer.inputs)}
        found["lists"] = len(rule_set.lists)
        print(json.dumps({"sound": True, "faults": [], "rule_set": rule_set.digest, **found}))
    else:
        rules = ", ".join(f"{count} {status}" for status, count in counts.items())
        print(f"{directory} is valid: rule set {rule_set.digest}; rules: {rules}; {typologies} typologies")
        print(f"{features} features; {len(rule_set.scorer.inputs)} parts of the score; {len(rule_set.lists)} lists")
    return 0


def _print_cases(cases: RuleCases, directory: Path, as_json: bool) -> int:
    failed = [result for result in cases.results if not result.passed]
    rules = len({result.rule for result in cases.results})
    if as_json:
        found = {"cases": len(cases.results), "rules": rules, "failed": [_case(result, directory) for result in failed]}
        print(json.dumps({"passed": not failed, **found, "without_cases": cases.without_cases}))
        return 1 if failed else 0
    for result in failed:
        case = result.case
        print(f"{directory / case.path}:{case.line}: {case.name}: expected {result.expected}, found {result.actual}")
    for rule in cases.without_cases:
        print(f"{directory / rule}.yaml has no cases next to it", file=sys.stderr)
    print(f"{len(cases.results) - len(failed)} of {len(cases.results)} cases of {rules} rules passed")
    return 1 if failed else 0


def _case(result: CaseResult, directory: Path) -> dict[str, Any]:
    return {
        "rule": result.rule,
        "path": str(directory / result.case.path),
        "line": result.case.line,
        "case": result.case.name,
        "shows": result.case.shows,
        "expected": result.expected,
        "actual": result.actual,
    }

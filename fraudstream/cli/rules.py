"""`fraudstream rules`: write rules, check them, run their test cases on the engine of the stream, activate them."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from fraudstream.cli import author_flags, cluster_command, rules_diff
from fraudstream.cli.failure import Failure
from fraudstream.cli.settings import Settings, add_setting

if TYPE_CHECKING:
    from fraudstream.cli.main import Subparsers
    from fraudstream.engine.document import DocumentErrors
    from fraudstream.engine.rule_set import RuleSet


def add_parser(subparsers: Subparsers) -> None:
    """Add `rules new|check|test|diff|activate|active|reference`."""
    parser = subparsers.add_parser(
        "rules",
        help="write rules, check them, run their test cases, compare them, activate them",
        description=(
            "Features, lists, rules, score: write a rule, check every file, run the test cases next to the rules, and "
            "activate the rules."
        ),
        epilog='example:\n  fraudstream rules check\n  fraudstream rules activate --note "higher limit for transfers"',
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", dest="action", required=True)
    _add_new(actions)
    _add_check_and_test(actions)
    rules_diff.add_parser(actions)
    _add_activate_and_active(actions)
    actions.add_parser("reference", help="print every key of features.yaml, every aggregate, function and field")


def _add_new(actions: Subparsers) -> None:
    new = actions.add_parser(
        "new",
        help="write a first rule and its test cases, to be edited",
        description="Writes TYPOLOGY/NAME.yaml and TYPOLOGY/NAME.test.yaml: a shadow rule that passes its own cases.",
        epilog="example:\n  fraudstream rules new account_takeover/large_at_night",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    new.add_argument("name", metavar="TYPOLOGY/NAME", help="small letters, digits and '_'")
    add_setting(new, "rules.directory", "--rules")


def _add_check_and_test(actions: Subparsers) -> None:
    check = actions.add_parser(
        "check",
        help="list every fault, with its line and column; exit code 1 if there is one",
        epilog="example:\n  fraudstream rules check --rules /etc/fraudstream/rules",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    test = actions.add_parser(
        "test",
        help="run the test cases, list those that fail with the values they saw; exit code 1 if one does",
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
        epilog='example:\n  fraudstream rules activate --rules rules --note "higher limit for transfers"',
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_directory(activate)
    activate.add_argument("--skip-tests", action="store_true", help="do not run the test cases first")
    author_flags.add_flags(activate)
    active = actions.add_parser(
        "active",
        help="which rules are in force, and which state version decides, by the workers' last checkpoints",
        epilog="example:\n  fraudstream rules active --json",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_setting(active, "rules.directory", "--rules")
    for action in (activate, active):
        cluster_command.add_flags(action)


def _add_directory(action: argparse.ArgumentParser) -> None:
    """`--rules DIR`, as all commands have it; DIR alone is taken too."""
    add_setting(action, "rules.directory", "--rules")
    action.add_argument("directory", metavar="DIR", nargs="?", help="the same as --rules DIR")


def directory_of(args: argparse.Namespace, settings: Settings) -> Path:
    """The directory of rules that the command is for. Raises `Failure` if it is named twice."""
    alone, by_flag = getattr(args, "directory", None), getattr(args, "rules.directory", None)
    if alone is not None and by_flag is not None:
        raise Failure(f"two directories of rules are named, {alone} and {by_flag}: name one, with --rules.")
    return Path(settings.rules.directory if alone is None else alone)


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Run one action. Raises `Failure`, `OperationError`."""
    if args.action == "diff":
        return rules_diff.run(args, settings)
    directory = directory_of(args, settings)
    if args.action in ("activate", "active"):
        from fraudstream.cli import rule_activation

        command = rule_activation.activate if args.action == "activate" else rule_activation.active
        return command(args, settings, directory)
    if args.action in ("new", "reference"):
        from fraudstream.cli import rule_authoring

        return rule_authoring.new(args, directory) if args.action == "new" else rule_authoring.reference()
    return _check_or_test(args, directory)


def _check_or_test(args: argparse.Namespace, directory: Path) -> int:
    from fraudstream.backtest.rule_cases import read_all_cases, run_rule_cases
    from fraudstream.cli.rule_cases_text import print_cases
    from fraudstream.cli.rule_files import artefact_contents, ignored_files, rule_texts
    from fraudstream.engine.document import DocumentErrors
    from fraudstream.engine.rule_set import compile_rule_set

    for path in ignored_files(directory):
        print(f"{path} is not read: rename it to .yaml, one directory deep at most", file=sys.stderr)
    texts = rule_texts(directory)
    try:
        rule_set = compile_rule_set(texts, artefacts=artefact_contents(directory, texts))
        if args.action == "check":
            read_all_cases(rule_set, texts)
            return _print_rule_set(rule_set, directory, args.json)
        return print_cases(run_rule_cases(rule_set, texts), directory, as_json=args.json)
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
        if rule_set.currencies is not None:
            found |= {"base": rule_set.currencies.base, "rates": len(rule_set.currencies.rates)}
        print(json.dumps({"sound": True, "faults": [], "rule_set": rule_set.digest, **found}))
    else:
        rules = ", ".join(f"{count} {status}" for status, count in counts.items())
        print(f"{directory} is valid: rule set {rule_set.digest}; rules: {rules}; {typologies} typologies")
        parts = f"{features} features; {len(rule_set.scorer.inputs)} parts of the score; {len(rule_set.lists)} lists"
        of = rule_set.currencies
        print(parts if of is None else f"{parts}; amounts in {of.base}, {len(of.rates)} rates")
    return 0

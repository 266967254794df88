"""The rules, lists and labels under which a command replays a file: their flags, and what these name."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from fraudstream.cli.failure import Failure
from fraudstream.cli.settings import Settings, add_setting
from fraudstream.cli.time_flags import add_label_delay
from fraudstream.contracts.error_text import read_error_text, system_error_text
from fraudstream.contracts.nearest_name import nearest_or_all
from fraudstream.contracts.undecodable import UNDECODABLE

if TYPE_CHECKING:
    from fraudstream.backtest.replay import ListedValue
    from fraudstream.engine.expression import ValueLists
    from fraudstream.engine.rule_set import RuleSet


def add_replayed_rules(parser: argparse.ArgumentParser) -> None:
    """`--rules`, `--features`, `--lists`, `--identifier-secret` and `--label-delay`."""
    parser.add_argument("--rules", metavar="DIR", type=Path, help="directory of rules (setting rules.directory)")
    parser.add_argument(
        "--features",
        metavar="FILE",
        type=Path,
        help="feature catalogue in place of the rules' own; without --rules: no rules",
    )
    parser.add_argument(
        "--lists",
        metavar="FILE",
        type=Path,
        help='list entries in force from the start: lines of {"list": …, "value": …}, as `lists show --json` prints',
    )
    add_setting(parser, "identifiers.secret_file", "--identifier-secret")
    add_label_delay(parser)


def replayed_rules(args: argparse.Namespace, settings: Settings) -> RuleSet:
    """The rule set that the flags name: `--features` replaces the catalogue of `--rules`, without `--rules` there are
    no rules. Raises `Failure`."""
    from fraudstream.cli.rule_files import artefact_contents, fault_list, rule_texts
    from fraudstream.engine.document import DocumentErrors
    from fraudstream.engine.rule_set import FEATURES, compile_rule_set

    features: Path | None = args.features
    directory: Path | None = args.rules or (None if features else Path(settings.rules.directory))
    without_rules = directory is None or (features and directory.is_dir() and not any(directory.rglob("*.yaml")))
    texts = {} if directory is None or without_rules else rule_texts(directory)
    artefacts = {} if directory is None else artefact_contents(directory, texts)
    if features:
        try:
            texts[FEATURES] = features.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise Failure(f"{features} cannot be read: {read_error_text(error)}.") from error
    try:
        return compile_rule_set(texts, artefacts=artefacts)
    except DocumentErrors as errors:
        faults = [
            fault._replace(path=str(features)) if features and fault.path == FEATURES else fault
            for fault in errors.faults
        ]
        raise Failure(fault_list(DocumentErrors(faults), directory or Path())) from errors


def listed_values(path: Path | None, lists: ValueLists) -> list[ListedValue]:
    """The entries of a file of JSON lines; none without a file. `lists`: those that the rules declare.

    Raises `Failure`, which names file and line.
    """
    import msgspec

    from fraudstream.backtest.replay import ListedValue
    from fraudstream.engine.list_declarations import entry_value

    if path is None:
        return []
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise Failure(f"{path}: cannot read the entries of lists: {system_error_text(error)}.") from error
    found = []
    for number, line in enumerate(lines, start=1):
        try:
            entry = msgspec.json.decode(line, type=ListedValue)
        except UNDECODABLE as error:
            raise Failure(f"{path}:{number}: not a list entry: {error}.") from error
        if entry.list not in lists:
            raise Failure(
                f"{path}:{number}: lists.yaml has no list '{entry.list}'. {nearest_or_all(entry.list, lists)}"
            )
        try:
            entry_value(lists[entry.list], entry.value)
        except ValueError as error:
            raise Failure(f"{path}:{number}: '{entry.value[:40]}' would match no payment: {error}") from error
        found.append(entry)
    return found

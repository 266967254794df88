"""`fraudstream rules activate` and `rules active`: which rule set decides, from which record of each partition on."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from fraudstream.cli import author_flags
from fraudstream.cli.cluster_command import SHORT_S_MAX, run_on_cluster
from fraudstream.cli.failure import Failure
from fraudstream.cli.rule_files import fault_list, load_rule_set, rule_texts
from fraudstream.cli.settings import Settings
from fraudstream.cli.time_flags import now_ms
from fraudstream.contracts.timestamps import utc_text

if TYPE_CHECKING:
    from fraudstream.engine.rule_set import RuleSet


def activate(args: argparse.Namespace, settings: Settings, directory: Path) -> int:
    """Check and test the rules of a directory, and put them in force. Raises `Failure`, `OperationError`."""
    from fraudstream.cli.worker import stage_settings
    from fraudstream.operations.activate_rules import activate_rules

    rule_set = load_rule_set(directory)
    if not args.skip_tests:
        _test(rule_set, directory)
    stages, by = stage_settings(settings, rule_set), author_flags.author_of(args)
    activated = run_on_cluster(
        stages[-1].brokers,
        lambda: activate_rules(stages, rule_set, by=by, issued_at_ms=now_ms(), note=args.note),
        SHORT_S_MAX,
    )
    if args.json:
        print(json.dumps({"rule_set": activated.rule_set, "by": by, "offsets": activated.offsets}))
    else:
        print(f"rule set {activated.rule_set} is in force:")
        for partition, offset in activated.offsets.items():
            print(f"  partition {partition} from offset {offset} on")
    return 0


def active(args: argparse.Namespace, settings: Settings, directory: Path) -> int:
    """Print which rules are in force, by the workers' last checkpoints. Raises `Failure`, `OperationError`."""
    import msgspec

    from fraudstream.cli.worker import stage_settings
    from fraudstream.operations.activate_rules import rules_in_force

    *_, deciding = stage_settings(settings, load_rule_set(directory))
    checkpoints, switch = run_on_cluster(deciding.brokers, lambda: rules_in_force(deciding), SHORT_S_MAX)
    rows = [
        {
            "partition": partition,
            "rule_set": None if checkpoint is None else checkpoint.rule_set,
            "offset": None if checkpoint is None else checkpoint.next_offset,
        }
        for partition, checkpoint in checkpoints.items()
    ]
    if args.json:
        print(json.dumps({"partitions": rows, "last_switch": None if switch is None else msgspec.to_builtins(switch)}))
        return 0
    for row in rows:
        if row["rule_set"] is None:
            print(f"partition {row['partition']}: none yet, the first worker begins with the rules of its directory")
        else:
            print(f"partition {row['partition']}: {row['rule_set']}, checkpoint at {row['offset']}")
    if switch is not None:
        note = f": {switch.note}" if switch.note else ""
        print(f"last switch: {switch.rule_set} by {switch.by} at {utc_text(switch.issued_at_ms)}{note}")
    return 0


def _test(rule_set: RuleSet, directory: Path) -> None:
    """Run the rules' test cases. Raises `Failure` if one fails."""
    from fraudstream.backtest.rule_cases import run_rule_cases
    from fraudstream.engine.document import DocumentErrors

    try:
        results = run_rule_cases(rule_set, rule_texts(directory)).results
    except DocumentErrors as errors:
        raise Failure(fault_list(errors, directory)) from errors
    failed = [result for result in results if not result.passed]
    if failed:
        first = failed[0]
        raise Failure(
            f"{len(failed)} of {len(results)} cases fail, first {directory / first.case.path}:{first.case.line}: "
            f"{first.case.name}. `fraudstream rules test` shows all; --skip-tests activates anyway."
        )

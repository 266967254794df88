"""`fraudstream rules activate` and `rules active`: which rule set decides, from which record of each partition on."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fraudstream.cli import author_flags
from fraudstream.cli.cluster_command import SHORT_S_MAX, run_on_cluster
from fraudstream.cli.failure import Failure
from fraudstream.cli.rule_files import fault_list, load_rule_set, rule_texts
from fraudstream.cli.settings import Settings
from fraudstream.cli.time_flags import now_ms
from fraudstream.contracts.timestamps import utc_text

if TYPE_CHECKING:
    from fraudstream.engine.rule_set import RuleSet
    from fraudstream.operations.deciding_versions import DecidingVersion
    from fraudstream.stream.checkpoints.checkpoint_record import CheckpointRecord


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

    stages = stage_settings(settings, load_rule_set(directory))
    found = run_on_cluster(stages[-1].brokers, lambda: rules_in_force(stages), SHORT_S_MAX)
    if args.json:
        switch = None if found.last_switch is None else msgspec.to_builtins(found.last_switch)
        rows = [_row(partition, checkpoint) for partition, checkpoint in found.checkpoints.items()]
        versions = [_version_row(partition, version) for partition, version in found.versions.items()]
        print(json.dumps({"partitions": rows, "state_versions": versions, "last_switch": switch}))
        return 0
    for partition, checkpoint in found.checkpoints.items():
        if checkpoint is None:
            print(f"partition {partition}: none yet, the first worker begins with the rules of its directory")
        else:
            print(f"partition {partition}: {checkpoint.rule_set}, checkpoint at {checkpoint.next_offset}")
    if any(version.state_version != 1 or version.backfilling for version in found.versions.values()):
        for partition, version in found.versions.items():
            print(f"{stages[0].input_topic}-{partition}: {_decided_by(version)}")
    if (last := found.last_switch) is not None:
        note = f": {last.note}" if last.note else ""
        print(f"last switch: {last.rule_set} by {last.by} at {utc_text(last.issued_at_ms)}{note}")
    return 0


def _row(partition: int, checkpoint: CheckpointRecord | None) -> dict[str, Any]:
    if checkpoint is None:
        return {"partition": partition, "rule_set": None, "offset": None}
    return {"partition": partition, "rule_set": checkpoint.rule_set, "offset": checkpoint.next_offset}


def _version_row(partition: int, version: DecidingVersion) -> dict[str, Any]:
    return {
        "partition": partition,
        "state_version": version.state_version,
        "from_offset": version.from_offset,
        "reached": version.reached,
        "backfilling": version.backfilling,
    }


def _decided_by(version: DecidingVersion) -> str:
    """Which state version decides a partition, in words."""
    said = f"decided by state version {version.state_version}"
    if version.from_offset is not None:
        said += f" from offset {version.from_offset} on"
    if not version.reached:
        said += ", whose workers have not read as far yet"
    if version.backfilling is not None:
        said += f"; version {version.backfilling} is being backfilled"
    return said


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

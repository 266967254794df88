"""`fraudstream state backup` and `state verify`: backups on a schedule, and whether they are whole."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from fraudstream.cli.cluster_command import run_on_cluster
from fraudstream.cli.count_flag import positive_count
from fraudstream.cli.failure import Failure
from fraudstream.cli.settings import Settings
from fraudstream.cli.time_flags import now_ms
from fraudstream.contracts.duration import parse_duration

if TYPE_CHECKING:
    from fraudstream.cli.main import Subparsers
    from fraudstream.operations.state_backups import Backup

KEEP: Final = 7
EVERY_S_MIN: Final = 1.0


def add_backup(actions: Subparsers) -> argparse.ArgumentParser:
    """Add `backup`."""
    backup = actions.add_parser(
        "backup",
        help="save the state below ROOT, verify it, keep the newest backups; once, or with --every on a schedule",
        description=(
            "An export in a directory of ROOT that is named by the time, read back and verified; then all but the "
            "newest --keep are removed. Workers may keep running. Without --every it ends with exit code 0 or 1, for "
            "cron or a CronJob of Kubernetes. With --every it goes on after a failure, which it prints."
        ),
        epilog="example:\n  fraudstream state backup /backup --keep 28 --every 6h",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    backup.add_argument("directory", metavar="ROOT", type=Path, help="a directory, or a mounted bucket")
    backup.add_argument("--keep", metavar="N", type=positive_count, default=KEEP, help=f"backups kept ({KEEP})")
    backup.add_argument("--every", metavar="DURATION", type=_interval_s, help="repeat after this time: 6h, 30m")
    return backup


def add_verify(actions: Subparsers) -> argparse.ArgumentParser:
    """Add `verify`."""
    verify = actions.add_parser(
        "verify",
        help="read the backups below ROOT and compare all files with their digests; exit code 1 if one differs",
        epilog="example:\n  fraudstream state verify /backup",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verify.add_argument("directory", metavar="ROOT", type=Path, help="the directory of the backups")
    verify.add_argument("--json", action="store_true", help="print JSON")
    return verify


def run_backup(args: argparse.Namespace, settings: Settings) -> int:
    """Back up once, or until interrupted. Raises `Failure`, `OperationError` without `--every`."""
    from fraudstream.operations.errors import OperationError

    if args.every is None:
        _print(_back_up(args, settings), args.json)
        return 0
    while True:
        started = time.monotonic()
        try:
            _print(_back_up(args, settings), args.json)
        except (Failure, OperationError) as error:
            print(f"fraudstream: no backup: {error.sentence}", file=sys.stderr, flush=True)
        time.sleep(max(EVERY_S_MIN, started + args.every - time.monotonic()))


def run_verify(args: argparse.Namespace) -> int:
    """Verify all complete backups. Raises `ExportError` if the directory cannot be read."""
    from fraudstream.operations.state_backups import backups_of, verify_backup
    from fraudstream.operations.state_files import ExportError

    found: list[dict[str, str | bool | int]] = []
    for directory in backups_of(args.directory):
        try:
            rows = sum(manifest.rows for manifest in verify_backup(directory))
            found.append({"backup": directory.name, "whole": True, "rows": rows, "why": ""})
        except ExportError as error:
            found.append({"backup": directory.name, "whole": False, "rows": 0, "why": error.sentence})
    if args.json:
        print(json.dumps(found))
    else:
        for backup in found:
            print(
                f"{backup['backup']}: " + (f"whole, {backup['rows']} rows" if backup["whole"] else f"{backup['why']}")
            )
        if not found:
            print(f"{args.directory}: there is no backup in it.")
    return 0 if found and all(backup["whole"] for backup in found) else 1


def _back_up(args: argparse.Namespace, settings: Settings) -> Backup:
    from fraudstream.cli.rule_files import load_rule_set
    from fraudstream.cli.worker import stage_settings
    from fraudstream.operations.state_backups import back_up_state

    stages = stage_settings(settings, load_rule_set(Path(settings.rules.directory)))
    brokers = settings.kafka.brokers()
    return run_on_cluster(brokers, lambda: back_up_state(stages, args.directory, keep=args.keep, at_ms=now_ms()))


def _print(backup: Backup, as_json: bool) -> None:
    if as_json:
        print(json.dumps(msgspec.to_builtins(backup)), flush=True)
        return
    removed = f", removed {', '.join(backup.removed)}" if backup.removed else ""
    done = f"{backup.rows} rows, {backup.size / 1e6:.1f} MB in {backup.seconds:.1f} s, verified{removed}"
    print(f"{backup.directory}: {done}", flush=True)


def _interval_s(text: str) -> float:
    try:
        interval_s = parse_duration(text) / 1000
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    if interval_s < EVERY_S_MIN:
        raise argparse.ArgumentTypeError(f"{text!r} is less than a second")
    return interval_s

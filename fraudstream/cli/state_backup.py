"""`fraudstream state backup` and `state verify`: backups on a schedule, and whether they are whole."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from fraudstream import __version__
from fraudstream.cli import metrics_port
from fraudstream.cli.cluster_command import run_on_cluster
from fraudstream.cli.count_flag import positive_count
from fraudstream.cli.failure import Failure
from fraudstream.cli.settings import Settings, add_setting
from fraudstream.cli.time_flags import now_ms
from fraudstream.contracts.duration import parse_duration

if TYPE_CHECKING:
    from fraudstream.cli.main import Subparsers
    from fraudstream.operations.state_backups import Backup
    from fraudstream.telemetry.backups import BackupTelemetry

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
            "cron or a CronJob of Kubernetes. With --every it goes on after a failure, which it prints, serves "
            "metrics, and ends after SIGTERM, when the backup that runs is complete."
        ),
        epilog="example:\n  fraudstream state backup /backup --keep 28 --every 6h",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    backup.add_argument("directory", metavar="ROOT", type=Path, help="a directory, or a mounted bucket")
    backup.add_argument("--keep", metavar="N", type=positive_count, default=KEEP, help=f"backups kept ({KEEP})")
    backup.add_argument("--every", metavar="DURATION", type=_interval_s, help="repeat after this time: 6h, 30m")
    add_setting(backup, "metrics.host", "--metrics-host")
    add_setting(backup, "metrics.backup_port", "--metrics-port")
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
    """Back up once, or until SIGTERM. Raises `Failure`, and without `--every` `OperationError`."""
    if args.every is None:
        _print(_back_up(args, settings, now_ms()), args.json)
        return 0
    from prometheus_client import CollectorRegistry

    from fraudstream.telemetry.backups import BackupTelemetry
    from fraudstream.telemetry.logs import set_up_logs

    set_up_logs(settings.log.level, "json" if args.json else "human")
    telemetry, stopping = BackupTelemetry(CollectorRegistry(), version=__version__), threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    with metrics_port.metrics_served(settings, "metrics.backup_port", telemetry):
        _repeat(args, settings, telemetry, stopping)
    return 0


def _repeat(
    args: argparse.Namespace, settings: Settings, telemetry: BackupTelemetry, stopping: threading.Event
) -> None:
    """Back up every `args.every` seconds until `stopping` is set."""
    from fraudstream.operations.errors import OperationError

    telemetry.on_start(newest_at_ms=_newest_at_ms(args.directory))
    while not stopping.is_set():
        started, at_ms = time.monotonic(), now_ms()
        try:
            backup = _back_up(args, settings, at_ms)
        except (Failure, OperationError) as error:
            telemetry.on_failed()
            print(f"fraudstream: no backup: {error.sentence}", file=sys.stderr, flush=True)
        else:
            telemetry.on_backup(at_ms=at_ms, rows=backup.rows, size=backup.size, seconds=backup.seconds)
            _print(backup, args.json)
        stopping.wait(max(EVERY_S_MIN, started + args.every - time.monotonic()))


def _newest_at_ms(root: Path) -> int:
    """When the newest backup of an earlier process was begun; now, if there is none."""
    from fraudstream.operations.state_backups import backups_of, begun_at_ms
    from fraudstream.operations.state_files import ExportError

    try:
        backups = backups_of(root)
    except ExportError:  # there is no such directory yet, or the first backup says what is wrong with it
        backups = []
    return begun_at_ms(backups[-1]) if backups else now_ms()


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


def _back_up(args: argparse.Namespace, settings: Settings, at_ms: int) -> Backup:
    from fraudstream.cli.rule_files import load_rule_set
    from fraudstream.cli.worker import stage_settings
    from fraudstream.operations.state_backups import back_up_state

    stages = stage_settings(settings, load_rule_set(Path(settings.rules.directory)))
    brokers = settings.kafka.brokers()
    return run_on_cluster(brokers, lambda: back_up_state(stages, args.directory, keep=args.keep, at_ms=at_ms))


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

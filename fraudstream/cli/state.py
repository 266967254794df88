"""`fraudstream state`: export the workers' state, import it, back it up, and accept the loss of deleted records."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from fraudstream.cli import state_backup
from fraudstream.cli.cluster_command import SHORT_S_MAX, run_on_cluster
from fraudstream.cli.failure import Failure
from fraudstream.cli.settings import Settings, add_setting
from fraudstream.contracts.nearest_name import nearest_or_all

if TYPE_CHECKING:
    from fraudstream.cli.main import Subparsers
    from fraudstream.operations.accept_gap import NumberedGap
    from fraudstream.operations.state_files import Manifest

FLAGS = ("kafka.bootstrap_servers", "worker.group", "worker.state_version", "worker.checkpoint_mode")


def add_parser(subparsers: Subparsers) -> None:
    """Add `state export|import|backup|verify|accept-gap`."""
    parser = subparsers.add_parser(
        "state",
        help="export, back up and import the workers' state, and accept the loss of records that retention deleted",
        description=(
            "A backup of the workers' state: each partition with its position in the payments log. Imported into an "
            "empty changelog, workers resume from there: they decide the payments since again, under the same ids. "
            "Where there are several stages, each has a directory below DIR. A partition whose next records retention "
            "has deleted keeps its state, and waits until their loss is accepted."
        ),
        epilog="example:\n  fraudstream state export /backup/2026-03-04",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", dest="action", required=True)
    export = actions.add_parser(
        "export",
        help="save the current state; workers may keep running",
        epilog="example:\n  fraudstream state export /backup/2026-03-04 --json",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    restore = actions.add_parser(
        "import",
        help="write an export into an empty changelog; stop all workers first",
        epilog=(
            "example:\n  fraudstream topics apply\n  fraudstream state import /backup/2026-03-04\n  fraudstream worker"
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    backup = state_backup.add_backup(actions)
    state_backup.add_verify(actions)
    accept = _add_accept_gap(actions)
    for action in (export, restore):
        action.add_argument("directory", metavar="DIR", type=Path, help="a file for each partition, and manifest.json")
    for action in (export, restore, backup, accept):
        for setting in FLAGS:
            add_setting(action, setting)
        add_setting(action, "rules.directory", "--rules")
        add_setting(action, "identifiers.secret_file", "--identifier-secret")
        action.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Run the action. Raises `Failure`, `OperationError`."""
    if args.action == "backup":
        return state_backup.run_backup(args, settings)
    if args.action == "verify":
        return state_backup.run_verify(args)
    if args.action == "accept-gap":
        return _accept_gap(args, settings)
    return _export_or_import(args, settings)


def _add_accept_gap(actions: Subparsers) -> argparse.ArgumentParser:
    accept = actions.add_parser(
        "accept-gap",
        help="let stopped partitions continue without the records that retention deleted before they were processed",
        description=(
            "Retention deleted the next records of a stopped partition, so workers do not process it. This records in "
            "its changelog that the loss is accepted, and by whom. The worker that holds the partition finds it within "
            "seconds and continues at the first record that is left, with the state that it has; features say how much "
            "of their window they have seen since."
        ),
        epilog='example:\n  fraudstream state accept-gap 3 --note "outage of 2026-03-04, decided by hand"',
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    accept.add_argument("partitions", metavar="PARTITION", nargs="+", type=int, help="number of a stopped partition")
    accept.add_argument("--topic", metavar="NAME", help="the topic with the gap (default: the payments)")
    accept.add_argument("--as", dest="author", metavar="NAME", help="name recorded (default: your login name)")
    accept.add_argument("--note", metavar="TEXT", help="reason, recorded with it")
    return accept


def _accept_gap(args: argparse.Namespace, settings: Settings) -> int:
    from fraudstream.cli.author_flags import login_name
    from fraudstream.cli.rule_files import load_rule_set
    from fraudstream.cli.time_flags import now_ms
    from fraudstream.cli.worker import stage_settings
    from fraudstream.operations.accept_gap import accept_gaps

    stages = {
        stage.input_topic: stage for stage in stage_settings(settings, load_rule_set(Path(settings.rules.directory)))
    }
    topic = args.topic or settings.topics.payments
    if topic not in stages:
        raise Failure(f"--topic {topic}: no stage reads it. {nearest_or_all(topic, stages)}")
    author = args.author if args.author is not None else login_name("--as")

    async def work() -> Sequence[NumberedGap]:
        return await accept_gaps(stages[topic], args.partitions, by=author, at_ms=now_ms(), note=args.note)

    accepted = run_on_cluster(settings.kafka.brokers(), work, SHORT_S_MAX)
    if args.json:
        print(json.dumps([{"partition": number, **msgspec.to_builtins(gap)} for number, gap in accepted]))
        return 0
    for number, (_, first, following, *_) in ((number, msgspec.structs.astuple(gap)) for number, gap in accepted):
        records = f"{following - first:,} records ({first} to {following - 1})"
        print(f"accepted: {topic}-{number} continues at {following} without {records}")
    return 0


def _export_or_import(args: argparse.Namespace, settings: Settings) -> int:
    from fraudstream.cli.rule_files import load_rule_set
    from fraudstream.cli.worker import stages_of_workers
    from fraudstream.operations.state_export import export_state
    from fraudstream.operations.state_import import import_state

    stages = stages_of_workers(settings, load_rule_set(Path(settings.rules.directory)))

    async def work() -> None:
        for stage, engine in stages:
            directory = args.directory if len(stages) == 1 else args.directory / stage.stage
            if args.action == "export":
                _print(await export_state(stage, directory), directory, args.json, "exported")
            else:
                layout = engine.new_state().layout
                _print(await import_state(stage, directory, layout), directory, args.json, "imported")

    run_on_cluster(settings.kafka.brokers(), work)
    return 0


def _print(manifest: Manifest, directory: Path, as_json: bool, done: str) -> None:
    offsets = {str(p.partition): p.checkpoint.next_offset for p in manifest.partitions}
    if as_json:
        print(
            json.dumps({"directory": str(directory), "rows": manifest.rows, "bytes": manifest.size, "offsets": offsets})
        )
    else:
        print(
            f"{done}: {manifest.rows} rows, {manifest.size / 1e6:.1f} MB, {len(offsets)} partitions of "
            f"{manifest.changelog}, {directory}"
        )

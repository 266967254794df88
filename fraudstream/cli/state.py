"""`fraudstream state`: export the workers' state to a directory, and import it."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from fraudstream.cli.cluster_command import run_on_cluster
from fraudstream.cli.settings import Settings, add_setting

if TYPE_CHECKING:
    from fraudstream.cli.main import Subparsers
    from fraudstream.operations.state_files import Manifest

FLAGS = ("kafka.bootstrap_servers", "worker.group", "worker.state_version", "worker.checkpoint_mode")


def add_parser(subparsers: Subparsers) -> None:
    """Add `state export|import`."""
    parser = subparsers.add_parser(
        "state",
        help="export the workers' state to a directory, and import it",
        description=(
            "A backup of the workers' state: each partition with its position in the payments log. Imported into an "
            "empty changelog, workers resume from there: they decide the payments since again, under the same ids. "
            "Where there are several stages, each has a directory below DIR."
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
    for action in (export, restore):
        action.add_argument("directory", metavar="DIR", type=Path, help="a file for each partition, and manifest.json")
        for setting in FLAGS:
            add_setting(action, setting)
        add_setting(action, "rules.directory", "--rules")
        add_setting(action, "identifiers.secret_file", "--identifier-secret")
        action.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Export or import the state of every stage. Raises `Failure`, `OperationError`."""
    from fraudstream.cli.rule_files import load_rule_set
    from fraudstream.cli.worker import stream_settings
    from fraudstream.engine.engine import Engine
    from fraudstream.operations.state_export import export_state
    from fraudstream.operations.state_import import import_state
    from fraudstream.stream.stages import stages_of

    stream = stream_settings(settings)
    stages = list(stages_of(stream, Engine(load_rule_set(Path(settings.rules.directory)))))

    async def work() -> None:
        for stage, engine in stages:
            directory = args.directory if len(stages) == 1 else args.directory / stage.stage
            if args.action == "export":
                _print(await export_state(stage, directory), directory, args.json, "exported")
            else:
                layout = engine.new_state().layout
                _print(await import_state(stage, directory, layout), directory, args.json, "imported")

    run_on_cluster(stream.brokers, work)
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

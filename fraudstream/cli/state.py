"""`fraudstream state`: save the workers' memory to a directory, and write it back."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from fraudstream.cli.failure import Failure
from fraudstream.cli.settings import Settings, add_setting

if TYPE_CHECKING:
    from fraudstream.cli.main import Subparsers
    from fraudstream.stream.backup.files import Manifest

FLAGS = ("kafka.bootstrap_servers", "worker.group", "worker.state_version", "worker.checkpoint_mode")


def add_parser(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "state",
        help="save the workers' memory to a directory, and write it back",
        description=(
            "A backup of what workers remember, each partition with its place in the payments log. Written back into "
            "an empty changelog, workers go on from there: they judge the payments since again, under the same ids. "
            "Where there are several stages, each has a directory below DIR."
        ),
        epilog="example:\n  fraudstream state export /backup/2026-03-04",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", dest="action", required=True)
    export = actions.add_parser(
        "export",
        help="save the memory as it is now; workers may go on meanwhile",
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
        action.add_argument("directory", metavar="DIR", type=Path, help="a file a partition, and manifest.json")
        for setting in FLAGS:
            add_setting(action, setting)
        add_setting(action, "rules.directory", "--rules")
        action.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace, settings: Settings) -> int:
    from aiokafka.errors import KafkaError

    from fraudstream.cli.rule_files import load_rule_set
    from fraudstream.cli.worker import stream_settings
    from fraudstream.engine.engine import Engine
    from fraudstream.kafka import connection_diagnosis
    from fraudstream.stream.backup.export import export_state
    from fraudstream.stream.backup.files import ExportError
    from fraudstream.stream.backup.load import import_state
    from fraudstream.stream.failure import PermanentFailure
    from fraudstream.stream.stages import stages_of

    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # what it can't do is told in one sentence
    stream = stream_settings(settings)
    try:
        stages = list(stages_of(stream, Engine(load_rule_set(Path(settings.rules.directory)))))
        for stage, engine in stages:
            directory = args.directory if len(stages) == 1 else args.directory / stage.stage
            if args.action == "export":
                _print(asyncio.run(export_state(stage, directory)), directory, args.json, "saved")
            else:
                layout = engine.new_state().layout
                _print(asyncio.run(import_state(stage, directory, layout)), directory, args.json, "restored")
        return 0
    except PermanentFailure as refusal:
        raise Failure(refusal.sentence) from refusal
    except ExportError as error:
        raise Failure(str(error)) from error
    except (KafkaError, OSError) as error:
        raise Failure(
            asyncio.run(connection_diagnosis.refusal(stream.brokers))
            or f"no broker answers as it should at {stream.brokers.servers} ({error!r}). Try again once it does."
        ) from error


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

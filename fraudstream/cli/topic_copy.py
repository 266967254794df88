"""`fraudstream topics copy`: copy the payments log into a topic with another number of partitions."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
from typing import TYPE_CHECKING, Any

from fraudstream.cli import cluster_command
from fraudstream.cli.cluster_command import run_on_cluster
from fraudstream.cli.settings import Settings, add_setting

if TYPE_CHECKING:
    from fraudstream.operations.copy_log import Copied


def add_parser(actions: argparse._SubParsersAction[Any]) -> None:
    """Add `copy` to the actions of `topics`."""
    copy = actions.add_parser(
        "copy",
        help="copy the payments log into a topic with another number of partitions, and go on until Ctrl-C",
        description=(
            "Copies the records of a log, each to the partition of its key, into an empty topic, and then what is "
            "published to the log, until SIGTERM or Ctrl-C: it stops at the end of the log. For a new state version "
            "that is to have more partitions (docs/scaling.md). Rule switches and list entries are not copied."
        ),
        epilog="example:\n  fraudstream topics copy payments payments-48",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    copy.add_argument("log", metavar="LOG", help="topic to copy")
    copy.add_argument("copy", metavar="COPY", help="topic to copy it to, which `topics apply` has made")
    copy.add_argument("--once", action="store_true", help="stop at the end of the log")
    add_setting(copy, "publishers.partitioner")
    cluster_command.add_flags(copy)


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Copy until a signal. Raises `OperationError`."""
    from fraudstream.operations.copy_log import copy_log

    brokers = settings.kafka.brokers()

    def show(copied: Copied) -> None:
        if not args.json:
            offsets = ", ".join(f"{args.log}-{number} at {offset}" for number, offset in copied.offsets.items())
            print(f"{copied.records:,} records copied, to the end: {offsets}", flush=True)

    async def work() -> Copied:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        if args.once:
            stop.set()
        return await copy_log(
            brokers,
            args.log,
            args.copy,
            committed_only=settings.worker.checkpoint_mode == "transaction",
            partitioner=settings.publishers.partitioner,
            stop=stop,
            at_end=show,
        )

    copied = run_on_cluster(brokers, work)
    if args.json:
        print(json.dumps({"records": copied.records, "offsets": copied.offsets}))
    return 0

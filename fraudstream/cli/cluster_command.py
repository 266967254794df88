"""Shared by the commands that use a Kafka cluster: their flags, and how they run their work."""

from __future__ import annotations

import argparse
import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, TypeVar

from fraudstream.cli.settings import add_setting

if TYPE_CHECKING:
    from fraudstream.kafka import Brokers

SHORT_S_MAX: Final = 180.0  # of commands that read and write few records: longer than any time limit of the clients

Result = TypeVar("Result")


def add_flags(parser: argparse.ArgumentParser) -> None:
    """`--bootstrap-servers` and `--json`."""
    add_setting(parser, "kafka.bootstrap_servers")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run_on_cluster(brokers: Brokers, work: Callable[[], Awaitable[Result]], within_s: float | None = None) -> Result:
    """Run `work` and return its result. `within_s`: its time limit; None if it has its own, as reading a whole topic
    has.

    Raises `ClusterError` if the cluster cannot be reached, stops answering or rejects a request, and what `work`
    raises.
    """
    from fraudstream.operations.cluster_access import on_cluster

    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # its errors are reported in one sentence
    return asyncio.run(on_cluster(brokers, work, within_s=within_s))

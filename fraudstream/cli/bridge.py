"""`fraudstream bridge`: turn a bank's topic of messages into payments."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from fraudstream.cli import metrics_port
from fraudstream.cli.failure import Failure
from fraudstream.cli.settings import Settings, add_setting

if TYPE_CHECKING:
    from fraudstream.backtest.mapping import Mapping
    from fraudstream.cli.main import Subparsers


def add_parser(subparsers: Subparsers) -> None:
    """Add `bridge`."""
    parser = subparsers.add_parser(
        "bridge",
        help="turn a bank's topic of ISO 20022 or ISO 8583 messages into payments",
        description=(
            "Reads a topic of messages, and publishes the payments in them, until SIGTERM or Ctrl-C. On Apache Kafka "
            "each message takes effect exactly once. A message that cannot be read becomes a dead letter with topic, "
            "partition, offset, path and sentence. Bridges with one group share the partitions. Exit codes: 0 "
            "stopped, 1 could not start, 70 failed (start it again: it resumes where it was), 78 fails again until "
            "the cause that it names is fixed."
        ),
        epilog=(
            "example:\n"
            "  fraudstream bridge --from bank.transfers --format pacs.008\n"
            "  fraudstream bridge --from bank.transfers --format pacs.008 --format pacs.004 --format camt.056\n"
            "  fraudstream bridge --from switch.messages --format iso8583 --mapping our-switch.yaml"
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_setting(parser, "bridge.source_topic", "--from")
    parser.add_argument(
        "--format",
        metavar="NAME",
        action="append",
        default=[],
        help="format of the messages: pacs.008, pain.001, pacs.004, camt.056, iso8583; the shipped mapping of this "
        "name reads them, unless --mapping gives another. May be given more than once for messages of ISO 20022",
    )
    parser.add_argument(
        "--mapping",
        metavar="NAME",
        action="append",
        default=[],
        help="mapping of the messages: a shipped name or a .yaml file; may be given more than once",
    )
    parser.add_argument("--once", action="store_true", help="end once all is done that the topic holds now")
    add_setting(parser, "kafka.bootstrap_servers")
    add_setting(parser, "bridge.group")
    add_setting(parser, "cards.secret_file", "--cards-secret-file")
    metrics_port.add_flags(parser, "metrics.bridge_port")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Run the bridge. Raises `Failure`."""
    from fraudstream.cli.bridge_process import run_bridge

    if settings.bridge.source_topic is None:
        raise Failure("there is no topic to read: give --from TOPIC, or set bridge.source_topic.")
    mappings = mappings_of(args.format, args.mapping)
    return run_bridge(settings, mappings, once=args.once, as_json=args.json)


def mappings_of(formats: list[str], names: list[str]) -> list[Mapping]:
    """The mappings that the flags name; for a format without one, the shipped one of its name. Raises `Failure`."""
    from fraudstream.backtest.mapping import MappingError, load_mapping, shipped_mappings

    try:
        given = [load_mapping(name) for name in names]
        found = {mapping.message.format for mapping in given if mapping.message is not None}
        for name in formats:
            if name in found:
                continue
            if name not in shipped_mappings():
                raise Failure(f"--format {name}: there is no shipped mapping of this name: give --mapping FILE.")
            given.append(load_mapping(name))
    except MappingError as error:
        raise Failure(str(error)) from error
    if formats and (others := sorted(found - set(formats))):
        raise Failure(f"--format {' '.join(formats)}: a mapping is of {others[0]}. Add --format {others[0]}.")
    return given

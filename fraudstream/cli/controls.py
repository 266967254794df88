"""What commands that change how payments are judged share: who did it, the cluster, and how they fail."""

from __future__ import annotations

import argparse
import asyncio
import getpass
import logging
import time
from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from fraudstream.cli.failure import Failure
from fraudstream.cli.settings import add_setting

if TYPE_CHECKING:
    from fraudstream.stream.settings import StreamSettings

Answer = TypeVar("Answer")


def add_cluster(parser: argparse.ArgumentParser) -> None:
    add_setting(parser, "kafka.bootstrap_servers")
    parser.add_argument("--json", action="store_true", help="print JSON")


def add_author(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--by", metavar="NAME", help="who does it, for the record (default: the user logged in)")
    parser.add_argument("--note", metavar="TEXT", help="why, for the record")


def author(args: argparse.Namespace) -> str:
    """Raises `Failure` for a name that can't be kept."""
    by: str = args.by or _user()
    checked(by, "--by")
    if args.note is not None and len(args.note) > 4096:
        raise Failure(f"--note: at most 4,096 characters, not {len(args.note):,}.")
    return by


def checked(text: str, what: str) -> str:
    """An identifier as the contracts want it. Raises `Failure`."""
    if not 1 <= len(text) <= 128 or any(character < " " for character in text):
        raise Failure(f"{what} '{text[:40]}': 1 to 128 characters, none of them a control character.")
    return text


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def time_text(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def asked(stream: StreamSettings, work: Coroutine[Any, Any, Answer]) -> Answer:
    """What `work` at the cluster comes to. Raises `Failure` where it can't be reached or lacks a topic."""
    from aiokafka.errors import KafkaConnectionError, KafkaError, MessageSizeTooLargeError

    from fraudstream.kafka.connection_diagnosis import unreachable
    from fraudstream.stream.control_log import NoTopicError

    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # what goes wrong is told in one sentence
    try:
        return asyncio.run(work)
    except KafkaConnectionError as error:
        raise Failure(asyncio.run(unreachable(stream.brokers))) from error
    except MessageSizeTooLargeError as error:
        raise Failure(f"The rule set is too large for the topic '{stream.controls_topic}': {error}.") from error
    except NoTopicError as error:
        raise Failure(f"{stream.brokers} has no topic '{error}'. Create it with `fraudstream topics apply`.") from error
    except (KafkaError, TimeoutError) as error:
        raise Failure(f"{stream.brokers}: {str(error).rstrip('.') or 'no answer'}.") from error


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container without a user's name
        raise Failure("Nobody is logged in by name: say with --by NAME who does this.") from None

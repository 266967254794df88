"""`fraudstream dead-letters`: list, show and replay records that could not be decided."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from fraudstream.cli.author_flags import login_name
from fraudstream.cli.cluster_command import run_on_cluster
from fraudstream.cli.count_flag import positive_count
from fraudstream.cli.failure import Failure
from fraudstream.cli.settings import Settings, add_setting
from fraudstream.contracts.dead_letter import ReasonCode
from fraudstream.contracts.error_text import system_error_text
from fraudstream.contracts.timestamps import utc_text

if TYPE_CHECKING:
    from fraudstream.cli.main import Subparsers
    from fraudstream.operations.dead_letter_replay import Correction
    from fraudstream.operations.dead_letters import DeadLetterLog, LetterPosition, ReplayMark, StoredLetter

LISTED_DEFAULT = 50
FIRST_BYTES = 60  # of a record, in a line of the list


def add_parser(subparsers: Subparsers) -> None:
    """Add `dead-letters list|show|replay`."""
    parser = subparsers.add_parser(
        "dead-letters",
        help="list, show and replay records that could not be decided",
        description=(
            "Records that could not be decided, with the reason and the original bytes. POSITION is PARTITION:OFFSET "
            "in the topic of dead letters, as list shows it."
        ),
        epilog="example:\n  fraudstream dead-letters replay --reason key --rekey",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", dest="action", required=True)
    for action in (_add_list(actions), _add_show(actions), _add_replay(actions)):
        add_setting(action, "kafka.bootstrap_servers")
        add_setting(action, "topics.dead_letters", "--topic")
        action.add_argument("--json", action="store_true", help="print JSON")


def _add_list(actions: Subparsers) -> argparse.ArgumentParser:
    listing = actions.add_parser(
        "list",
        help="the dead letters, and how many there are by reason",
        epilog="example:\n  fraudstream dead-letters list --reason currency --limit 10",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    listing.add_argument("--reason", choices=get_args(ReasonCode), help="only letters with this reason")
    listing.add_argument(
        "--limit",
        type=positive_count,
        default=LISTED_DEFAULT,
        metavar="COUNT",
        help="list at most COUNT letters; all are counted (default: 50)",
    )
    return listing


def _add_show(actions: Subparsers) -> argparse.ArgumentParser:
    show = actions.add_parser(
        "show",
        help="one letter in full: headers, key, bytes as text or as hexadecimal",
        epilog="example:\n  fraudstream dead-letters show 3:117",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    show.add_argument("position", metavar="POSITION")
    return show


def _add_replay(actions: Subparsers) -> argparse.ArgumentParser:
    replay = actions.add_parser(
        "replay",
        help="send records back to the topic they came from, corrected or as they are",
        description=(
            "Sends records back to their topic and partition, with their key and headers. Repeating it is harmless: "
            "a payment counts once by its event_id. A record that still cannot be decided becomes a new dead letter. "
            "Exit code 1 if a letter was skipped."
        ),
        epilog=(
            "example:\n"
            "  fraudstream dead-letters replay --position 3:117 --edit corrected.json\n"
            '  fraudstream dead-letters replay --reason currency --with "sed s/UKP/GBP/"'
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    which = replay.add_mutually_exclusive_group(required=True)
    which.add_argument("--reason", choices=get_args(ReasonCode), help="all letters with this reason")
    which.add_argument("--position", metavar="POSITION", help="this letter")
    which.add_argument("--all", action="store_true", help="all letters")
    how = replay.add_mutually_exclusive_group()
    how.add_argument("--edit", metavar="FILE", help="send the bytes of FILE instead (requires --position)")
    how.add_argument(
        "--with",
        dest="with_command",
        metavar="COMMAND",
        help="send the output of COMMAND, which gets the bytes on stdin",
    )
    replay.add_argument("--rekey", action="store_true", help="use the account_id in the bytes as the key")
    replay.add_argument("--as", dest="actor", metavar="NAME", help="who replays (default: your login name)")
    return replay


def run(args: argparse.Namespace, settings: Settings) -> int:
    """List, show or replay. Raises `Failure`, `OperationError`."""
    from fraudstream.operations.dead_letters import DeadLetterLog

    brokers = settings.kafka.brokers()
    letters = DeadLetterLog(brokers, settings.topics.dead_letters)
    match args.action:
        case "list":
            return run_on_cluster(brokers, lambda: _list(letters, args))
        case "show":
            return run_on_cluster(brokers, lambda: _show(letters, args))
        case _:
            return run_on_cluster(brokers, lambda: _replay(letters, args, settings))


async def _list(letters: DeadLetterLog, args: argparse.Namespace) -> int:
    from fraudstream.operations.dead_letters import StoredLetter

    counts: Counter[str] = Counter()
    listed: list[StoredLetter] = []
    marks: dict[LetterPosition, ReplayMark] = {}
    async for entry in letters.entries():
        if not isinstance(entry, StoredLetter):
            marks[entry.position] = entry
            continue
        counts[entry.letter.reason] += 1
        if args.reason in (None, entry.letter.reason) and len(listed) < args.limit:
            listed.append(entry)
    summaries = [_summary(stored, marks.get(stored.position)) for stored in listed]
    if args.json:
        print(json.dumps({"dead_letters": summaries, "counts": dict(counts)}))
        return 0
    for summary in summaries:
        _print_summary(summary)
    matching = counts[args.reason] if args.reason else counts.total()
    if len(listed) < matching:
        print(f"... and {matching - len(listed)} more: --limit {matching} lists all")
    by_reason = ", ".join(f"{count} {reason}" for reason, count in counts.most_common())
    counted = "1 dead letter" if counts.total() == 1 else f"{counts.total()} dead letters"
    print(f"{counted}{by_reason and ': '}{by_reason}{_replayed(len(marks))}")
    return 0


def _replayed(letters: int) -> str:
    return f"; {letters} replayed" if letters else ""


async def _show(letters: DeadLetterLog, args: argparse.Namespace) -> int:
    import msgspec

    from fraudstream.operations.dead_letters import LetterPosition

    stored = await letters.letter(LetterPosition.parse(args.position))
    letter = stored.letter
    if args.json:
        text = {"text": letter.value.decode()} if _is_text(letter.value) else {}
        print(json.dumps({"position": str(stored.position), **msgspec.to_builtins(letter), **text}))
        return 0
    print(f"position  {stored.position}")
    print(f"reason    {letter.reason}: {letter.sentence}")
    print(f"path      {letter.path}")
    print(f"from      {letter.topic}:{letter.partition}:{letter.offset} at {_time(letter.timestamp_ms)}")
    print(f"key       {_bytes(letter.key)}")
    for name, value in letter.headers:
        print(f"header    {name}: {_bytes(value)}")
    print(f"bytes     {letter.value_bytes}{f', the first {len(letter.value)} of them here' if stored.cut else ''}")
    print()
    print(letter.value.decode() if _is_text(letter.value) else letter.value.hex(" ", -16))
    return 0


async def _replay(letters: DeadLetterLog, args: argparse.Namespace, settings: Settings) -> int:
    from fraudstream.operations.dead_letter_replay import replay

    if args.edit and not args.position:
        raise Failure("--edit replaces one record: name its letter with --position.")
    by = args.actor if args.actor is not None else login_name("--as")
    result = await replay(
        settings.kafka.brokers(),
        letters.topic,
        _chosen(letters, args),
        _correction(args),
        by=by,
        partitioner=settings.publishers.partitioner,
        label_secrets=settings.signatures.given().labels,
    )
    if args.json:
        skipped = [{"position": str(position), "sentence": sentence} for position, sentence in result.skipped]
        print(json.dumps({"replayed": result.replayed, "skipped": skipped}))
    else:
        for position, sentence in result.skipped:
            print(f"{position}: skipped: {sentence}", file=sys.stderr)
        print(f"{result.replayed} replayed, {len(result.skipped)} skipped")
    return 1 if result.skipped else 0


async def _chosen(letters: DeadLetterLog, args: argparse.Namespace) -> AsyncIterator[StoredLetter]:
    from fraudstream.operations.dead_letters import LetterPosition

    if args.position:
        yield await letters.letter(LetterPosition.parse(args.position))
        return
    async for stored in letters.letters():
        if args.reason in (None, stored.letter.reason):
            yield stored


def _correction(args: argparse.Namespace) -> Correction:
    """The correction that the flags select. Raises `Failure`."""
    from fraudstream.operations.dead_letter_corrections import keyed_by_account, unchanged, with_command, with_value

    correction: Correction = unchanged
    if args.edit:
        try:
            correction = with_value(Path(args.edit).read_bytes())
        except OSError as error:
            raise Failure(f"{args.edit}: cannot read it: {system_error_text(error)}.") from error
    elif args.with_command:
        correction = with_command(_command(args.with_command))
    return keyed_by_account(correction) if args.rekey else correction


def _command(text: str) -> list[str]:
    import shutil

    try:
        command = shlex.split(text)
    except ValueError as error:
        raise Failure(f"--with {text}: {error}.") from error
    if not command or shutil.which(command[0]) is None:
        raise Failure(f"--with {text}: there is no such command.")
    return command


def _summary(stored: StoredLetter, mark: ReplayMark | None) -> dict[str, Any]:
    letter = stored.letter
    replayed = {} if mark is None else {"replayed_at": _time(mark.at_ms), "replayed_by": mark.by}
    return replayed | {
        "position": str(stored.position),
        "at": _time(letter.timestamp_ms),
        "reason": letter.reason,
        "sentence": letter.sentence,
        "path": letter.path,
        "from": f"{letter.topic}:{letter.partition}:{letter.offset}",
        "bytes": letter.value_bytes,
        "first_bytes": _bytes(letter.value[:FIRST_BYTES]),
    }


def _print_summary(line: dict[str, Any]) -> None:
    print(
        f"{line['position']:<10} {line['at']}  {line['reason']:<13} {line['from']}  {line['path']}: {line['sentence']}"
    )
    print(f"{'':<10} {line['first_bytes']}")
    if "replayed_at" in line:
        print(f"{'':<10} replayed {line['replayed_at']} by {line['replayed_by']}")


def _is_text(data: bytes) -> bool:
    """Whether it can be printed on a terminal: UTF-8, and no control characters but tabs and line ends."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return False
    return all(character.isprintable() or character in "\t\n\r" for character in text)


def _bytes(data: bytes | None) -> str:
    return "-" if data is None else repr(data)[2:-1]


def _time(at_ms: int) -> str:
    """A time in UTC; of a record without a timestamp (-1), the epoch."""
    return utc_text(max(at_ms, 0))

"""`fraudstream audit`: list, export and verify the audit log."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, get_args

from fraudstream.cli.cluster_command import run_on_cluster
from fraudstream.cli.console_references import references_of
from fraudstream.cli.count_flag import positive_count
from fraudstream.cli.failure import Failure
from fraudstream.cli.settings import Settings, add_setting
from fraudstream.cli.time_flags import date_ms
from fraudstream.contracts.audit_record import AuditAction, AuditEvent, AuditOutcome, ChainHead
from fraudstream.contracts.error_text import system_error_text
from fraudstream.contracts.timestamps import utc_text
from fraudstream.supervision import exit_codes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fraudstream.audit.selection import AuditSelection
    from fraudstream.audit.topic import AuditTopic
    from fraudstream.audit.verification import Verification
    from fraudstream.cli.main import Subparsers

LISTED_DEFAULT = 50
LOOK_AT_MAX = 1_000_000  # records that a list looks through


def add_parser(subparsers: Subparsers) -> None:
    """Add `audit list|export|verify`."""
    parser = subparsers.add_parser(
        "audit",
        help="list, export and verify the audit log: who did and who viewed what in the console",
        description="The audit log of the console: log-ins, views, searches, actions, refusals, exports.",
        epilog="example:\n  fraudstream audit verify",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", dest="action_name", required=True)
    listing = actions.add_parser(
        "list",
        help="the newest events, the newest first",
        epilog="example:\n  fraudstream audit list --actor ann --since 2026-03-01",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    listing.add_argument(
        "--limit", type=positive_count, default=LISTED_DEFAULT, metavar="COUNT", help="at most COUNT (default: 50)"
    )
    export = actions.add_parser(
        "export",
        help="write records to a file, one a line, as they are on the topic",
        description="Writes records to a file, one a line, the oldest first. Without filters, verify --file reads it.",
        epilog="example:\n  fraudstream audit export --out audit.jsonl",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    export.add_argument("--out", metavar="FILE", required=True, help="file to write; - for standard output")
    for action in (listing, export):
        _add_filters(action)
    verify = actions.add_parser(
        "verify",
        help="read the whole log and check that nothing was changed, removed, moved or cut off; exit code 1 if so",
        description=(
            "Reads the whole log and checks its chains of hashes. Prints the newest record of each chain: noted "
            "elsewhere and given as --expect, it must be there at a later check."
        ),
        epilog=(
            "example:\n  fraudstream audit verify --json\n  fraudstream audit verify --expect CHAIN:SEQUENCE:SHA256"
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verify.add_argument("--file", metavar="FILE", help="a file of `audit export` in place of the topic")
    verify.add_argument(
        "--expect",
        metavar="HEAD",
        action="append",
        type=_head,
        default=[],
        help="a record that must be there: CHAIN:SEQUENCE:SHA256, as an earlier check printed it",
    )
    for action in (listing, export, verify):
        add_setting(action, "kafka.bootstrap_servers")
        add_setting(action, "topics.audit", "--topic")
        if action is not verify:
            add_setting(action, "redis.url", "--redis-url")
        action.add_argument("--json", action="store_true", help="print JSON")


def _add_filters(action: argparse.ArgumentParser) -> None:
    action.add_argument("--actor", metavar="NAME", help="only events of this user")
    action.add_argument(
        "--object", metavar="OBJECT", help="only events on this: case:ID, user:NAME, account:ID; or an id alone"
    )
    action.add_argument("--action", choices=get_args(AuditAction), help="only events of this kind")
    action.add_argument("--outcome", choices=get_args(AuditOutcome), help="only events with this outcome")
    action.add_argument("--since", metavar="TIME", type=date_ms, help="only events at TIME or later, UTC")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """List, export or verify. Raises `Failure`, `OperationError`."""
    from fraudstream.audit.selection import AuditSelection
    from fraudstream.audit.topic import AuditTopic
    from fraudstream.kafka.topic_reader import NoTopicError

    brokers = settings.kafka.brokers()
    topic = AuditTopic(brokers, settings.topics.audit)
    try:
        match args.action_name:
            case "verify" if args.file is not None:
                return _print_verification(_verify_file(Path(args.file), args.expect), args.json)
            case "verify":
                found = run_on_cluster(brokers, lambda: _verify_topic(topic, args.expect))
                return _print_verification(found, args.json)
        wanted = AuditSelection(
            *(args.actor, args.object, args.action, args.outcome, args.since), _pseudonyms(settings, args.object)
        )
        if args.action_name == "export":
            with _output(args.out) as file:
                count = run_on_cluster(brokers, lambda: _export(topic, wanted, file))
            _print_exported(args, count)
            return exit_codes.DONE
        records, _ = run_on_cluster(brokers, lambda: topic.newest(wanted.has_value, args.limit, None, LOOK_AT_MAX))
    except NoTopicError as error:
        raise Failure(f"{error}: fraudstream topics apply creates it.") from error
    _print_list([value for _, value in records], args.json)
    return exit_codes.DONE


def _pseudonyms(settings: Settings, name: str | None) -> frozenset[str]:
    """What the log calls an account, a device and so on of this name. Raises `Failure`."""
    kind = (name or "").partition(":")[0]
    if name is None or kind in ("case", "rule", "user", "token", "path"):
        return frozenset()
    return asyncio.run(references_of(settings)).pseudonyms(name)


async def _verify_topic(topic: AuditTopic, expected: Sequence[ChainHead]) -> Verification:
    from fraudstream.audit.verification import Verification

    verification = Verification(is_whole=(await topic.extent()).begin == 0, expected=expected)
    async for offset, value in topic.forward():
        verification.add(offset, value)
    verification.finish()
    return verification


def _verify_file(path: Path, expected: Sequence[ChainHead]) -> Verification:
    """The offset of a record is the number of its line, from 0. Raises `Failure`."""
    from fraudstream.audit.verification import Verification

    verification = Verification(is_whole=False, expected=expected)
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file):
                verification.add(number, line.removesuffix(b"\n"))
    except OSError as error:
        raise Failure(f"{path}: {system_error_text(error)}.") from error
    verification.finish()
    return verification


async def _export(topic: AuditTopic, wanted: AuditSelection, file: BinaryIO) -> int:
    count, all_of_them = 0, wanted == type(wanted)()
    async for _, value in topic.forward():
        if all_of_them or wanted.has_value(value):
            file.write(value + b"\n")
            count += 1
    return count


def _print_exported(args: argparse.Namespace, count: int) -> None:
    text = json.dumps({"records": count, "file": args.out}) if args.json else f"{count} records: {args.out}"
    print(text, file=sys.stderr if args.out == "-" else sys.stdout)


def _print_verification(found: Verification, as_json: bool) -> int:
    heads = [f"{head.chain}:{head.sequence}:{head.digest}" for head in (each.head for each in found.chains.values())]
    if as_json:
        faults = [fault._asdict() for fault in found.faults]
        print(json.dumps({"records": found.records, "chains": len(found.chains), "faults": faults, "heads": heads}))
        return exit_codes.FAILED if found.faults else exit_codes.DONE
    for fault in found.faults:
        chain = "" if fault.chain is None else f", chain {fault.chain}"
        where = "" if fault.offset < 0 else f"offset {fault.offset}, "
        print(f"{fault.kind}: {where}{fault.sentence}{chain}")
    print(f"{found.records} records in {len(found.chains)} chains: {len(found.faults) or 'no'} faults")
    for head in heads[-1:]:
        print(f"newest record: {head}")
    return exit_codes.FAILED if found.faults else exit_codes.DONE


def _print_list(values: Sequence[bytes], as_json: bool) -> None:
    from fraudstream.audit.selection import record_of

    if as_json:
        for value in values:
            print(value.decode())
        return
    for value in values:
        record = record_of(value)
        print("unreadable" if record is None else _line(record.event))
    if not values:
        print("no events")


def _line(event: AuditEvent) -> str:
    what = event.action if event.detail is None else f"{event.action} ({_shown(event.detail)})"
    parts = [utc_text(event.at_ms), _shown(event.actor or "-"), event.address, what, event.outcome]
    return "  ".join([*parts, _shown(event.object or "")]).rstrip()


def _shown(text: str) -> str:
    """On one line, whatever it holds."""
    return text if text.isprintable() else text.encode("unicode_escape").decode()


@contextmanager
def _output(name: str) -> Iterator[BinaryIO]:
    if name == "-":
        yield sys.stdout.buffer
        return
    try:
        with Path(name).open("wb") as file:
            yield file
    except OSError as error:
        raise Failure(f"{name}: {system_error_text(error)}.") from error


def _head(text: str) -> ChainHead:
    """For `type=` of a flag."""
    chain, _, rest = text.partition(":")
    sequence, _, digest = rest.partition(":")
    if not chain or not sequence.isdecimal() or len(digest) != 64:
        raise argparse.ArgumentTypeError(f"{text[:60]!r} is not CHAIN:SEQUENCE:SHA256")
    return ChainHead(chain, int(sequence), digest)

"""`fraudstream lists`: what is on the lists that rules ask, changed by records in the log."""

from __future__ import annotations

import argparse
import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fraudstream.cli import controls
from fraudstream.cli.duration_flag import duration_ms
from fraudstream.cli.failure import Failure, nearest
from fraudstream.cli.rule_files import load_rule_set
from fraudstream.cli.settings import Settings

if TYPE_CHECKING:
    from fraudstream.cli.main import Subparsers
    from fraudstream.contracts import ListEntry
    from fraudstream.engine.expression import ValueList
    from fraudstream.stream.control_log import Controls
    from fraudstream.stream.settings import StreamSettings

EXPIRES_END_MS = 253_402_300_800_000  # the year 10000


def add_parser(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "lists",
        help="put values on lists that rules ask, take them off, show them",
        description=(
            "The entries of the lists that rules/lists.yaml declares. An entry counts for the payments that stand "
            "behind it in the log; who made it, when and why is kept."
        ),
        epilog='example:\n  fraudstream lists add stolen_devices dev-8 --for 90d --note "reported by the customer"',
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", dest="action", required=True)
    add = actions.add_parser(
        "add",
        help="put values on a list; again, to give them another end",
        epilog="example:\n  fraudstream lists add mule_accounts DE02120300000000202051 --until 2027-01-01T00:00:00Z",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    remove = actions.add_parser(
        "remove",
        help="take values off a list",
        epilog='example:\n  fraudstream lists remove stolen_devices dev-8 --note "found again"',
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    show = actions.add_parser(
        "show",
        help="the lists and their entries; with --json a line each, as `replay --lists` takes them",
        epilog="example:\n  fraudstream lists show stolen_devices",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for action in (add, remove):
        action.add_argument("list", metavar="LIST")
        action.add_argument("values", metavar="VALUE", nargs="+")
    end = add.add_mutually_exclusive_group()
    end.add_argument("--until", metavar="TIME", type=_time_ms, help="payments that occur from then on are free of it")
    end.add_argument("--for", dest="span_ms", metavar="SPAN", type=duration_ms, help="the same, from now: 12h, 30d")
    for action in (add, remove):
        controls.add_author(action)
    show.add_argument("list", metavar="LIST", nargs="?")
    for action in (add, remove, show):
        controls.add_cluster(action)


def run(args: argparse.Namespace, settings: Settings) -> int:
    from fraudstream.cli.worker import stage_settings

    *_, stream = stage_settings(settings, load_rule_set(Path(settings.rules.directory)))
    if args.action == "show":
        return _show(args, settings, stream)
    return _change(args, settings, stream)


def _change(args: argparse.Namespace, settings: Settings, stream: StreamSettings) -> int:
    from fraudstream.contracts import ListEntry
    from fraudstream.stream.control_log import deciding_topic, logs_of_other_versions, put_in_force, read_controls

    by, now_ms = controls.author(args), controls.now_ms()
    removed = args.action == "remove"
    expires_at_ms = None if removed else args.until if args.span_ms is None else now_ms + args.span_ms
    if expires_at_ms is not None and not now_ms < expires_at_ms < EXPIRES_END_MS:
        raise Failure("The end of an entry must lie after now, and before the year 10000.")
    entries = [
        ListEntry(args.list, controls.checked(value, "VALUE"), by, now_ms, expires_at_ms, removed, args.note)
        for value in args.values
    ]

    async def work() -> dict[int, int]:
        held = await read_controls(stream)
        _known(args.list, _declared(held, settings))
        if removed:
            _listed(entries, held)
        logs = [deciding_topic(stream), *await logs_of_other_versions(stream)]
        return await put_in_force(stream, [], entries, logs)

    offsets = controls.asked(stream, work())
    if args.json:
        print(json.dumps({"entries": [_row(entry) for entry in entries], "offsets": offsets}))
    else:
        what = "off" if removed else "on"
        until = "" if expires_at_ms is None else f" until {controls.time_text(expires_at_ms)}"
        print(f"{', '.join(args.values)}: {what} {args.list}{until}, by {by}")
        print("from offset " + ", ".join(f"{offset} of partition {number}" for number, offset in offsets.items()))
    return 0


def _show(args: argparse.Namespace, settings: Settings, stream: StreamSettings) -> int:
    from fraudstream.stream.control_log import read_controls

    held = controls.asked(stream, read_controls(stream))
    declared = _declared(held, settings)
    if args.list is not None:
        _known(args.list, declared)
    entries = [
        entry for _, entry in sorted(held.entries.items()) if not entry.removed and args.list in (None, entry.list)
    ]
    if args.json:
        for entry in entries:
            print(json.dumps(_row(entry)))
        return 0
    now_ms = controls.now_ms()
    for name in [args.list] if args.list is not None else sorted(declared):
        of_list, declaration = [entry for entry in entries if entry.list == name], declared[name]
        print(f"{name} ({declaration.kind}, {declaration.of}): {declaration.description}")
        for entry in of_list:
            print(f"  {_line(entry, now_ms)}")
        if not of_list:
            print("  nothing")
    return 0


def _declared(held: Controls, settings: Settings) -> dict[str, ValueList]:
    """The lists of the rules last activated, else of every rule set that a worker began with. Raises `Failure`."""
    from fraudstream.engine.document import read_document
    from fraudstream.engine.list_declarations import read_lists
    from fraudstream.engine.rule_set import LISTS

    names = held.rule_sets if held.switch is None else [held.switch.rule_set]
    files = [held.rule_sets[name] for name in names if name in held.rule_sets]
    if not files:
        raise Failure(
            f"The topic '{settings.topics.controls}' holds no rule set yet: start a worker, or put rules in force with "
            "`fraudstream rules activate`."
        )
    declared: dict[str, ValueList] = {}
    for texts in files:
        if LISTS in texts:
            declared |= read_lists(read_document(texts[LISTS], LISTS))
    return declared


def _known(name: str, declared: dict[str, ValueList]) -> None:
    if name not in declared:
        raise Failure(
            f"the rules in force have no list '{name}'. {nearest(name, declared)}"
            if declared
            else "the rules in force declare no list: add rules/lists.yaml, and `fraudstream rules activate`."
        )


def _listed(entries: list[ListEntry], held: Controls) -> None:
    """What was taken off may be taken off again: the first time may have failed half-way through the log."""
    for entry in entries:
        if (entry.list, entry.value) not in held.entries:
            known = [value for (name, value), of in held.entries.items() if name == entry.list and not of.removed]
            hint = f" {nearest(entry.value, known)}" if known else ""
            raise Failure(f"'{entry.value}' is not on {entry.list}.{hint}")


def _row(entry: ListEntry) -> dict[str, Any]:
    import msgspec

    row: dict[str, Any] = msgspec.to_builtins(entry)
    return row


def _line(entry: ListEntry, now_ms: int) -> str:
    words = [entry.value]
    if entry.expires_at_ms is not None:
        words.append(
            f"{'expired' if entry.expires_at_ms <= now_ms else 'until'} {controls.time_text(entry.expires_at_ms)}"
        )
    words.append(f"by {entry.by} at {controls.time_text(entry.issued_at_ms)}")
    return ", ".join(words) + (f": {entry.note}" if entry.note else "")


def _time_ms(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise ValueError
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"'{text[:40]}' is no date and time with its zone, such as 2027-01-01T00:00:00Z"
        ) from None
    return round(moment.timestamp() * 1000)

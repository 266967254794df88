"""`fraudstream lists`: add values to allow, deny and watch lists, remove them, show them."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fraudstream.cli import author_flags, case_list_values, cluster_command
from fraudstream.cli.cluster_command import SHORT_S_MAX, run_on_cluster
from fraudstream.cli.failure import Failure
from fraudstream.cli.rule_files import load_rule_set
from fraudstream.cli.settings import Settings, add_setting
from fraudstream.cli.time_flags import duration_ms, now_ms, time_ms
from fraudstream.contracts.timestamps import utc_text

if TYPE_CHECKING:
    from fraudstream.cli.main import Subparsers
    from fraudstream.contracts import ListEntry
    from fraudstream.stream.settings import StreamSettings


def add_parser(subparsers: Subparsers) -> None:
    """Add `lists add|remove|show`."""
    parser = subparsers.add_parser(
        "lists",
        help="add values to allow, deny and watch lists, remove them, show them",
        description=(
            "The entries of the lists that rules/lists.yaml declares. An entry applies to the payments after it in "
            "the log. Its author, time and note are kept."
        ),
        epilog='example:\n  fraudstream lists add stolen_devices dev-8 --for 90d --note "reported by the customer"',
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", dest="action", required=True)
    add = actions.add_parser(
        "add",
        help="add values to a list, or change when they expire",
        epilog="example:\n  fraudstream lists add mule_accounts DE02120300000000202051 --until 2027-01-01T00:00:00Z",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    remove = actions.add_parser(
        "remove",
        help="remove values from a list",
        epilog='example:\n  fraudstream lists remove stolen_devices dev-8 --note "found again"',
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    show = actions.add_parser(
        "show",
        help="the lists and their entries; with --json one entry a line, as `replay --lists` reads them",
        epilog="example:\n  fraudstream lists show stolen_devices",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for action in (add, remove):
        action.add_argument("list", metavar="LIST")
        action.add_argument("values", metavar="VALUE", nargs="+" if action is remove else "*")
    add.add_argument("--case", metavar="CASE", help="the values of a case that was closed as a confirmed fraud")
    add.add_argument("--field", choices=case_list_values.FIELDS, help="with --case: which values of its payments")
    end = add.add_mutually_exclusive_group()
    end.add_argument("--until", metavar="TIME", type=time_ms, help="it applies to payments that occur before TIME")
    end.add_argument(
        "--for", dest="for_ms", metavar="TIME", type=duration_ms, help="it expires after TIME, such as 12h, 30d"
    )
    for action in (add, remove):
        author_flags.add_flags(action)
    show.add_argument("list", metavar="LIST", nargs="?")
    for action in (add, remove, show):
        add_setting(action, "rules.directory", "--rules")
        cluster_command.add_flags(action)


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Edit or show lists."""
    from fraudstream.cli.worker import stage_settings

    values = [] if args.action == "show" else _values(args, settings)
    *_, deciding = stage_settings(settings, load_rule_set(Path(settings.rules.directory)))
    return _show(args, deciding) if args.action == "show" else _edit(args, deciding, values)


def _values(args: argparse.Namespace, settings: Settings) -> list[str]:
    """The values that the command names, and those of its case. Raises `Failure`."""
    values: list[str] = list(args.values)
    case, field = getattr(args, "case", None), getattr(args, "field", None)
    if case is not None and field is not None:
        return [*values, *case_list_values.values_of_case(settings, case, field)]
    if case is not None or field is not None:
        raise Failure("give --case and --field together.")
    if not values:
        raise Failure("give a VALUE, or --case and --field.")
    return values


def _edit(args: argparse.Namespace, deciding: StreamSettings, values: list[str]) -> int:
    from fraudstream.operations.lists import edit_list

    by, issued_at_ms, removed = author_flags.author_of(args), now_ms(), args.action == "remove"
    expires_at_ms = None if removed else args.until if args.for_ms is None else issued_at_ms + args.for_ms
    edit = run_on_cluster(
        deciding.brokers,
        lambda: edit_list(
            deciding,
            args.list,
            values,
            by=by,
            issued_at_ms=issued_at_ms,
            expires_at_ms=expires_at_ms,
            removed=removed,
            note=args.note or (f"case {args.case}" if getattr(args, "case", None) else None),
        ),
        SHORT_S_MAX,
    )
    if args.json:
        print(json.dumps({"entries": [_row(entry) for entry in edit.entries], "offsets": edit.offsets}))
    else:
        change = "removed from" if removed else "added to"
        until = "" if expires_at_ms is None else f" until {utc_text(expires_at_ms)}"
        print(f"{', '.join(entry.value for entry in edit.entries)}: {change} {args.list}{until}, by {by}")
        print("from offset " + ", ".join(f"{offset} of partition {number}" for number, offset in edit.offsets.items()))
    return 0


def _show(args: argparse.Namespace, deciding: StreamSettings) -> int:
    from fraudstream.operations.lists import read_lists

    lists = run_on_cluster(deciding.brokers, lambda: read_lists(deciding, args.list), SHORT_S_MAX)
    if args.json:
        for entry in lists.entries:
            print(json.dumps(_row(entry)))
        return 0
    at_ms = now_ms()
    for name in [args.list] if args.list is not None else sorted(lists.declared):
        declaration = lists.declared[name]
        print(f"{name} ({declaration.kind}, {declaration.of}): {declaration.description}")
        entries = [entry for entry in lists.entries if entry.list == name]
        for entry in entries:
            print(f"  {_line(entry, at_ms)}")
        if not entries:
            print("  no entries")
    return 0


def _row(entry: ListEntry) -> dict[str, Any]:
    import msgspec

    row: dict[str, Any] = msgspec.to_builtins(entry)
    return row


def _line(entry: ListEntry, at_ms: int) -> str:
    parts = [entry.value]
    if entry.expires_at_ms is not None:
        parts.append(f"{'expired' if entry.expires_at_ms <= at_ms else 'until'} {utc_text(entry.expires_at_ms)}")
    parts.append(f"by {entry.by} at {utc_text(entry.issued_at_ms)}")
    return ", ".join(parts) + (f": {entry.note}" if entry.note else "")

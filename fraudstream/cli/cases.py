"""`fraudstream cases`: run the case agent; list and show cases; act on one."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from fraudstream.cli import metrics_port
from fraudstream.cli.case_absence import add_absences
from fraudstream.cli.case_action_flags import CASE_HELP, add_case_actions
from fraudstream.cli.case_export import add_export
from fraudstream.cli.case_opening import add_opening
from fraudstream.cli.count_flag import positive_count
from fraudstream.cli.settings import Settings, add_setting

if TYPE_CHECKING:
    from fraudstream.cli.main import Subparsers

_EXAMPLE = argparse.RawDescriptionHelpFormatter


def add_parser(subparsers: Subparsers) -> None:
    """Add `cases`, and its actions list, show, and those on a case."""
    parser = subparsers.add_parser(
        "cases",
        help="group alerts into cases; list, show, claim, close cases, …",
        description=(
            "Without an action: joins the group of case agents and turns alerts and analysts' actions into cases until "
            "SIGTERM or Ctrl-C. Waits for the brokers without a time limit. Exit codes: 0 stopped, 1 could not start, "
            "70 failed (start it again: it resumes where it was), 78 fails again until the cause that it names is "
            "fixed. With list or show: reads the view in Redis; show also reads the alerts of the case from Kafka. "
            "With any other action: publishes it and waits for the case agent's answer."
        ),
        epilog=(
            "example:\n"
            "  fraudstream cases --bootstrap-servers kafka-1:9092 --redis-url redis://redis:6379/0\n"
            "  fraudstream cases list --limit 20 --json\n"
            "  fraudstream cases claim b42be4f85c73a1b99caaf5747089f7bc\n"
            "  fraudstream cases close b42be4f85c73a1b99caaf5747089f7bc --disposition false_positive"
        ),
        formatter_class=_EXAMPLE,
    )
    add_setting(parser, "kafka.bootstrap_servers")
    add_setting(parser, "redis.url", "--redis-url")
    add_setting(parser, "cases.group")
    metrics_port.add_flags(parser, "metrics.cases_port")
    parser.add_argument(
        "--rebuild-view", action="store_true", help="empty the view first; it is rebuilt from the topic of cases"
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", dest="action")
    _add_list(actions)
    _add_show(actions)
    _add_connections(add_export(actions), kafka="brokers to read the alerts from")
    for action in (add_opening(actions), *add_absences(actions), *add_case_actions(actions)):
        _add_connections(action, kafka="brokers to publish the action to")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Run the agent, or one action. Raises `Failure`, `OperationError`."""
    match args.action:
        case None:
            from fraudstream.cli.case_agent import run_agent

            return run_agent(settings, as_json=args.json, rebuild_view=args.rebuild_view)
        case "list":
            from fraudstream.cli.case_view import list_cases

            return list_cases(settings, args.limit, args.account, args.tag, as_json=args.json)
        case "show":
            from fraudstream.cli.case_view import show_case

            return show_case(settings, args.case_id, as_json=args.json)
        case "export":
            from fraudstream.cli.case_export import export_case

            return export_case(args, settings)
        case "open":
            from fraudstream.cli.case_opening import open_by_hand

            return open_by_hand(args, settings)
        case "absent" | "present":
            from fraudstream.cli.case_absence import run_absence

            return run_absence(args, settings)
        case _:
            from fraudstream.cli.case_actions import act

            return act(args, settings)


def _add_list(actions: Subparsers) -> None:
    listing = actions.add_parser(
        "list",
        help="the cases that are not closed, the most urgent first",
        epilog="example:\n  fraudstream cases list --account acc-17 --json",
        formatter_class=_EXAMPLE,
    )
    listing.add_argument(
        "--limit", type=positive_count, default=50, metavar="COUNT", help="list at most COUNT (default: 50)"
    )
    listing.add_argument("--account", metavar="ID", help="the newest cases of one account instead, closed ones too")
    listing.add_argument("--tag", metavar="TAG", help="only cases with this tag")
    _add_connections(listing, kafka=None)


def _add_show(actions: Subparsers) -> None:
    show = actions.add_parser(
        "show",
        help="one case with its alerts and their reasons",
        epilog="example:\n  fraudstream cases show b42be4f85c73a1b99caaf5747089f7bc",
        formatter_class=_EXAMPLE,
    )
    show.add_argument("case_id", metavar="CASE", help=CASE_HELP)
    _add_connections(show, kafka="brokers to read the alerts from")


def _add_connections(action: argparse.ArgumentParser, kafka: str | None) -> None:
    """The flags that may also come before the action; they have no defaults here, so that earlier values are kept."""
    if kafka is not None:
        action.add_argument(
            "--bootstrap-servers",
            dest="kafka.bootstrap_servers",
            metavar="SERVERS",
            default=argparse.SUPPRESS,
            help=f"{kafka} (setting kafka.bootstrap_servers)",
        )
    action.add_argument(
        "--redis-url",
        dest="redis.url",
        metavar="URL",
        default=argparse.SUPPRESS,
        help="Redis that holds the view (setting redis.url)",
    )
    action.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print JSON")

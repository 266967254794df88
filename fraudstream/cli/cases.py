"""`fraudstream cases`: run the case agent; list and show cases; claim, release, note, close and reopen one."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, get_args

from fraudstream.cli import metrics_port
from fraudstream.cli.count_flag import positive_count
from fraudstream.cli.settings import Settings, add_setting
from fraudstream.contracts.case import Disposition

if TYPE_CHECKING:
    from fraudstream.cli.main import Subparsers

WAIT_S_DEFAULT = 30.0
_CASE_HELP = "case_id, or its first 4 or more digits where they are unique"
_EXAMPLE = argparse.RawDescriptionHelpFormatter


def add_parser(subparsers: Subparsers) -> None:
    """Add `cases`, and its actions list, show, claim, release, note, close and reopen."""
    parser = subparsers.add_parser(
        "cases",
        help="group alerts into cases; list, show, claim, release, note, close and reopen cases",
        description=(
            "Without an action: joins the group of case agents and turns alerts and analysts' actions into cases until "
            "SIGTERM or Ctrl-C. Waits for the brokers without a time limit. Exit codes: 0 stopped, 1 could not start, "
            "70 failed (start it again: it resumes where it was), 78 fails again until the cause that it names is "
            "fixed. With list or show: reads the view in Redis; show also reads the alerts of the case from Kafka. "
            "With claim, release, note, close or reopen: publishes the action and waits for the case agent's answer."
        ),
        epilog=(
            "example:\n"
            "  fraudstream cases --bootstrap-servers kafka-1:9092 --redis-url redis://redis:6379/0\n"
            "  fraudstream cases list --limit 20 --json\n"
            "  fraudstream cases claim b42be4f85c73a1b99caaf5747089f7bc\n"
            "  fraudstream cases close b42be4f85c73a1b99caaf5747089f7bc --disposition fraud"
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
    _add_case_actions(actions)


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Run the agent, or one action. Raises `Failure`, `OperationError`."""
    match args.action:
        case None:
            from fraudstream.cli.case_agent import run_agent

            return run_agent(settings, as_json=args.json, rebuild_view=args.rebuild_view)
        case "list":
            from fraudstream.cli.case_view import list_cases

            return list_cases(settings, args.limit, args.account, as_json=args.json)
        case "show":
            from fraudstream.cli.case_view import show_case

            return show_case(settings, args.case_id, as_json=args.json)
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
    _add_connections(listing, kafka=None)


def _add_show(actions: Subparsers) -> None:
    show = actions.add_parser(
        "show",
        help="one case with its alerts and their reasons",
        epilog="example:\n  fraudstream cases show b42be4f85c73a1b99caaf5747089f7bc",
        formatter_class=_EXAMPLE,
    )
    show.add_argument("case_id", metavar="CASE", help=_CASE_HELP)
    _add_connections(show, kafka="brokers to read the alerts from")


def _add_case_actions(actions: Subparsers) -> None:
    """`claim`, `release`, `note`, `close`, `reopen`."""
    case = "b42be4f85c73a1b99caaf5747089f7bc"
    for name, summary, example in (
        ("claim", "assign a case to yourself", f"claim {case}"),
        ("release", "return a claimed case to the queue; any analyst may do this", f"release {case}"),
        ("note", "add a note to a case that is not closed", f'note {case} "called the customer"'),
        ("close", "close a case and label its payments", f'close {case} --disposition fraud --note "card copied"'),
        ("reopen", "open a closed case again", f"reopen {case}"),
    ):
        action = actions.add_parser(
            name,
            help=summary,
            description=(
                f"{summary[0].upper()}{summary[1:]}. Waits for the case agent, which decides, and prints the new state "
                "of the case. Exit code 1 if the agent rejects the action or does not answer."
            ),
            epilog=f"example:\n  fraudstream cases {example}",
            formatter_class=_EXAMPLE,
        )
        action.add_argument("case_id", metavar="CASE", help=_CASE_HELP)
        if name == "note":
            action.add_argument("note", metavar="TEXT")
        if name == "close":
            action.add_argument(
                "--disposition",
                required=True,
                choices=get_args(Disposition),
                help="result of the review; fraud and genuine label the payments, inconclusive does not",
            )
            action.add_argument("--note", metavar="TEXT", help="reason, recorded with the action")
        action.add_argument("--as", dest="actor", metavar="NAME", help="name of the analyst (default: your login name)")
        action.add_argument(
            "--wait",
            dest="wait_s",
            type=float,
            default=WAIT_S_DEFAULT,
            metavar="SECONDS",
            help="longest wait for the agent's answer (default: 30)",
        )
        _add_connections(action, kafka="brokers to publish the action to")


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

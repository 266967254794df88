"""`fraudstream cases open`: open a case of an account by hand, without an alert."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from fraudstream.cli.author_flags import login_name
from fraudstream.cli.case_action_flags import WAIT_S_DEFAULT
from fraudstream.cli.case_agent import agent_settings
from fraudstream.cli.case_view import partition_of_account
from fraudstream.cli.cluster_command import SHORT_S_MAX, run_on_cluster
from fraudstream.cli.settings import Settings
from fraudstream.cli.time_flags import now_ms
from fraudstream.contracts.fields import SEVERITIES

if TYPE_CHECKING:
    from fraudstream.cli.main import Subparsers


def add_opening(actions: Subparsers) -> argparse.ArgumentParser:
    """Add the command, and return it for the flags that all commands on cases have."""
    opening = actions.add_parser(
        "open",
        help="open a case by hand, without an alert",
        description=(
            "Open a case of an account, which must have none that is not closed. Alerts of the account join it. Waits "
            "for the case agent and prints the case. Exit code 1 if the agent refuses or does not answer."
        ),
        epilog='example:\n  fraudstream cases open acc-17 "the customer called: card lost" --severity high',
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    opening.add_argument("account_id", metavar="ACCOUNT")
    opening.add_argument("note", metavar="REASON", help="kept as the case's first note")
    opening.add_argument("--severity", choices=SEVERITIES, default="medium", help="default: medium")
    opening.add_argument("--as", dest="actor", metavar="NAME", help="name of the analyst (default: your login name)")
    return opening


def open_by_hand(args: argparse.Namespace, settings: Settings) -> int:
    """Publish the action, wait for the case agent, and print the case. Raises `Failure`, `OperationError`."""
    import msgspec

    from fraudstream.operations.case_action_client import open_case
    from fraudstream.operations.case_actions import new_opening

    actor = args.actor if args.actor is not None else login_name("--as")
    action = new_opening(
        args.account_id, actor=actor, acted_at_ms=now_ms(), severity=args.severity, reason=args.note.strip()
    )
    agent, partition = agent_settings(settings), partition_of_account(settings, args.account_id)
    case, _ = run_on_cluster(
        agent.brokers,
        lambda: open_case(agent, action, partition, answer_s_max=WAIT_S_DEFAULT),
        WAIT_S_DEFAULT + SHORT_S_MAX,
    )
    print(json.dumps(msgspec.to_builtins(case)) if args.json else f"case {case.case_id} of {case.account_id} is open")
    return 0

"""`fraudstream notices`: list the notices that customers were sent, and answer one as the bank's app does."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Final, cast, get_args

from fraudstream.cli import cluster_command
from fraudstream.cli.count_flag import positive_count
from fraudstream.cli.settings import Settings
from fraudstream.cli.time_flags import now_ms
from fraudstream.contracts.case_notices import NoticeReply
from fraudstream.contracts.timestamps import utc_text

if TYPE_CHECKING:
    from fraudstream.cli.main import Subparsers
    from fraudstream.operations.notices import SentNotice

_EXAMPLE = argparse.RawDescriptionHelpFormatter
_NOTICE: Final = "6f1c0a9e5b7d4c3280f1e2d3c4b5a697"


def add_parser(subparsers: Subparsers) -> None:
    """Add `notices`, and its actions `list` and `answer`."""
    parser = subparsers.add_parser(
        "notices",
        help="list what customers were asked, and answer a notice as the bank's app does",
        description=(
            "`fraudstream cases ask` asks a customer whether a payment was theirs (docs/notices.md). These commands "
            "show the questions and answer one, to try it without an app."
        ),
        epilog=f"example:\n  fraudstream notices list\n  fraudstream notices answer {_NOTICE} not_me",
        formatter_class=_EXAMPLE,
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", dest="action", required=True)
    listing = actions.add_parser(
        "list",
        help="the newest notices",
        epilog="example:\n  fraudstream notices list --limit 5 --json",
        formatter_class=_EXAMPLE,
    )
    listing.add_argument(
        "--limit", type=positive_count, default=20, metavar="COUNT", help="list at most COUNT (default: 20)"
    )
    answer = actions.add_parser(
        "answer",
        help="answer a notice in place of the customer",
        epilog=f"example:\n  fraudstream notices answer {_NOTICE} me",
        formatter_class=_EXAMPLE,
    )
    answer.add_argument("notice_id", metavar="NOTICE", help="id of the notice, as `list` prints it")
    answer.add_argument("reply", choices=get_args(NoticeReply), help="whether the customer made the payment")
    for action in (listing, answer):
        cluster_command.add_flags(action)


def run(args: argparse.Namespace, settings: Settings) -> int:
    """List or answer. Raises `OperationError`."""
    from fraudstream.cli.case_agent import agent_settings
    from fraudstream.operations.notices import answer_notice, newest_notices

    agent = agent_settings(settings)
    if args.action == "list":
        found = cluster_command.run_on_cluster(agent.brokers, lambda: newest_notices(agent, args.limit))
        _print(found, as_json=args.json)
        return 0
    published = cluster_command.run_on_cluster(
        agent.brokers, lambda: answer_notice(agent, args.notice_id, cast(NoticeReply, args.reply), now_ms())
    )
    place = f"{agent.notice_answers_topic}-{published.partition}"
    if args.json:
        print(json.dumps({"answer_id": published.answer.answer_id, "topic": place, "offset": published.offset}))
    else:
        print(f"answered {args.reply}: offset {published.offset} of {place}. The case shows what becomes of it")
    return 0


def _print(found: list[SentNotice], *, as_json: bool) -> None:
    import msgspec

    if as_json:
        print(json.dumps([{"account_id": sent.account_id} | msgspec.to_builtins(sent.notice) for sent in found]))
        return
    for _, notice in found:
        payment = notice.payment
        print(
            f"{notice.notice_id}  {payment.amount} {payment.currency} of {utc_text(payment.occurred_at_ms)}, account "
            f"{notice.account}, until {utc_text(notice.expires_at_ms)}"
        )
    if not found:
        print("no notices")

"""The commands that act on a case, `fraudstream cases claim …`: their flags and what their flags say.

An action that `cases.transitions` has and this module has not is not offered on the command line; a test compares them.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple, get_args

from fraudstream.cli.time_flags import duration_ms, now_ms
from fraudstream.contracts.case_typologies import TYPOLOGIES
from fraudstream.contracts.case_values import ActionName, Disposition, WaitingFor

if TYPE_CHECKING:
    from fraudstream.cli.main import Subparsers
    from fraudstream.operations.case_actions import ActionDetails

WAIT_S_DEFAULT: Final = 30.0
CASE_HELP: Final = "case_id, or its first 4 or more digits where they are unique"
DETAILS: Final = (
    *("note", "disposition", "typology", "assignee", "waiting_for", "until", "escalate_to", "other_case_id"),
    *("tag", "alert_ids", "event_id", "sha256"),
)
_CASE: Final = "b42be4f85c73a1b99caaf5747089f7bc"


OF_SEVERAL: Final[frozenset[ActionName]] = frozenset(
    ("assign", "claim", "start", "resume", "wake", "tag", "untag", "merge", "close", "approve", "reopen")
)


class Command(NamedTuple):
    """One action. `example`: what follows `fraudstream cases`, with {case} for an id."""

    summary: str
    example: str


COMMANDS: Final[Mapping[ActionName, Command]] = {
    "assign": Command("assign a case to an analyst", "assign {case} --to bob"),
    "claim": Command("assign a case to yourself and begin its review", "claim {case}"),
    "start": Command("begin the review of a case that is assigned to you", "start {case}"),
    "wait": Command("wait for an answer; the reason is a note", 'wait {case} --for customer "asked for the invoice"'),
    "ask": Command(
        "ask the customer whether a payment was theirs (docs/notices.md)", "ask {case} --payment evt-17 --for 1d"
    ),
    "resume": Command("go on with a case that waits", "resume {case}"),
    "escalate": Command("pass a case on to a queue or role", 'escalate {case} --to senior "a politician\'s account"'),
    "release": Command("return cases to the queue; any analyst may do this", "release {case}"),
    "note": Command("add a note to a case that is not closed", 'note {case} "called the customer"'),
    "snooze": Command("put a case aside until a time", 'snooze {case} --for 2d "the card is replaced on Monday"'),
    "wake": Command("take up a case that was put aside", "wake {case}"),
    "link": Command("note that another case belongs to this one", "link {case} 8a1b77aef35c9f00c7cf9ca2d9b1e4d3"),
    "unlink": Command("remove a link", "unlink {case} 8a1b77aef35c9f00c7cf9ca2d9b1e4d3"),
    "tag": Command("add a tag, by which cases are found", "tag {case} --tag mule_ring"),
    "untag": Command("remove a tag", "untag {case} --tag mule_ring"),
    "attach": Command("add a file to a case, as evidence", "attach {case} statement.pdf"),
    "detach": Command(
        "remove a file from a case; the reason is a note",
        'detach {case} 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 "of another customer"',
    ),
    "merge": Command(
        "move the alerts and notes of cases into another one, and close them", "merge {case} --into 8a1b77aef35c"
    ),
    "split": Command(
        "move alerts of a case into a new case",
        'split {case} --alert 3f2a9c11 --alert 77b0c1de "a matter of its own"',
    ),
    "close": Command(
        "close a case and label its payments",
        'close {case} --disposition confirmed_fraud --typology card_testing --note "card copied"',
    ),
    "approve": Command("approve the closing that somebody else has proposed", "approve {case}"),
    "reject": Command("reject a proposed closing; the reason is a note", 'reject {case} "ask the merchant first"'),
    "reopen": Command("open a closed case again", "reopen {case}"),
}


def add_case_actions(actions: Subparsers) -> list[argparse.ArgumentParser]:
    """A command for each action. Returns them, for the flags that all commands on cases have."""
    return [_add(actions, name, command) for name, command in COMMANDS.items()]


def details_of(args: argparse.Namespace) -> ActionDetails:
    """What the flags say of the action."""
    details: Any = {name: getattr(args, name) for name in DETAILS if getattr(args, name, None) is not None}
    return details  # type: ignore[no-any-return]


def _add(actions: Subparsers, name: ActionName, command: Command) -> argparse.ArgumentParser:
    summary = command.summary
    action = actions.add_parser(
        name,
        help=summary,
        description=(
            f"{summary[0].upper()}{summary[1:]}. Waits for the case agent, which decides, and prints the new state "
            "of the case. Exit code 1 if the agent rejects the action or does not answer."
        ),
        epilog=f"example:\n  fraudstream cases {command.example.format(case=_CASE)}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    count = "+" if name in OF_SEVERAL else "*" if name == "release" else 1
    action.add_argument("case_ids", metavar="CASE", nargs=count, help=CASE_HELP)
    if name == "release":
        action.add_argument("--all-of", metavar="NAME", help="every case of this analyst, who is absent")
    _add_details(action, name)
    action.add_argument("--as", dest="actor", metavar="NAME", help="name of the analyst (default: your login name)")
    action.add_argument(
        "--wait",
        dest="wait_s",
        type=float,
        default=WAIT_S_DEFAULT,
        metavar="SECONDS",
        help="longest wait for the agent's answer (default: 30)",
    )
    return action


def _end_of(text: str) -> int:
    """When a duration from now on ends, ms since the epoch, UTC."""
    return now_ms() + duration_ms(text)


def _add_details(action: argparse.ArgumentParser, name: ActionName) -> None:
    match name:
        case "note":
            action.add_argument("note", metavar="TEXT")
        case "reject":
            action.add_argument("note", metavar="REASON")
        case "assign":
            action.add_argument("--to", dest="assignee", required=True, metavar="NAME", help="the analyst")
        case "wait":
            action.add_argument("--for", dest="waiting_for", required=True, choices=get_args(WaitingFor))
            action.add_argument(
                "--at-most", dest="until", type=_end_of, metavar="DURATION", help="resume by itself after 2d, 12h, …"
            )
            action.add_argument("note", metavar="REASON")
        case "ask":
            action.add_argument(
                "--payment", dest="event_id", metavar="EVENT", help="the payment (default: that of the newest alert)"
            )
            action.add_argument(
                "--for",
                dest="until",
                type=_end_of,
                default="1d",
                metavar="DURATION",
                help="how long the customer has to answer: 2d, 12h, … (default: 1d)",
            )
            action.add_argument("--note", metavar="TEXT", help="for colleagues; the customer does not see it")
        case "snooze":
            action.add_argument(
                "--for", dest="until", required=True, type=_end_of, metavar="DURATION", help="for how long: 2d, 12h, …"
            )
            action.add_argument("note", metavar="REASON")
        case "escalate":
            action.add_argument("--to", dest="escalate_to", required=True, metavar="QUEUE", help="a queue or role")
            action.add_argument("note", metavar="REASON")
        case "link" | "unlink":
            action.add_argument("other_case_id", metavar="OTHER", help="case_id of the other case, whole")
        case "tag" | "untag":
            action.add_argument("--tag", required=True, metavar="TAG", help="1 to 32 characters without spaces")
        case "attach":
            action.add_argument("path", metavar="FILE", help="at most evidence.file_bytes_max bytes")
            action.add_argument("--media-type", metavar="TYPE", help="such as application/pdf (default: by its name)")
        case "detach":
            action.add_argument("sha256", metavar="SHA256", help="digest of the file, as `cases show` prints it")
            action.add_argument("note", metavar="REASON")
        case "merge":
            action.add_argument("--into", dest="other_case_id", required=True, metavar="CASE", help=CASE_HELP)
            action.add_argument("--note", metavar="TEXT", help="reason, recorded with the action")
        case "split":
            action.add_argument(
                "--alert",
                dest="alert_ids",
                action="append",
                required=True,
                metavar="ALERT",
                help="alert_id, or the event_id of its payment; all of one account",
            )
            action.add_argument("note", metavar="REASON")
        case "close":
            action.add_argument(
                "--disposition",
                required=True,
                choices=get_args(Disposition),
                help="result of the review; confirmed_fraud labels the payments as fraud, false_positive and "
                "genuine_but_risky as genuine, inconclusive makes no label",
            )
            action.add_argument(
                "--typology", choices=TYPOLOGIES, help="of a confirmed fraud, which requires it (docs/typologies.md)"
            )
            action.add_argument("--note", metavar="TEXT", help="reason, recorded with the action")
        case _:
            pass

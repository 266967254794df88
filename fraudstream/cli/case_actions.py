"""`fraudstream cases claim …`: act on a case and print its new state."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from fraudstream.cli.author_flags import login_name
from fraudstream.cli.case_action_flags import details_of
from fraudstream.cli.case_agent import agent_settings
from fraudstream.cli.case_attachment import stored_file
from fraudstream.cli.case_queue_text import state_text
from fraudstream.cli.case_view import find_case, ids_of_assignee
from fraudstream.cli.cluster_command import SHORT_S_MAX, run_on_cluster
from fraudstream.cli.failure import Failure
from fraudstream.cli.settings import Settings
from fraudstream.cli.time_flags import now_ms

if TYPE_CHECKING:
    from fraudstream.contracts import Case

WAIT_S_MAX: Final = 3_600.0


def act(args: argparse.Namespace, settings: Settings) -> int:
    """Act on each case and print it. Of several, one that is refused does not stop the others, and the exit code is 1.
    Raises `Failure`, `OperationError`."""
    from fraudstream.operations.case_actions import RejectedActionError

    if not 0 < args.wait_s <= WAIT_S_MAX or math.isnan(args.wait_s):
        raise Failure(f"--wait {args.wait_s:g}: must be more than 0 and at most {WAIT_S_MAX:,.0f} seconds.")
    actor = args.actor if args.actor is not None else login_name("--as")
    ids = list(args.case_ids)
    if (name := getattr(args, "all_of", None)) is not None:
        ids += ids_of_assignee(settings, name)
        if not ids:
            print(f"{name} has no cases")
    elif not ids:
        raise Failure("give a CASE, or --all-of NAME.")
    refused = 0
    for case_id in ids:
        try:
            _act_on(case_id, args, settings, actor)
        except RejectedActionError as error:
            if len(ids) == 1:
                raise
            print(f"fraudstream: {error.sentence}", file=sys.stderr)
            refused += 1
    return 1 if refused else 0


def _act_on(case_id: str, args: argparse.Namespace, settings: Settings, actor: str) -> None:
    """Publish the action, wait for the case agent, and print the case. Raises `Failure`, `OperationError`."""
    import msgspec

    from fraudstream.operations.case_action_client import act_on_case
    from fraudstream.operations.case_actions import new_case_action

    agent = agent_settings(settings)
    case, partition = find_case(settings, case_id)
    details = details_of(args)
    if args.action == "merge":
        details["other_case_id"] = find_case(settings, args.other_case_id).case.case_id
    if args.action == "split":
        details["alert_ids"] = _alert_ids(case, args.alert_ids)
    if args.action == "attach":
        details["file"] = stored_file(settings, args.path, args.media_type)
    action = new_case_action(case, args.action, actor=actor, acted_at_ms=now_ms(), **details)
    result = run_on_cluster(
        agent.brokers,
        lambda: act_on_case(agent, case, partition, action, answer_s_max=args.wait_s),
        args.wait_s + SHORT_S_MAX,
    )
    print(json.dumps(msgspec.to_builtins(result.case)) if args.json else _line(result.case, args.action))


def _alert_ids(case: Case, given: Sequence[str]) -> tuple[str, ...]:
    """The ids of the case's alerts that are given by their ids, or by those of their payments. The case agent refuses
    what is neither."""
    by_event = {line.event_id: line.alert_id for line in case.alerts}
    return tuple(by_event.get(each, each) for each in given)


def _line(case: Case, action: str) -> str:
    """The state of the case in one line."""
    notes = f", {len(case.notes)} note{'s' if len(case.notes) > 1 else ''}" if case.notes else ""
    new = f"; its new case is {case.links[-1]}" if action == "split" else ""
    return f"case {case.case_id} of {case.account_id} is {state_text(case)}{notes}{new}"

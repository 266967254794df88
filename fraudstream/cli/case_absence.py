"""`fraudstream cases absent` and `present`: who gets no case for a time, and what becomes of their cases."""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from fraudstream.cli.author_flags import login_name
from fraudstream.cli.case_action_flags import WAIT_S_DEFAULT
from fraudstream.cli.failure import Failure
from fraudstream.cli.settings import Settings
from fraudstream.cli.time_flags import duration_ms, now_ms
from fraudstream.contracts.timestamps import utc_text

if TYPE_CHECKING:
    from fraudstream.cases.absences import AbsenceStore
    from fraudstream.cli.main import Subparsers

Result = TypeVar("Result")


def add_absences(actions: Subparsers) -> list[argparse.ArgumentParser]:
    """Add both commands, and return them for the flags that all commands on cases have."""
    absent = actions.add_parser(
        "absent",
        help="mark an analyst absent and hand over their cases; without a name: who is absent",
        description=(
            "Queues that assign cases by themselves give none to an analyst who is absent. The analyst's cases go back "
            "to the queue, or to the one that --to names. Exit code 1 if one of them could not be handed over."
        ),
        epilog="example:\n  fraudstream cases absent bob --for 2w --to carol",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    absent.add_argument("name", metavar="NAME", nargs="?", help="the analyst")
    absent.add_argument("--for", dest="for_ms", type=duration_ms, metavar="DURATION", help="for how long: 2w, 3d, …")
    absent.add_argument("--to", dest="assignee", metavar="NAME", help="who gets the cases (default: the queue)")
    absent.add_argument("--as", dest="actor", metavar="NAME", help="who marks it (default: your login name)")
    present = actions.add_parser(
        "present",
        help="an analyst is back",
        epilog="example:\n  fraudstream cases present bob",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    present.add_argument("name", metavar="NAME", help="the analyst")
    return [absent, present]


def run_absence(args: argparse.Namespace, settings: Settings) -> int:
    """Mark, end or list absences. Raises `Failure`, `OperationError`."""
    if args.action == "present":
        was_absent = _on_store(settings, lambda store: store.remove(args.name))
        print(f"{args.name} is back" if was_absent else f"{args.name} was not marked absent")
        return 0
    if args.name is None:
        return _print_absent(settings, as_json=args.json)
    if args.for_ms is None:
        raise Failure("give --for DURATION: until when the analyst is absent.")
    return _mark(args, settings)


def _mark(args: argparse.Namespace, settings: Settings) -> int:
    from fraudstream.cases.absences import Absence
    from fraudstream.cli.case_actions import act
    from fraudstream.cli.case_view import ids_of_assignee
    from fraudstream.operations.checked_text import check_identifier

    check_identifier(args.name, "NAME")
    if args.assignee == args.name:
        raise Failure("--to: name somebody else.")
    actor = args.actor if args.actor is not None else login_name("--as")
    until_ms = now_ms() + args.for_ms
    _on_store(settings, lambda store: store.put(Absence(args.name, until_ms, actor)))
    if not args.json:
        print(f"{args.name} is absent until {utc_text(until_ms)}")
    ids = ids_of_assignee(settings, args.name)
    if not ids:
        return 0
    handed_over = argparse.Namespace(
        action="release" if args.assignee is None else "assign",
        assignee=args.assignee,
        case_ids=ids,
        actor=actor,
        wait_s=WAIT_S_DEFAULT,
        json=args.json,
    )
    return act(handed_over, settings)


def _print_absent(settings: Settings, *, as_json: bool) -> int:
    import msgspec

    found = _on_store(settings, lambda store: store.all(now_ms()))
    if as_json:
        print(json.dumps(msgspec.to_builtins(found)))
    else:
        for each in found:
            print(f"{each.name} is absent until {utc_text(each.until_ms)}, marked by {each.marked_by}")
        if not found:
            print("nobody is absent")
    return 0


def _on_store(settings: Settings, work: Callable[[AbsenceStore], Awaitable[Result]]) -> Result:
    """Run `work` on the absences and return its result. Raises `Failure` if Redis does not answer."""
    from redis import RedisError

    from fraudstream.cases.absences import AbsenceStore
    from fraudstream.cases.redis_error_text import redis_error_text

    async def run() -> Result:
        store = AbsenceStore.at(settings.redis.url_with_password())
        try:
            return await work(store)
        finally:
            await store.close()

    try:
        return asyncio.run(run())
    except (RedisError, OSError) as error:
        raise Failure(f"absences cannot be read or written: {redis_error_text(error)}.") from error

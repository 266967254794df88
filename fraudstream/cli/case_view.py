"""Lists and shows cases from the view in Redis; the alerts of a shown case are read from their topic."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from fraudstream.cli.cluster_command import SHORT_S_MAX, run_on_cluster
from fraudstream.cli.failure import Failure
from fraudstream.cli.settings import Settings

if TYPE_CHECKING:
    from fraudstream.cases.view import CaseView
    from fraudstream.contracts import Alert, Case

PREFIX_DIGITS_MIN: Final = 4
IDS_SHOWN: Final = 5
CASES_READ_MAX: Final = 100_000
_PREFIX = re.compile(f"[0-9a-f]{{{PREFIX_DIGITS_MIN},31}}")

Result = TypeVar("Result")


class CaseInView(NamedTuple):
    """A case as the view has it; it may be out of date. `partition`: of the topic of cases."""

    case: Case
    partition: int


def open_view(url: str) -> CaseView:
    """The view in the Redis at `url`, not connected yet. Raises `Failure` for an invalid URL."""
    from fraudstream.cases.view import CaseView

    try:
        return CaseView(url)
    except ValueError as error:
        raise Failure(f"redis.url: {error}.") from error


def find_case(settings: Settings, case_id: str) -> CaseInView:
    """The case in the view. `case_id`: a whole id, or a prefix of it that no other id has.

    Raises `Failure` if the view cannot be read, has no such case, or has several.
    """

    async def find(view: CaseView) -> CaseInView | None:
        case = await view.case(case_id)
        if case is None and _PREFIX.fullmatch(case_id):
            ids = await view.ids_beginning(case_id, IDS_SHOWN + 1)
            if len(ids) > 1:
                raise Failure(_ambiguous(case_id, ids))
            case = await view.case(ids[0]) if ids else None
        if case is None:
            return None
        return CaseInView(case, await view.partition_of(case.case_id) or 0)

    found = _read(settings, find)
    if found is None:
        raise Failure(
            f"the view has no case {case_id}: it is unknown, or was closed more than 90 days ago. An id may be cut to "
            f"its first {PREFIX_DIGITS_MIN} or more digits."
        )
    return found


def other_cases(settings: Settings, case: Case) -> list[Case]:
    """The newest other cases of the case's account. Raises `Failure`."""
    found = _read(settings, lambda view: view.of_account(case.account_id))
    return [each for each in found if each.case_id != case.case_id]


def ids_of_assignee(settings: Settings, name: str) -> list[str]:
    """The ids of the cases that are not closed and are assigned to `name`. Raises `Failure`."""

    async def find(view: CaseView) -> list[str]:
        return [case.case_id for case in await view.queue(CASES_READ_MAX) if case.assignee == name]

    return _read(settings, find)


def partition_of_account(settings: Settings, account_id: str) -> int | None:
    """The partition of the account's cases; None if the view has none. Raises `Failure`."""

    async def find(view: CaseView) -> int | None:
        cases = await view.of_account(account_id)
        return await view.partition_of(cases[0].case_id) if cases else None

    return _read(settings, find)


def _ambiguous(prefix: str, ids: list[str]) -> str:
    more = ", …" if len(ids) > IDS_SHOWN else ""
    return f"several cases have ids that begin with {prefix}: {', '.join(ids[:IDS_SHOWN])}{more}. Give more digits."


def list_cases(settings: Settings, limit: int, account_id: str | None, tag: str | None, *, as_json: bool) -> int:
    """Print the queue, or the cases of an account; those with `tag`, if there is one. Raises `Failure`."""
    import msgspec

    from fraudstream.cli.case_queue_text import print_cases

    read_max = limit if tag is None else CASES_READ_MAX
    cases = _read(settings, lambda view: view.of_account(account_id) if account_id else view.queue(read_max))
    if tag is not None:
        cases = [case for case in cases if tag in case.tags][:limit]
    if as_json:
        print(json.dumps(msgspec.to_builtins(cases)))
    else:
        print_cases(cases)
    return 0


def show_case(settings: Settings, case_id: str, *, as_json: bool) -> int:
    """Print one case, with the reasons of its alerts as far as they can be read. Raises `Failure`."""
    import msgspec

    from fraudstream.cli.case_text import print_case

    case, partition = find_case(settings, case_id)
    if as_json:
        print(json.dumps(msgspec.to_builtins(case)))
        return 0
    alerts, missing = alerts_of(case, partition, settings)
    print_case(case, alerts, missing)
    return 0


def _read(settings: Settings, work: Callable[[CaseView], Awaitable[Result]]) -> Result:
    """Run `work` on the view and return its result. Raises `Failure` if Redis does not answer."""
    from redis import AuthenticationError, RedisError
    from redis.exceptions import ConnectionError as RedisConnectionError

    from fraudstream.cases.redis_error_text import redis_error_text

    async def read() -> Result:
        view = open_view(settings.redis.url_with_password())
        try:
            return await work(view)
        finally:
            await view.close()

    try:
        return asyncio.run(read())
    except (RedisError, OSError) as error:  # a TimeoutError is an OSError
        unreachable = isinstance(error, RedisConnectionError | OSError) and not isinstance(error, AuthenticationError)
        hint = " The board of `fraudstream up` shows the address of its Redis." if unreachable else ""
        raise Failure(f"the view cannot be read: {redis_error_text(error)}.{hint}") from error


def alerts_of(case: Case, partition: int, settings: Settings) -> tuple[dict[str, Alert], str]:
    """The complete alerts of a case, by id, and why one may be missing."""
    from fraudstream.cli.progress import reading_progress
    from fraudstream.explain.sent import find_alerts
    from fraudstream.kafka.topic_reader import NoTopicError, TopicReader
    from fraudstream.operations.cluster_access import ClusterError

    brokers, topic = settings.kafka.brokers(), settings.topics.alerts

    async def find() -> dict[str, Alert]:
        with reading_progress() as progress:
            committed_only = settings.worker.checkpoint_mode == "transaction"
            async with TopicReader(brokers, committed_only=committed_only, progress=progress) as reader:
                return await find_alerts(reader, topic, partition, [line.alert_id for line in case.alerts])

    try:
        return run_on_cluster(brokers, find, SHORT_S_MAX), f"the alert is no longer on the topic '{topic}'"
    except NoTopicError as error:
        return {}, f"{brokers}: {str(error).rstrip('.')}"
    except ClusterError as error:
        return {}, f"{brokers}: {error.sentence.rstrip('.')}"

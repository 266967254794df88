"""`fraudstream erase ACCOUNT`: the steps, in an order in which each may be repeated.

1. audit: asked
2. the cases of the topic; under legal hold nothing is erased
3. the files of these cases that no other case lists: a repetition finds them by the cases
4. each case, by the case agent: topic, Redis, index
5. what Redis still has, the history
6. audit: done
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, NamedTuple

from fraudstream.cli.author_flags import author_of
from fraudstream.cli.case_agent import agent_settings
from fraudstream.cli.case_view import open_view
from fraudstream.cli.cluster_command import run_on_cluster
from fraudstream.cli.console_references import references_of
from fraudstream.cli.erasure_report import Place, places_of, print_places
from fraudstream.cli.failure import Failure
from fraudstream.cli.history_erasure import erase_rows
from fraudstream.cli.progress import reading_progress
from fraudstream.cli.settings import Settings
from fraudstream.cli.time_flags import now_ms
from fraudstream.contracts.error_text import system_error_text
from fraudstream.supervision import exit_codes

if TYPE_CHECKING:
    from fraudstream.audit.writer import AuditWriter
    from fraudstream.cases.settings import AgentSettings
    from fraudstream.contracts import Case
    from fraudstream.contracts.audit_record import AuditEvent, AuditOutcome
    from fraudstream.kafka.topic_reader import ReportProgress

AUDIT_S_MAX = 5.0


class Erased(NamedTuple):
    """What was erased now. `cases`: all; `of_others`: ids of those that are of other accounts, with which the
    account's were merged. `files`: of these cases. `history`: rows by table."""

    cases: int
    of_others: list[str]
    redis: int
    files: int
    history: dict[str, int]


class Requester(NamedTuple):
    """Who erases which account, and why in spite of a legal hold. `pseudonym`: of the account."""

    account_id: str
    pseudonym: str
    actor: str
    override: str | None


def erase(args: argparse.Namespace, settings: Settings) -> int:
    """Erase, and print what is gone and what goes when. Raises `Failure`, `OperationError`."""
    from fraudstream.operations.checked_text import check_identifier, check_note

    check_identifier(args.account, "ACCOUNT")
    check_note(args.override)
    if args.override is not None and not args.override.strip():
        raise Failure("--override: give the reason, such as the number of the request or order.")
    pseudonym = asyncio.run(references_of(settings)).pseudonym("account", args.account)
    requester = Requester(args.account, pseudonym, author_of(args), args.override)
    with reading_progress(args.json) as progress:
        erased, places = run_on_cluster(settings.kafka.brokers(), lambda: _erase(settings, requester, progress))
    if args.json:
        left = [place._asdict() for place in places]
        print(json.dumps({"account": args.account, "erased": erased._asdict(), "places": left}))
    else:
        rows = ", ".join(f"{count} {table}" for table, count in sorted(erased.history.items())) or "no rows"
        others = f" ({', '.join(erased.of_others)}: of other accounts, by a merge)" if erased.of_others else ""
        kept = f"{erased.files} files, {erased.redis} entries in Redis"
        print(f"erased: {erased.cases} cases{others}, {kept}; history: {rows}")
        print_places(args.account, places, as_json=False)
    return exit_codes.DONE


async def _erase(settings: Settings, requester: Requester, progress: ReportProgress) -> tuple[Erased, list[Place]]:
    """Raises `Failure`, `OperationError`, aiokafka's errors; what was not reached is erased by a repetition."""
    from fraudstream.audit.writer import AuditUnavailableError

    try:
        async with _audit(settings) as audit:
            await audit.record(_event(requester, "asked"))
            try:
                erased = await _steps(settings, requester, progress)
            except BaseException as error:
                await audit.record(_event(requester, _outcome(error)))
                raise
            await audit.record(_event(requester, "done", erased.of_others))
    except AuditUnavailableError:
        raise Failure(f"the topic '{settings.topics.audit}' cannot be written: nothing more was erased.") from None
    return erased, await places_of(settings, requester.account_id, progress)


async def _steps(settings: Settings, requester: Requester, progress: ReportProgress) -> Erased:
    from fraudstream.history.manifest import load
    from fraudstream.operations.erase_cases import cases_of_account, check_holds, erase_cases

    agent = agent_settings(settings)
    cases = await cases_of_account(agent, requester.account_id, progress)
    if requester.override is None:
        check_holds(cases)
    files = await _erase_files(settings, agent, [each.case for each in cases])
    await erase_cases(agent, cases, actor=requester.actor, acted_at_ms=now_ms(), reason=requester.override)
    in_redis = await _erase_in_redis(settings, requester, [each.case.case_id for each in cases])
    rows: dict[str, int] = {}
    if settings.history.directory is not None and load(settings.history.root()) is not None:
        rows = (
            await asyncio.to_thread(erase_rows, settings, requester.account_id, requester.actor, requester.pseudonym)
        ).rows
    of_others = [each.case.case_id for each in cases if each.case.account_id != requester.account_id]
    return Erased(len(cases), of_others, in_redis, files, rows)


async def _erase_files(settings: Settings, agent: AgentSettings, erased: Sequence[Case]) -> int:
    """Remove the files of the cases. Raises `Failure` where it is not known where they are, or as `remove_files_of`."""
    from fraudstream.kafka.stall_detector import StalledError
    from fraudstream.operations.unlisted_files import remove_files_of

    if not any(case.files for case in erased):
        return 0
    try:
        return await remove_files_of(agent, settings.evidence.required_store(), erased)
    except StalledError:
        raise
    except OSError as error:
        sentence = f"{settings.evidence.directory}: {system_error_text(error)}. No case was erased; repeat the command."
        raise Failure(sentence) from error


async def _erase_in_redis(settings: Settings, requester: Requester, case_ids: list[str]) -> int:
    """Remove at once what the case agent is about to remove, and what it has left, and tell the consoles. Raises
    `Failure`."""
    from redis import RedisError

    from fraudstream.cases.redis_closing import close_redis
    from fraudstream.cases.redis_error_text import redis_error_text
    from fraudstream.console.account_keys import AccountKeys
    from fraudstream.console.erasures import note_erasure
    from fraudstream.console.server import redis_client

    view, redis = open_view(settings.redis.url_with_password()), redis_client(settings.redis.url_with_password())
    try:
        ids = sorted({*case_ids, *await view.ids_of_account(requester.account_id)})
        removed = await view.remove(ids)
        await view.remove_account(requester.account_id)
        removed += await AccountKeys(redis).remove(requester.account_id)
        await note_erasure(redis, requester.pseudonym, now_ms())
        return removed
    except (RedisError, OSError) as error:
        raise Failure(f"Redis cannot be written: {redis_error_text(error)}. Repeat the command.") from error
    finally:
        await view.close()
        await close_redis(redis)


@asynccontextmanager
async def _audit(settings: Settings) -> AsyncIterator[AuditWriter]:
    """A writer to the audit log, with a chain of its own."""
    from fraudstream.audit.topic import AuditTopicSink
    from fraudstream.audit.writer import AuditWriter

    is_idempotent = settings.worker.checkpoint_mode == "transaction"
    sink = AuditTopicSink(settings.kafka.brokers(), settings.topics.audit, idempotent=is_idempotent)
    writer = AuditWriter(sink, now_ms)
    running = asyncio.create_task(writer.run())
    try:
        yield writer
        await writer.stop(AUDIT_S_MAX)
    finally:
        running.cancel()
        await asyncio.wait([running])
        await sink.close()


def _event(requester: Requester, outcome: AuditOutcome, of_others: Sequence[str] = ()) -> AuditEvent:
    from fraudstream.audit.writer import COMMAND_LINE
    from fraudstream.contracts.audit_record import AuditEvent

    parts = [] if requester.override is None else [f"override: {requester.override}"]
    if of_others:
        parts.append(f"merged cases: {' '.join(of_others)}")
    return AuditEvent(
        now_ms(),
        "erase",
        outcome,
        COMMAND_LINE,
        requester.actor,
        object=f"account:{requester.pseudonym}",
        detail="; ".join(parts) or None,
    )


def _outcome(error: BaseException) -> AuditOutcome:
    from fraudstream.operations.erase_cases import LegalHoldError

    return "refused" if isinstance(error, LegalHoldError) else "failed"

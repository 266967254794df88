"""`fraudstream cases`: group alerts into cases and keep the analysts' view; list and show cases from the view."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import signal
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, get_args

from fraudstream import __version__
from fraudstream.cli import metrics_port
from fraudstream.cli.failure import Failure
from fraudstream.cli.settings import Settings, add_setting

if TYPE_CHECKING:
    from fraudstream.cases.settings import AgentSettings
    from fraudstream.cases.view import CaseView
    from fraudstream.cli.main import Subparsers
    from fraudstream.contracts import Alert, Case
    from fraudstream.telemetry.cases import CasesTelemetry

FAILED = 70  # EX_SOFTWARE of sysexits.h: start it again
REFUSED = 78  # EX_CONFIG: to start again changes nothing
LEAVE_S_MAX = 20.0  # the step in hand has 10, the view 3, the group the rest

log = logging.getLogger(__name__)


def add_parser(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "cases",
        help="group alerts into cases and keep the analysts' view in Redis",
        description=(
            "Without an action: joins the group of case agents and turns alerts and analysts' actions into cases until "
            "SIGTERM or Ctrl-C. Waits for the brokers as long as it takes. Exit codes: 0 stopped, 1 could not start, "
            "70 failed (start it again: it goes on where it was), 78 will fail again until what it says is mended. "
            "With list or show: reads the view in Redis; show also the alerts of the case, from their topic."
        ),
        epilog=(
            "example:\n"
            "  fraudstream cases --bootstrap-servers kafka-1:9092 --redis-url redis://redis:6379/0\n"
            "  fraudstream cases list --limit 20 --json"
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_setting(parser, "kafka.bootstrap_servers")
    add_setting(parser, "redis.url", "--redis-url")
    add_setting(parser, "cases.group")
    metrics_port.add_flags(parser)
    parser.add_argument(
        "--rebuild-view", action="store_true", help="empty the view first; it is rebuilt from the topic"
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", dest="action")
    queue = actions.add_parser(
        "list",
        help="the cases that are not closed, the most urgent first",
        epilog="example:\n  fraudstream cases list --account acc-17 --json",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    queue.add_argument("--limit", type=int, default=50, metavar="COUNT", help="most cases to list (default: 50)")
    queue.add_argument("--account", metavar="ID", help="the newest cases of one account instead, closed ones too")
    show = actions.add_parser(
        "show",
        help="one case with its alerts and their reasons",
        epilog="example:\n  fraudstream cases show b42be4f85c73a1b99caaf5747089f7bc",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    show.add_argument("case_id", metavar="CASE_ID")
    show.add_argument(
        "--bootstrap-servers",
        dest="kafka.bootstrap_servers",
        metavar="SERVERS",
        default=argparse.SUPPRESS,
        help="where its alerts stand",
    )
    for action in (queue, show):  # no defaults here, so that what is given before the action counts too
        action.add_argument(
            "--redis-url", dest="redis.url", metavar="URL", default=argparse.SUPPRESS, help="where the view is kept"
        )
        action.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print JSON")


def run(args: argparse.Namespace, settings: Settings) -> int:
    if args.action is None:
        return _run_agent(args, settings)
    from redis import RedisError

    try:
        cases, partition = asyncio.run(_read(args, settings))
    except (RedisError, OSError) as error:
        raise Failure(f"the view cannot be read: {str(error).rstrip('.')}.") from error
    if args.action == "list":
        return _print_list(cases, args.json)
    if not cases:
        raise Failure(f"the view has no case {args.case_id}: it is unknown, or closed for more than 90 days.")
    return _print_case(cases[0], partition, settings, args.json)


def agent_settings(settings: Settings) -> AgentSettings:
    """The case agent's part of the command line's settings. What describes the broker is set once, for the worker."""
    from fraudstream.cases.settings import AgentSettings

    topics = settings.topics
    return AgentSettings(
        brokers=settings.kafka.brokers(),
        redis_url=settings.redis.url,
        fenced=settings.worker.checkpoint_mode == "transaction",
        group=settings.cases.group,
        alerts_topic=topics.alerts,
        case_actions_topic=topics.case_actions,
        cases_topic=topics.cases,
        payments_topic=topics.payments,
        dead_letters_topic=topics.dead_letters,
        fetch_wait_ms=settings.worker.fetch_wait_ms or (500 if settings.worker.checkpoint_mode == "transaction" else 5),
        session_timeout_s=settings.worker.session_timeout_s,
    )


def _run_agent(args: argparse.Namespace, settings: Settings) -> int:
    from prometheus_client import CollectorRegistry

    from fraudstream.contracts.dead_letter import ReasonCode
    from fraudstream.telemetry.cases import CasesTelemetry
    from fraudstream.telemetry.logs import set_up_logs

    set_up_logs(form="json" if args.json else "human")
    telemetry = CasesTelemetry(CollectorRegistry(), version=__version__, reasons=get_args(ReasonCode))
    with metrics_port.metrics_served(settings, telemetry):
        return asyncio.run(_serve(agent_settings(settings), telemetry, args.rebuild_view))


async def _serve(settings: AgentSettings, telemetry: CasesTelemetry, rebuild_view: bool) -> int:
    """Run the agent until a signal or its failure."""
    from aiokafka.errors import KafkaError
    from redis import RedisError

    from fraudstream.cases.agent import CaseAgent
    from fraudstream.cases.failure import AgentError
    from fraudstream.stream.failure import exit_now

    view = _view(settings.redis_url)
    if rebuild_view:
        try:
            await view.clear()
        except (RedisError, OSError) as error:
            raise Failure(f"the view cannot be emptied: {str(error).rstrip('.')}.") from error
    agent = CaseAgent(settings, telemetry, view)
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    await telemetry.watchdog.start()
    try:
        if not await _first(agent.start(), stopping.wait()):
            return 0
        await _first(stopping.wait(), agent.wait_until_stopped())
    except AgentError as error:
        raise Failure(error.sentence, REFUSED) from error
    except KafkaError as error:
        sentence = f"the case agent cannot start on {settings.brokers}: {str(error).rstrip('.')}."
        raise Failure(sentence, FAILED) from error
    if agent.crash_reason is not None:
        exit_now(agent.crash_reason)
    try:
        async with asyncio.timeout(LEAVE_S_MAX):
            await agent.stop()
            await telemetry.watchdog.stop()
    except (KafkaError, OSError, TimeoutError, asyncio.CancelledError):  # clients find no end without a broker
        log.warning("left the group without a word: it takes the agent for dead after its session timeout")
        exit_now(None)
    return 0


async def _first(one: Coroutine[Any, Any, Any], other: Coroutine[Any, Any, Any]) -> bool:
    """Wait for either and leave the other; whether `one` is done. Raises what that one raised."""
    tasks = [asyncio.create_task(one), asyncio.create_task(other)]
    done, left = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
    if tasks[0] in done:
        tasks[0].result()
    return tasks[0] in done


async def _read(args: argparse.Namespace, settings: Settings) -> tuple[list[Case], int | None]:
    """The cases asked for; of a single one the partition that it and its alerts stand in."""
    view = _view(settings.redis.url)
    try:
        if args.action == "show":
            case = await view.case(args.case_id)
            return ([case], await view.partition_of(args.case_id)) if case else ([], None)
        return await (view.of_account(args.account) if args.account else view.queue(args.limit)), None
    finally:
        await view.close()


def _print_list(cases: list[Case], as_json: bool) -> int:
    import msgspec

    from fraudstream.cli.cases_text import print_cases

    if as_json:
        print(json.dumps(msgspec.to_builtins(cases)))
    else:
        print_cases(cases)
    return 0


def _print_case(case: Case, partition: int | None, settings: Settings, as_json: bool) -> int:
    import msgspec

    from fraudstream.cli.cases_text import print_case

    if as_json:
        print(json.dumps(msgspec.to_builtins(case)))
        return 0
    alerts, missing = _alerts_of(case, partition, settings)
    print_case(case, alerts, missing)
    return 0


def _alerts_of(case: Case, partition: int | None, settings: Settings) -> tuple[dict[str, Alert], str]:
    """The whole alerts of a case, by id, and why one may be missing."""
    from aiokafka.errors import KafkaError

    from fraudstream.cli.progress import reading_progress
    from fraudstream.explain.sent import find_alerts
    from fraudstream.kafka.stall_detector import StalledError
    from fraudstream.kafka.topic_reader import NoTopicError, TopicReader

    async def found() -> dict[str, Alert]:
        with reading_progress() as progress:
            committed_only = settings.worker.checkpoint_mode == "transaction"
            async with TopicReader(
                settings.kafka.brokers(), committed_only=committed_only, progress=progress
            ) as reader:
                ids = [line.alert_id for line in case.alerts]
                return await find_alerts(reader, settings.topics.alerts, partition or 0, ids)

    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # what goes wrong is told in one sentence
    try:
        return asyncio.run(found()), f"it no longer stands on the topic '{settings.topics.alerts}'"
    except (KafkaError, NoTopicError, StalledError) as error:
        return {}, f"{settings.kafka.bootstrap_servers}: {str(error).rstrip('.') or 'no answer'}"


def _view(url: str) -> CaseView:
    from fraudstream.cases.view import CaseView

    try:
        return CaseView(url)
    except ValueError as error:
        raise Failure(f"redis.url: {error}.") from error

"""The case agent as a process: started, run until a signal or its failure, stopped within a time limit."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, get_args

from fraudstream import __version__
from fraudstream.cli import metrics_port
from fraudstream.cli.case_view import open_view
from fraudstream.cli.failure import Failure
from fraudstream.cli.settings import Settings
from fraudstream.cli.tracing import tracing
from fraudstream.supervision import exit_codes

if TYPE_CHECKING:
    from fraudstream.cases.policy import CasePolicy
    from fraudstream.cases.settings import AgentSettings
    from fraudstream.telemetry.cases import CasesTelemetry
    from fraudstream.tracing.ports import Tracer

STOP_S_MAX: Final = 20.0  # 10 s for the current step, 3 s for the view, the rest to leave the group

log = logging.getLogger(__name__)


def agent_settings(settings: Settings) -> AgentSettings:
    """The settings of the case agent, those that describe the broker being in the section `worker`. Without its policy,
    which who acts on cases need not have."""
    from fraudstream.cases.settings import AgentSettings
    from fraudstream.stream.settings import FETCH_WAIT_MS

    topics = settings.topics
    return AgentSettings(
        brokers=settings.kafka.brokers(),
        redis_url=settings.redis.url_with_password(),
        fenced=settings.worker.checkpoint_mode == "transaction",
        group=settings.cases.group,
        alerts_topic=topics.alerts,
        case_actions_topic=topics.case_actions,
        case_answers_topic=topics.case_answers,
        cases_topic=topics.cases,
        notices_topic=topics.notices,
        notice_answers_topic=topics.notice_answers,
        payments_topic=topics.payments,
        dead_letters_topic=topics.dead_letters,
        codec=settings.compression.cases,
        fetch_wait_ms=settings.worker.fetch_wait_ms or FETCH_WAIT_MS,
        session_timeout_s=settings.worker.session_timeout_s,
        retention_days=settings.cases.retention_days,
        label_secrets=settings.signatures.given().labels,
    )


def case_policy(settings: Settings) -> CasePolicy:
    """The policy of the setting `cases.policy`. Raises `Failure`."""
    from fraudstream.cases.policy import NO_POLICY
    from fraudstream.cases.policy_file import PolicyError, read_policy

    if settings.cases.policy is None:
        return NO_POLICY
    try:
        return read_policy(Path(settings.cases.policy))
    except PolicyError as error:
        raise Failure(f"cases.policy: {error}", exit_codes.REFUSED) from error


def run_agent(settings: Settings, *, as_json: bool, rebuild_view: bool) -> int:
    """Run until SIGTERM or SIGINT. Raises `Failure` with an exit code of `exit_codes`."""
    import msgspec
    from prometheus_client import CollectorRegistry

    from fraudstream.contracts.dead_letter import ReasonCode
    from fraudstream.telemetry.cases import CasesTelemetry
    from fraudstream.telemetry.logs import set_up_logs

    agent = msgspec.structs.replace(agent_settings(settings), policy=case_policy(settings))
    set_up_logs(settings.log.level, "json" if as_json else "human")
    telemetry = CasesTelemetry(CollectorRegistry(), version=__version__, reasons=get_args(ReasonCode))
    with (
        metrics_port.metrics_served(settings, "metrics.cases_port", telemetry),
        tracing(settings, "cases", telemetry.spans) as tracer,
    ):
        return asyncio.run(_serve(agent, telemetry, rebuild_view, tracer))


async def _serve(settings: AgentSettings, telemetry: CasesTelemetry, rebuild_view: bool, tracer: Tracer) -> int:
    """Run the agent until a signal or its failure."""
    from aiokafka.errors import KafkaError
    from redis import RedisError

    from fraudstream.cases.agent import CaseAgent
    from fraudstream.cases.failure import AgentError
    from fraudstream.cases.redis_error_text import redis_error_text
    from fraudstream.operations.cluster_access import cluster_error
    from fraudstream.stream.failure import exit_now

    view = open_view(settings.redis_url)
    if rebuild_view:
        try:
            await view.clear()
        except (RedisError, OSError) as error:
            raise Failure(f"the view cannot be emptied: {redis_error_text(error)}.") from error
    agent = CaseAgent(settings, telemetry, view, tracer=tracer)
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    await telemetry.watchdog.start()
    try:
        if not await _first(agent.start(), stopping.wait()):
            return exit_codes.DONE
        await _first(stopping.wait(), agent.wait_until_stopped())
    except AgentError as error:
        raise Failure(error.sentence, exit_codes.REFUSED) from error
    except KafkaError as error:
        sentence = (await cluster_error(settings.brokers, error)).sentence
        raise Failure(f"the case agent cannot start: {sentence}", exit_codes.RESTART) from error
    if agent.crash_reason is not None:
        exit_now(agent.crash_reason)
    try:
        async with asyncio.timeout(STOP_S_MAX):
            await agent.stop()
            await telemetry.watchdog.stop()
    except (KafkaError, OSError, TimeoutError, asyncio.CancelledError):  # without a broker, clients may never stop
        log.warning("did not leave the group in time: it removes this agent after its session timeout")
        exit_now(None)
    return exit_codes.DONE


async def _first(one: Coroutine[Any, Any, Any], other: Coroutine[Any, Any, Any]) -> bool:
    """Wait for either and cancel the other; returns whether `one` is done. Raises the error of `one`."""
    tasks = [asyncio.create_task(one), asyncio.create_task(other)]
    done, left = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
    if tasks[0] in done:
        tasks[0].result()
    return tasks[0] in done

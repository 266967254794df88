"""Run a worker: check the cluster, start its stages, and stop them in order, with a last checkpoint, on SIGTERM or
SIGINT."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from contextlib import AsyncExitStack, nullcontext, suppress
from typing import Any, TypeVar

from fraudstream.engine.engine import Engine
from fraudstream.stream.checkpoints.resumption import Resumption
from fraudstream.stream.checkpoints.saved_state import check_saved_state
from fraudstream.stream.failure import exit_now
from fraudstream.stream.faust.build import build_stage
from fraudstream.stream.faust.compilation import compile_way_of_a_payment
from fraudstream.stream.faust.running_stage import FaustStage
from fraudstream.stream.identifiers import digest_key
from fraudstream.stream.observer import Observer, StageObserver, Unobserved
from fraudstream.stream.ports import BackgroundService
from fraudstream.stream.settings import StreamSettings
from fraudstream.stream.stages import stages_of
from fraudstream.stream.state_versions import check_version
from fraudstream.stream.topics.cluster import (
    Cluster,
    look_again,
    look_at_cluster,
    settled_unless_built_otherwise,
    until_answered,
)
from fraudstream.stream.topics.watch import TopicWatch
from fraudstream.supervision.garbage_collection import keep_loaded_objects
from fraudstream.tracing.ports import UNTRACED, Tracer

LEAVE_S_MAX = 5.0
GC_THRESHOLD = 100_000

T = TypeVar("T")

log = logging.getLogger(__name__)


def run_worker(
    settings: StreamSettings,
    engine: Engine,
    observer: Observer | None = None,
    services: Iterable[BackgroundService] = (),
    tracer: Tracer = UNTRACED,
) -> None:
    """Process payments until SIGTERM or SIGINT. Raises `WorkerFailure` if the worker cannot start.

    `services`: run in the worker's event loop while its stages do. `tracer`: of sampled payments. Once the worker runs,
    a failure ends the process at once, with exit code 70, or 78 if a restart does not help.
    """

    # A batch is thousands of small objects without cycles: by default they would start the collector ten times.
    keep_loaded_objects()
    gc.set_threshold(GC_THRESHOLD, 20, 20)

    async def main() -> None:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        await serve(settings, engine, observer, services, stop=stop, exits=True, tracer=tracer)

    asyncio.run(main())


async def serve(
    settings: StreamSettings,
    engine: Engine,
    observer: Observer | None = None,
    services: Iterable[BackgroundService] = (),
    *,
    stop: asyncio.Event,
    exits: bool = False,
    tracer: Tracer = UNTRACED,
) -> None:
    """As `run_worker` within a running event loop, until `stop` is set. Raises what made the worker fail, unless
    `exits`: then the process exits."""
    observer = observer if observer is not None else Unobserved()
    check_version(settings)
    _warn_of_unsigned(settings)
    compile_way_of_a_payment(engine.rule_set, "murmur2" if settings.partitioner == "any" else settings.partitioner)
    if len(engine.stages) > 1:
        of_form = await _unless(stop, _settled(settings, engine))
        if of_form is None:
            return
        settings = of_form
    stages = list(stages_of(settings, engine))
    observers = [observer.of_stage(stage.stage) for stage, _ in stages]
    clusters: list[Cluster] = []
    for (stage, _), stage_observer in zip(stages, observers, strict=True):
        cluster = await _unless(stop, look_at_cluster(stage, stage_observer))
        if cluster is None:
            return
        clusters.append(cluster)
    key = await _unless(stop, digest_key(stages[0][0], observers[0]))
    if key is None:
        return
    stages = list(stages_of(settings, engine.keyed(key).requiring(settings.signatures)))
    for (stage, stage_engine), cluster in zip(stages, clusters, strict=True):
        resumption = Resumption(stage, cluster, stage_engine.stages)
        await check_saved_state(stage, resumption, stage_engine.new_state().layout)
    running: list[FaustStage] = []
    for (stage, stage_engine), stage_observer, cluster in zip(stages, observers, clusters, strict=True):
        running.append(build_stage(stage, stage_engine, stage_observer, cluster, exits, tracer))
        _report_start(stage, stage_engine, engine.rule_set.digest, stage_observer)
    running[0].report_rebalances(observer)
    async with AsyncExitStack() as started:
        for service in services:
            await service.start()
            started.push_async_callback(service.stop)
        await _run(running, stop, exits)


def _warn_of_unsigned(settings: StreamSettings) -> None:
    """Log which records of the payments log need no signature."""
    required = {
        "rule-set switches and list entries (signatures.controls_file)": settings.signatures.controls,
        "labels (signatures.labels_file)": settings.signatures.labels,
    }
    if unsigned := [what for what, secrets in required.items() if secrets is None]:
        log.warning(
            "whoever may publish to %s may publish %s: set what is named to require signatures, see docs/security.md",
            settings.payments_topic,
            ", and ".join(unsigned),
        )


def _report_start(stage: StreamSettings, engine: Engine, rule_set: str, observer: StageObserver) -> None:
    observer.on_start(
        stage=stage.stage,
        checkpoint_mode=stage.checkpoint_mode,
        rule_set=rule_set,
        layout=engine.new_state().layout,
    )
    log.info(
        "worker of stage %s starts: group %s, checkpoint mode %s, rule set %s, identifier secret %s",
        stage.stage,
        stage.app_id,
        stage.checkpoint_mode,
        rule_set,
        engine.digest_key.fingerprint,
    )


async def _run(running: Sequence[FaustStage], stop: asyncio.Event, exits: bool) -> None:
    """Run all stages until one fails or the worker is asked to stop; then all stop."""
    tasks = [task for stage in running for task in _start_tasks(stage)]
    ended = (stop, *(each.stage.failure.ended for each in running))
    waits = [asyncio.create_task(event.wait()) for event in ended]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for task in (*tasks, *waits):
        task.cancel()
    await asyncio.gather(*(_take_last_checkpoints(each, exits) for each in running))
    failure = next((error for each in running if (error := each.stage.failure.error) is not None), None)
    try:
        async with asyncio.timeout(LEAVE_S_MAX):
            await asyncio.gather(*(each.leave() for each in running))
    except TimeoutError:  # during a rebalance Faust may wait for the group; everything is saved already
        log.warning("did not leave the group in time: it removes this worker after its session timeout")
        if exits and failure is None:
            exit_now(None)
    if failure is not None:
        raise failure
    log.info("worker of stage %s stopped", ", ".join(each.stage.settings.stage for each in running))


async def _settled(settings: StreamSettings, engine: Engine) -> StreamSettings:
    """The settings with the form of the stages settled. No stage is known before, so none observes the outage."""
    return await until_answered(settings, Unobserved(), lambda: settled_unless_built_otherwise(settings, engine.stages))


def _start_tasks(running: FaustStage) -> list[asyncio.Task[None]]:
    """The tasks of one stage; what one of them raises fails the worker."""
    running.prepare()
    stage = running.stage
    watch = TopicWatch(
        settings=stage.settings, cluster=stage.cluster, look=look_again, on_partitions=stage.replies.know
    )

    async def failing(run: Callable[[], Awaitable[None]]) -> None:
        async with stage.failure.failing():
            await run()

    async def watch_faust() -> None:
        await running.watch()
        stage.failure.fail(running.crash_reason)

    async def monitor() -> None:
        await stage.monitor.run(lambda: running.connected)

    runs = [stage.checkpoints.run, running.run, watch_faust, monitor, watch.run, stage.gap_watch.run]
    if stage.standby is not None:
        runs.append(stage.standby.run)
    return [asyncio.create_task(failing(run), name=stage.settings.stage) for run in runs]


async def _unless(stop: asyncio.Event, looking: Coroutine[Any, Any, T]) -> T | None:
    """What the brokers report; None if the worker is asked to stop before they answer."""
    look, stopped = asyncio.create_task(looking), asyncio.create_task(stop.wait())
    await asyncio.wait((look, stopped), return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if look.done():
        return look.result()
    look.cancel()
    await asyncio.wait((look,))
    log.info("stopped before a broker answered")
    return None


async def _take_last_checkpoints(running: FaustStage, exits: bool) -> None:
    """Stop processing, and make the processed batches durable within the time limit of a revocation."""
    stage = running.stage
    if stage.failure.error is None and stage.partitions:
        running.stop_fetching()
        with nullcontext() if exits else suppress(Exception):  # `failure` holds it
            await stage.assignment.on_revoked()

"""Run a worker: check the world, start the app, and stop it in order, with a last checkpoint, on SIGTERM or SIGINT."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import tempfile
from collections.abc import Coroutine, Iterable, Sequence
from contextlib import nullcontext, suppress
from typing import Any

from faust.sensors.base import Sensor

from fraudstream.contracts import Payment
from fraudstream.engine.engine import Engine
from fraudstream.kafka.closing import close
from fraudstream.stream.failure import WorkerFailure, exit_now
from fraudstream.stream.faust.app import StreamApp
from fraudstream.stream.faust.build import build_app
from fraudstream.stream.lag_monitor import LagMonitor
from fraudstream.stream.observer import Observer, Unobserved
from fraudstream.stream.placement import partitions_for
from fraudstream.stream.settings import StreamSettings
from fraudstream.stream.stages import stages_of
from fraudstream.stream.state_versions import check_version
from fraudstream.stream.topics.cluster import Cluster, look_at_cluster
from fraudstream.stream.topics.watch import watch_topics

LEAVE_S_MAX = 5.0
WATCH_S = 1.0
GC_THRESHOLD = 100_000

log = logging.getLogger(__name__)


def run_worker(
    settings: StreamSettings, engine: Engine, observer: Observer | None = None, sensors: Iterable[Sensor] = ()
) -> None:
    """Judge payments until SIGTERM or SIGINT. Raises `WorkerFailure` if the worker can't start.

    Once it runs, a failure ends the process at once, with exit code 70, or 78 where starting again would change
    nothing.
    """

    # A list of payments is thousands of small objects and no cycles: by default they set the collector off ten times.
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD, 20, 20)

    async def main() -> None:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        await serve(settings, engine, observer, sensors, stop=stop, exits=True)

    asyncio.run(main())


async def serve(
    settings: StreamSettings,
    engine: Engine,
    observer: Observer | None = None,
    sensors: Iterable[Sensor] = (),
    *,
    stop: asyncio.Event,
    exits: bool = False,
) -> None:
    """The same within a running event loop, until `stop` is set. Raises what made the worker fail, unless `exits`."""
    observer = observer if observer is not None else Unobserved()
    check_version(settings)
    _warm_up(engine)
    stages = list(stages_of(settings, engine))
    observers = [observer.of_stage(stage.stage) for stage, _ in stages]
    clusters: list[Cluster] = []
    for (stage, _), its_observer in zip(stages, observers, strict=True):
        cluster = await _unless(stop, look_at_cluster(stage, its_observer))
        if cluster is None:
            return
        clusters.append(cluster)
    with tempfile.TemporaryDirectory(prefix="fraudstream-") as scratch:
        apps: list[StreamApp] = []
        for (stage, its_engine), its_observer, cluster in zip(stages, observers, clusters, strict=True):
            app = build_app(stage, its_engine, its_observer, cluster, f"{scratch}/{stage.stage}", exits)
            its_observer.on_start(
                stage=stage.stage,
                checkpoint_mode=stage.checkpoint_mode,
                rule_set=engine.rule_set.digest,
                layout=its_engine.new_state().layout,
            )
            log.info(
                "worker of stage %s starts: group %s, checkpoint mode %s, rule set %s",
                stage.stage,
                stage.app_id,
                stage.checkpoint_mode,
                engine.rule_set.digest,
            )
            apps.append(app)
        for sensor in sensors:
            apps[0].sensors.add(sensor)
        await _run(apps, stop)


async def _run(apps: Sequence[StreamApp], stop: asyncio.Event) -> None:
    """All stages until one fails or the worker is asked to stop: what happens to one happens to all."""
    tasks: list[asyncio.Task[None]] = []
    for app in apps:
        app.finalize()
        runs = (_checkpoint, _start, _watch, _look, _watch_topics)
        tasks += [asyncio.create_task(run(app), name=app.settings.stage) for run in runs]
    waits = [asyncio.create_task(event.wait()) for event in (stop, *(app.ended for app in apps))]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for task in (*tasks, *waits):
        task.cancel()
    await asyncio.gather(*(_take_last_checkpoints(app) for app in apps))
    failure = next((app.failure for app in apps if app.failure is not None), None)
    try:
        async with asyncio.timeout(LEAVE_S_MAX):
            await asyncio.gather(*(_leave(app) for app in apps))
    except (
        TimeoutError
    ):  # in the middle of a rebalance Faust may wait for the group; nothing is owed to anyone any more
        log.warning("left the group without a word: it takes the worker for dead after its session timeout")
        if apps[0].exits and failure is None:
            exit_now(None)
    if failure is not None:
        raise failure
    log.info("worker of stage %s stopped", ", ".join(app.settings.stage for app in apps))


async def _unless(stop: asyncio.Event, looking: Coroutine[Any, Any, Cluster]) -> Cluster | None:
    """What the cluster is like; None if the worker is asked to stop before that is known."""
    look, stopped = asyncio.create_task(looking), asyncio.create_task(stop.wait())
    await asyncio.wait((look, stopped), return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if look.done():
        return look.result()
    look.cancel()
    await asyncio.wait((look,))
    log.info("stopped before a broker answered")
    return None


async def _start(app: StreamApp) -> None:
    async with app.failing():
        await app.start()


async def _checkpoint(app: StreamApp) -> None:
    async with app.failing():
        await app.checkpoints.run()


async def _watch_topics(app: StreamApp) -> None:
    async with app.failing():
        await watch_topics(app)


async def _look(app: StreamApp) -> None:
    async with app.failing():
        await LagMonitor(app).run()


async def _watch(app: StreamApp) -> None:
    """What crashes a part of Faust crashes the worker, and so does what ends its membership of the group."""
    async with app.failing():
        while not app._crashed.is_set():
            if app.started:
                app.lists.check_group()
            with suppress(TimeoutError):
                async with asyncio.timeout(WATCH_S):
                    await app._crashed.wait()
    app.fail(app.crash_reason or WorkerFailure("A part of Faust crashed; the log says which."))


async def _take_last_checkpoints(app: StreamApp) -> None:
    """Let no list in, and make durable what was judged, in the time that a revocation has."""
    if app.failure is None and app.partitions:
        app.consumer.stop_flow()
        app.flow_control.suspend()
        with nullcontext() if app.exits else suppress(Exception):  # `failure` holds it
            await app.on_revoked()


async def _leave(app: StreamApp) -> None:
    """Leave the group and close what is open."""
    with suppress(type(app.failure)) if app.failure is not None else nullcontext():
        await app.stop()
    await asyncio.gather(*(partition.writer.close() for partition in app.partitions.values()))
    if app.checkpoint_producer is not None:
        await close(app.checkpoint_producer)


def _warm_up(engine: Engine) -> None:
    """Compile the kernel before the group counts on this worker: on a cold start it takes seconds."""
    payment = Payment(event_id="0", occurred_at=0, account_id="0", amount="1", currency="EUR", direction="debit")
    whole = Engine(engine.rule_set)
    whole.judge([payment], whole.new_state())
    partitions_for([b"0"], 1)

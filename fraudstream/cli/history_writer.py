"""The writer of the history store as a process: until a signal, or with `--once` until all is written."""

from __future__ import annotations

import asyncio
import logging
import signal
from typing import TYPE_CHECKING, get_args

from fraudstream import __version__
from fraudstream.cli import metrics_port
from fraudstream.cli.failure import Failure
from fraudstream.cli.settings import Settings
from fraudstream.cli.time_flags import now_ms
from fraudstream.contracts.error_text import system_error_text
from fraudstream.supervision import exit_codes

if TYPE_CHECKING:
    from fraudstream.history.follower import FollowerSettings
    from fraudstream.history.store import HistoryStore
    from fraudstream.telemetry.history import HistoryTelemetry

log = logging.getLogger(__name__)


def follower_settings(settings: Settings) -> FollowerSettings:
    """The settings of the follower. Those that describe the broker are in the section `worker`."""
    from fraudstream.history.follower import FollowerSettings
    from fraudstream.stream.settings import FETCH_WAIT_MS

    return FollowerSettings(
        brokers=settings.kafka.brokers(),
        payments_topic=settings.topics.payments,
        decisions_topic=settings.topics.decisions,
        committed_only=settings.worker.checkpoint_mode == "transaction",
        fetch_wait_ms=settings.worker.fetch_wait_ms or FETCH_WAIT_MS,
        too_far_ahead_ms=settings.worker.too_far_ahead_ms,
        commit_s=settings.history.commit_interval_s,
        signatures=settings.signatures.given(),
    )


def run_writer(settings: Settings, *, once: bool, as_json: bool) -> int:
    """Write until SIGTERM or SIGINT, or with `once` up to the end of the topics. Raises `Failure`, `HistoryError`."""
    from prometheus_client import CollectorRegistry

    from fraudstream.contracts.dead_letter import ReasonCode
    from fraudstream.history.store import HistoryStore
    from fraudstream.history.tables import DAY_MS
    from fraudstream.telemetry.history import HistoryTelemetry
    from fraudstream.telemetry.logs import set_up_logs

    set_up_logs(settings.log.level, "json" if as_json else "human")
    kept_days = settings.history.retention_days

    def first_day() -> int:
        return now_ms() // DAY_MS - kept_days if kept_days else 0

    root = settings.history.root()
    telemetry = HistoryTelemetry(CollectorRegistry(), version=__version__, reasons=get_args(ReasonCode))
    try:
        with (
            HistoryStore(root, first_day) as store,
            metrics_port.metrics_served(settings, "metrics.history_port", telemetry),
        ):
            log.info("writing the history into %s", root)
            if once:
                _write_once(settings, store, telemetry)
            else:
                asyncio.run(_write(settings, store, telemetry))
            for table, size in store.manifest.sizes().items():
                log.info("%s: %d rows in %d files of %d bytes", table, size.rows, size.files, size.bytes)
    except OSError as error:
        raise Failure(f"the history in {root} cannot be written: {system_error_text(error)}.") from error
    return exit_codes.DONE


async def _write(settings: Settings, store: HistoryStore, telemetry: HistoryTelemetry) -> None:
    """Until a signal."""
    from fraudstream.history.follower import HistoryFollower

    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    await HistoryFollower(follower_settings(settings), store, telemetry, now_ms).run(stopping)


def _write_once(settings: Settings, store: HistoryStore, telemetry: HistoryTelemetry) -> None:
    """Up to the end of the topics. Raises `ClusterError`."""
    from fraudstream.cli.cluster_command import run_on_cluster
    from fraudstream.history.follower import HistoryFollower

    async def write() -> None:
        await HistoryFollower(follower_settings(settings), store, telemetry, now_ms).run(asyncio.Event(), once=True)

    run_on_cluster(settings.kafka.brokers(), write)

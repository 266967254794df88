"""The metrics of a worker. `WorkerTelemetry` satisfies `fraudstream.stream.observer.Observer` without importing it."""

from __future__ import annotations

import platform
from collections.abc import Iterable

from prometheus_client import CollectorRegistry

from fraudstream.telemetry.event_loop_watchdog import EventLoopWatchdog
from fraudstream.telemetry.metrics import Definitions, WorkerMetrics
from fraudstream.telemetry.span_metrics import SpanMetrics
from fraudstream.telemetry.stage import StageTelemetry


class WorkerTelemetry:
    """The worker's observer. Run `watchdog` in its event loop, and serve `healthy` and `ready` (http.py): the worker is
    healthy and ready when all its stages are."""

    def __init__(
        self,
        registry: CollectorRegistry,
        *,
        version: str,
        reasons: Iterable[str] = (),
        label_causes: Iterable[str] = (),
    ) -> None:
        """`version`: of fraudstream. `reasons`: the codes of dead letters, `label_causes`: why labels find no payment;
        their counters start at 0."""
        self.registry = registry
        self.metrics = WorkerMetrics(Definitions(registry), reasons, label_causes)
        self.spans = SpanMetrics(Definitions(registry))
        self.watchdog = EventLoopWatchdog()
        self._version = version
        self._stages: tuple[StageTelemetry, ...] = ()
        self._builds: list[dict[str, str]] = []

    def of_stage(self, stage: str) -> StageTelemetry:
        """The observer of one stage, which counts towards `healthy` and `ready` from now on."""
        self._stages += (StageTelemetry(self.metrics, self.watchdog, stage, self.on_start),)
        return self._stages[-1]

    def on_rebalance_started(self) -> None:
        """Count a rebalance."""
        self.metrics.rebalances.inc()

    def on_rebalance_ended(self, *, seconds: float) -> None:
        """Observe how long it took."""
        self.metrics.rebalance_seconds.observe(seconds)

    def healthy(self) -> str | None:
        """None, or why the process should be started again."""
        return next(filter(None, (stage.healthy() for stage in self._stages)), None)

    def ready(self) -> str | None:
        """None, or why nothing is processed here at the moment."""
        if not self._stages:
            return "waiting for partitions"
        unready = [(stage.name, why) for stage in self._stages if (why := stage.ready()) is not None]
        if not unready:
            return None
        name, why = unready[0]
        return why if len(self._stages) == 1 else f"stage {name}: {why}"

    def notes(self) -> str | None:
        """What keeps single partitions from being processed, though the process is ready; None if nothing does."""
        noted = [(stage.name, note) for stage in self._stages if (note := stage.notes()) is not None]
        return "\n".join(f"stage {name}: {note}" if len(self._stages) > 1 else note for name, note in noted) or None

    def on_start(self, *, stage: str, checkpoint_mode: str, rule_set: str, layout: str) -> None:
        """Publish the version, rule set and layout of all stages together."""
        self._builds.append({"stage": stage, "layout": layout})
        self.metrics.build.info(
            {
                "version": self._version,
                "python": platform.python_version(),
                "checkpoint_mode": checkpoint_mode,
                "own_rule_set": rule_set,  # of its directory; `rule_set_partitions` has those in force
                **{name: ",".join(build[name] for build in self._builds) for name in ("stage", "layout")},
            }
        )

"""A stage while it runs on its Faust app: start it, notice when Faust crashes, stop it."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext, suppress

from fraudstream.stream.failure import WorkerFailure
from fraudstream.stream.faust.adapters import consumer_of
from fraudstream.stream.faust.app import StreamApp
from fraudstream.stream.faust.rebalance_sensor import RebalanceSensor
from fraudstream.stream.observer import Observer
from fraudstream.stream.stage import Stage

WATCH_S = 1.0


class FaustStage:
    """`stage`, driven by Faust. Made by `build.build_stage`."""

    def __init__(self, app: StreamApp, stage: Stage) -> None:
        """`app`: with its stage set."""
        self.stage = stage
        self._app = app

    def report_rebalances(self, observer: Observer) -> None:
        """Report the rebalances of this stage's group. Called before the start."""
        self._app.sensors.add(RebalanceSensor(observer))

    def prepare(self) -> None:
        """Called once, before `run`."""
        self._app.finalize()

    async def run(self) -> None:
        """Join the group and process until cancelled. Raises what prevents the start."""
        await self._app.start()

    @property
    def connected(self) -> bool:
        """The app has started, and its consumer knows the brokers."""
        return bool(self._app.started) and consumer_of(self._app).knows_brokers

    async def watch(self) -> None:
        """Return when a part of Faust has crashed. Raises what ended the consumer's membership of its group.

        Without this, the worker would keep running.
        """
        while not self._app._crashed.is_set():
            if self._app.started:
                consumer_of(self._app).check_group()
            with suppress(TimeoutError):
                async with asyncio.timeout(WATCH_S):
                    await self._app._crashed.wait()

    @property
    def crash_reason(self) -> BaseException:
        """Why a part of Faust has crashed."""
        reason: BaseException | None = self._app.crash_reason
        return reason or WorkerFailure("A part of Faust crashed; see the log.")

    def stop_fetching(self) -> None:
        """Stop processing further batches."""
        self._app.consumer.stop_flow()
        self._app.flow_control.suspend()

    async def leave(self) -> None:
        """Leave the group and close what is open. May wait for the group, so the caller sets a time limit."""
        error = self.stage.failure.error
        with suppress(type(error)) if error is not None else nullcontext():
            await self._app.stop()
        await self.stage.assignment.close()

"""A client whose `stop` does not return is abandoned in time. The clients are stand-ins."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from fraudstream.kafka.closing import close


class SwallowsCancellation:
    """Swallows the first cancellation, as aiokafka's consumer may."""

    def __init__(self) -> None:
        self.stopped = asyncio.Event()

    async def stop(self) -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        self.stopped.set()


class Never(SwallowsCancellation):
    async def stop(self) -> None:
        while not self.stopped.is_set():
            with suppress(asyncio.CancelledError):
                await self.stopped.wait()


class Fails:
    async def stop(self) -> None:
        raise OSError("no route to host")


async def test_a_client_that_swallowed_a_cancellation_is_cancelled_again() -> None:
    client = SwallowsCancellation()
    await close(client, within_s=0.01)
    await client.stopped.wait()


async def test_a_client_that_never_stops_is_abandoned() -> None:
    client = Never()
    await close(client, within_s=0.01)
    client.stopped.set()


async def test_the_caller_of_close_can_be_cancelled() -> None:
    client = Never()
    closing = asyncio.create_task(close(client))
    await asyncio.sleep(0)
    closing.cancel()
    await asyncio.wait({closing})
    assert closing.cancelled()
    client.stopped.set()


async def test_errors_of_stop_are_not_raised() -> None:
    await close(Fails())

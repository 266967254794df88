"""A client whose `stop` doesn't end doesn't keep anyone. The clients are stand-ins."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from fraudstream.kafka.closing import close


class Swallows:
    """Loses the first cancellation, as aiokafka's consumer may."""

    def __init__(self) -> None:
        self.stopped = asyncio.Event()

    async def stop(self) -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        self.stopped.set()


class Never(Swallows):
    async def stop(self) -> None:
        while not self.stopped.is_set():
            with suppress(asyncio.CancelledError):
                await self.stopped.wait()


class Fails:
    async def stop(self) -> None:
        raise OSError("no route to host")


async def test_what_waits_for_a_lost_cancellation_is_cancelled_again() -> None:
    client = Swallows()
    await close(client, within_s=0.01)
    await client.stopped.wait()


async def test_what_never_stops_is_left_behind() -> None:
    client = Never()
    await close(client, within_s=0.01)
    client.stopped.set()


async def test_whoever_closes_can_be_cancelled() -> None:
    client = Never()
    closing = asyncio.create_task(close(client))
    await asyncio.sleep(0)
    closing.cancel()
    await asyncio.wait({closing})
    assert closing.cancelled()
    client.stopped.set()


async def test_what_a_stop_raises_is_nobody_s_concern() -> None:
    await close(Fails())

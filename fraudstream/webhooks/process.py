"""Runs the webhooks of all endpoints side by side until a signal."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

from fraudstream.webhooks.deliveries import Deliveries
from fraudstream.webhooks.endpoints import SignedEndpoint
from fraudstream.webhooks.follower import EndpointFollower, FollowerSettings
from fraudstream.webhooks.observer import Observer
from fraudstream.webhooks.sender import Sender
from fraudstream.webhooks.undelivered import Undelivered


async def run_webhooks(
    settings: FollowerSettings,
    endpoints: Sequence[SignedEndpoint],
    dead_letters_topic: str,
    observer: Observer,
    stopping: asyncio.Event,
    *,
    timeout_s: float,
    retry_for_ms: int,
    now_ms: Callable[[], int],
) -> None:
    """Until `stopping` is set. `timeout_s`: of an attempt; `retry_for_ms`: age at which a record is given up. Raises
    what nobody foresaw; the endpoints end together then."""
    undelivered = Undelivered(settings.brokers, dead_letters_topic, idempotent=settings.committed_only)
    senders = [Sender(signed, timeout_s) for signed in endpoints]
    try:
        async with asyncio.TaskGroup() as group:
            for signed, sender in zip(endpoints, senders, strict=True):
                name = signed.endpoint.name
                deliveries = Deliveries(
                    name,
                    sender.send,
                    partial(undelivered.keep, name),
                    observer,
                    retry_for_ms=retry_for_ms,
                    now_ms=now_ms,
                )
                follower = EndpointFollower(settings, signed.endpoint, deliveries, observer)
                group.create_task(follower.run(stopping))
            group.create_task(stopping.wait())  # a process whose endpoints are all gone stays, and says so
    finally:
        for sender in senders:
            await sender.close()
        await undelivered.close()

"""Emission on a broker that does not answer: a step fails within its time limit. The producer is a stand-in."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from fraudstream.cases import emission
from fraudstream.cases.emission import PlainEmission
from fraudstream.cases.record import CaseRecord
from fraudstream.kafka import Brokers


class SilentProducer:
    """Accepts a record and never acknowledges it; cannot be closed either."""

    async def send(self, *args: Any, **kwargs: Any) -> asyncio.Future[None]:
        return asyncio.get_running_loop().create_future()

    async def stop(self) -> None:
        await asyncio.Event().wait()


async def test_a_step_fails_in_time_on_a_broker_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(emission, "TRANSACTION_S", 0.01)
    monkeypatch.setattr(emission, "CLOSE_S", 0.01)
    plain = PlainEmission(Brokers("127.0.0.1:1"))
    plain._producer = cast(Any, SilentProducer())
    with pytest.raises(TimeoutError):
        await plain.send([CaseRecord("payments", b"a", b"{}")])
    await plain.stop()

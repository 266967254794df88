"""What emission promises when a broker says nothing: it gives up in time. The producer is a stand-in."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from fraudstream.cases import emission
from fraudstream.cases.emission import PlainEmission
from fraudstream.cases.record import CaseRecord
from fraudstream.kafka import Brokers


class Silent:
    """Takes a record, and never hears of it again; nor can it be closed."""

    async def send(self, *args: Any, **kwargs: Any) -> asyncio.Future[None]:
        return asyncio.get_running_loop().create_future()

    async def stop(self) -> None:
        await asyncio.Event().wait()


async def test_a_broker_that_says_nothing_ends_a_step_instead_of_holding_it_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(emission, "TRANSACTION_S", 0.01)
    monkeypatch.setattr(emission, "CLOSE_S", 0.01)
    plain = PlainEmission(Brokers("127.0.0.1:1"))
    plain._producer = cast(Any, Silent())
    with pytest.raises(TimeoutError):
        await plain.send([CaseRecord("payments", b"a", b"{}")])
    await plain.stop()

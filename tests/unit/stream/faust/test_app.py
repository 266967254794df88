"""What the Faust app does not pass on to its stage. Faust's recovery is a stand-in."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from fraudstream.stream.faust.app import StreamApp


class App:
    """As much of `StreamApp` as the end of a recovery needs."""

    def __init__(self, in_recovery: bool = False, starts: bool = False) -> None:
        signal = asyncio.Event()
        if starts:
            signal.set()
        self.tables = SimpleNamespace(recovery=SimpleNamespace(in_recovery=in_recovery, signal_recovery_start=signal))
        self.stage = SimpleNamespace(assignment=SimpleNamespace(resume=self.resume))
        self.resumed: list[set[int]] = []

    async def resume(self, numbers: Iterable[int]) -> None:
        self.resumed.append(set(numbers))

    async def end_recovery(self) -> None:
        await StreamApp.on_changelogs_read(cast(Any, self), {0})


@pytest.mark.parametrize("next_recovery", [{"in_recovery": True}, {"starts": True}])
async def test_the_end_of_one_recovery_opens_no_partition_of_the_next(next_recovery: dict[str, bool]) -> None:
    """Faust reports the end with the partitions that it holds by then, some of which are not restored yet: opened,
    such a partition would judge its log from the beginning."""
    app = App(**next_recovery)
    await app.end_recovery()
    assert app.resumed == []


async def test_the_end_of_a_recovery_opens_its_partitions() -> None:
    app = App()
    await app.end_recovery()
    assert app.resumed == [{0}]

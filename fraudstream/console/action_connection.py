"""The console's connection to the case agent: one client, opened at the first action and again after a failure."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from aiokafka.errors import KafkaError

from fraudstream.cases.settings import AgentSettings
from fraudstream.contracts import Case, CaseAction
from fraudstream.operations.case_action_client import CaseActionClient
from fraudstream.operations.case_actions import CaseActionResult
from fraudstream.operations.cluster_access import cluster_error

ANSWER_S_MAX: Final = 10.0  # how long a form waits for the case agent

T = TypeVar("T")


class ActionConnection:
    """Acts on cases by one `CaseActionClient`. Methods raise `OperationError` alone."""

    def __init__(self, agent: AgentSettings) -> None:
        self._agent = agent
        self._client: CaseActionClient | None = None
        self._opening = asyncio.Lock()

    async def act(self, case: Case, partition: int, action: CaseAction) -> CaseActionResult:
        """`desk.PublishAction`."""
        return await self._with_client(
            partition, lambda client: client.act(case, partition, action, answer_s_max=ANSWER_S_MAX)
        )

    async def open_case(self, action: CaseAction, partition: int | None) -> tuple[Case, int]:
        """`desk.OpenCase`."""
        return await self._with_client(
            partition, lambda client: client.open_case(action, partition, answer_s_max=ANSWER_S_MAX)
        )

    async def close(self) -> None:
        """Close the client."""
        await self._drop(self._client)

    async def _with_client(self, partition: int | None, work: Callable[[CaseActionClient], Awaitable[T]]) -> T:
        client = None
        try:
            client = await self._opened(partition)
            return await work(client)
        except (KafkaError, ConnectionError, TimeoutError) as error:
            await self._drop(client)
            raise await cluster_error(self._agent.brokers, error) from error

    async def _opened(self, partition: int | None) -> CaseActionClient:
        """The client; another one if it no longer serves, or the topics have grown."""
        async with self._opening:
            kept = self._client
            if kept is not None and (kept.is_broken or not (partition is None or kept.serves(partition))):
                await self._drop(kept)
            if self._client is None:
                client = CaseActionClient(self._agent)
                await client.open()
                self._client = client
            return self._client

    async def _drop(self, client: CaseActionClient | None) -> None:
        if client is None:
            return
        if self._client is client:
            self._client = None
        await client.close()

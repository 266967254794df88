"""What the case agent knows of absences: read from time to time, and kept while Redis does not answer."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Final

from redis import RedisError

from fraudstream.cases.absences import AbsenceStore
from fraudstream.cases.policy import CasePolicy
from fraudstream.cases.redis_error_text import redis_error_text

READ_INTERVAL_S: Final = 2.0

log = logging.getLogger(__name__)


class AbsenceReader:
    """`policy`: whose queues assign cases. Until absences have been read once, everybody counts as absent: no case is
    assigned to somebody who may be away."""

    def __init__(self, store: AbsenceStore, policy: CasePolicy) -> None:
        self._store = store
        queues = [queue.assignment for queue in policy.queues if queue.assignment is not None]
        self._analysts = frozenset(name for each in queues for name in each.analysts)
        self._until_ms: Mapping[str, int] | None = None
        self._lost = False

    @property
    def is_needed(self) -> bool:
        """Whether the policy assigns cases at all."""
        return bool(self._analysts)

    def absent(self, now_ms: int) -> frozenset[str]:
        """Who is to get no case."""
        if self._until_ms is None:
            return self._analysts
        return frozenset(name for name, until_ms in self._until_ms.items() if until_ms > now_ms)

    async def read(self, now_ms: int) -> None:
        """Read the absences. If Redis does not answer, those of the last time stay."""
        try:
            self._until_ms = {each.name: each.until_ms for each in await self._store.all(now_ms)}
        except (RedisError, OSError) as error:
            if not self._lost:
                log.error("absences cannot be read: %s", redis_error_text(error))
            self._lost = True
            return
        if self._lost:
            log.warning("absences are read again")
        self._lost = False

    async def close(self) -> None:
        """Close the connections to Redis."""
        await self._store.close()

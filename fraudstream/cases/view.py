"""The view in Redis: a copy of the cases for analysts to read. It is rebuilt from the topic `cases`, which is
authoritative.

Keys, all under one prefix:
    case:<case_id>        hash: version, status, severity, account_id, assignee, partition (of `cases`, and of
                          `case-actions` for its actions), case (the whole case as JSON), accounts (one a line)
    queue                 sorted set of the cases that are not closed, by `priority.urgency`
    account:<account_id>  sorted set of the account's newest `ACCOUNT_CASES_KEPT` cases by the time they opened
    written               hash: by partition of `cases`, the offset up to which the view is complete

An older version never overwrites a newer one: Redis compares them (`_PUT`). Closed cases expire after `CLOSED_KEPT_S`,
an account's set with the last of them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any, Final

import msgspec
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from fraudstream.cases.priority import urgency
from fraudstream.cases.redis_closing import close_redis
from fraudstream.contracts import Case

PREFIX: Final = "fraudstream:cases:"
CLOSED_KEPT_S: Final = 90 * 24 * 3600
ACCOUNT_CASES_KEPT: Final = 100
PIPELINE_CASES: Final = 100
SOCKET_TIMEOUT_S: Final = 5.0

_PUT = """
local held = redis.call('HGET', KEYS[1], 'version')
if held and tonumber(held) >= tonumber(ARGV[2]) then return 0 end
-- An account leaves a case when all of its alerts are split off.
local left = redis.call('HGET', KEYS[1], 'accounts')
if left then
    for account in string.gmatch(left, '[^\\n]+') do redis.call('ZREM', ARGV[14] .. account, ARGV[1]) end
end
redis.call('HSET', KEYS[1], 'version', ARGV[2], 'status', ARGV[3], 'severity', ARGV[4], 'account_id', ARGV[5],
           'assignee', ARGV[6], 'case', ARGV[7], 'partition', ARGV[12], 'accounts', ARGV[13])
if ARGV[3] == 'closed' then
    redis.call('ZREM', KEYS[2], ARGV[1])
    redis.call('EXPIRE', KEYS[1], ARGV[10])
else
    redis.call('ZADD', KEYS[2], ARGV[8], ARGV[1])
    redis.call('PERSIST', KEYS[1])
end
for number = 3, #KEYS do
    redis.call('ZADD', KEYS[number], ARGV[9], ARGV[1])
    redis.call('ZREMRANGEBYRANK', KEYS[number], 0, -1 - ARGV[11])
    -- Once all cases of an account are closed, its set expires with the last of them.
    local is_open = false
    for _, case_id in ipairs(redis.call('ZRANGE', KEYS[number], 0, -1)) do
        if redis.call('ZSCORE', KEYS[2], case_id) then is_open = true break end
    end
    if is_open then
        redis.call('PERSIST', KEYS[number])
    else
        redis.call('EXPIRE', KEYS[number], ARGV[10])
    end
end
return 1
"""

# Also of a case whose hash has expired. The sets of its accounts are known from the hash alone.
_REMOVE = """
local found = redis.call('HMGET', KEYS[1], 'account_id', 'accounts')
redis.call('UNLINK', KEYS[1])
redis.call('ZREM', KEYS[2], ARGV[1])
if not found[1] then return 0 end
-- Records of earlier builds have no accounts.
for account in string.gmatch(found[2] or found[1], '[^\\n]+') do redis.call('ZREM', ARGV[2] .. account, ARGV[1]) end
return 1
"""

# Raises a partition's mark only if the mark is not lower than the writer believes, so that an emptied Redis does not
# count as complete.
_MARK = """
local mark = redis.call('HGET', KEYS[1], ARGV[1])
if ARGV[2] ~= '' and (not mark or tonumber(mark) < tonumber(ARGV[2])) then return 0 end
if not mark or tonumber(mark) < tonumber(ARGV[3]) then redis.call('HSET', KEYS[1], ARGV[1], ARGV[3]) end
return 1
"""


class CaseView:
    """Reads and writes the view. Methods raise `redis.RedisError` or `OSError` if Redis does not answer within
    `SOCKET_TIMEOUT_S`."""

    def __init__(self, url: str, prefix: str = PREFIX) -> None:
        self._redis = Redis.from_url(
            url,
            decode_responses=True,
            socket_timeout=SOCKET_TIMEOUT_S,
            socket_connect_timeout=SOCKET_TIMEOUT_S,
            retry=Retry(NoBackoff(), 1),  # for a stale connection of the pool; the writer retries for longer
        )
        self._prefix = prefix

    async def queue(self, limit: int) -> list[Case]:
        """The cases that are not closed, the most urgent first."""
        return await self._cases(await self._highest("queue", limit))

    async def case(self, case_id: str) -> Case | None:
        """One case, or None if the view does not have it."""
        return next(iter(await self._cases([case_id])), None)

    async def ids_beginning(self, prefix: str, limit: int) -> list[str]:
        """The ids of cases that begin with `prefix`, sorted; at most `limit`. The prefix holds hexadecimal digits only.

        Looks at every key of the Redis: some tenths of a second for a million cases.
        """
        assert set(prefix) <= set("0123456789abcdef"), f"not a prefix of a case id: {prefix!r}"
        begin, found = self._key("case:"), set[str]()
        async for key in self._redis.scan_iter(match=f"{begin}{prefix}*", count=10_000):
            found.add(key.removeprefix(begin))
            if len(found) == limit:
                break
        return sorted(found)

    async def partition_of(self, case_id: str) -> int | None:
        """The partition of `case-actions` where an action on this case belongs."""
        found = await self._redis.hget(self._key(f"case:{case_id}"), "partition")
        return None if found is None else int(found)

    async def of_account(self, account_id: str) -> list[Case]:
        """The newest cases of an account, the newest first."""
        return await self._cases(await self._highest(f"account:{account_id}", ACCOUNT_CASES_KEPT))

    async def put(self, partition: int, cases: Sequence[Case]) -> None:
        """Write cases of a partition of `cases`, unless the view has the same or a newer version of them."""
        for first in range(0, len(cases), PIPELINE_CASES):
            async with self._redis.pipeline(transaction=False) as pipeline:
                for case in cases[first : first + PIPELINE_CASES]:
                    self._queue_put(pipeline, partition, case)
                await pipeline.execute()

    async def put_all(self, partition: int, cases: AsyncIterator[Case]) -> None:
        """Write all `cases`, `PIPELINE_CASES` at a time."""
        waiting: list[Case] = []
        async for case in cases:
            waiting.append(case)
            if len(waiting) == PIPELINE_CASES:
                await self.put(partition, waiting)
                waiting.clear()
        await self.put(partition, waiting)

    async def remove(self, case_ids: Sequence[str]) -> int:
        """Remove cases that have left; returns how many of them the view had."""
        removed = 0
        for first in range(0, len(case_ids), PIPELINE_CASES):
            async with self._redis.pipeline(transaction=False) as pipeline:
                for case_id in case_ids[first : first + PIPELINE_CASES]:
                    keys = (self._key(f"case:{case_id}"), self._key("queue"))
                    pipeline.eval(_REMOVE, len(keys), *keys, case_id, self._key("account:"))
                removed += sum(await pipeline.execute())
        return removed

    async def ids_of_account(self, account_id: str) -> list[str]:
        """The ids of the cases that the view holds under an account."""
        return [str(each) for each in await self._redis.zrange(self._key(f"account:{account_id}"), 0, -1)]

    async def remove_account(self, account_id: str) -> None:
        """Remove the list of an account's cases."""
        await self._redis.unlink(self._key(f"account:{account_id}"))

    async def marks(self) -> dict[int, int]:
        """By partition, the offset in `cases` up to which the view is complete."""
        found = await self._redis.hgetall(self._key("written"))
        return {int(partition): int(offset) for partition, offset in found.items()}

    async def mark(self, partition: int, believed: int | None, offset: int) -> bool:
        """Raise the partition's mark to `offset`. False, and no change, if the mark is below what the writer
        `believed`: then the view has lost data."""
        arguments = (partition, "" if believed is None else believed, offset)
        return bool(await self._redis.eval(_MARK, 1, self._key("written"), *arguments))

    async def clear(self) -> None:
        """Empty the view, marks first, so that the writers notice and rebuild their partitions."""
        await self._redis.delete(self._key("written"))
        batch: list[str] = []
        async for key in self._redis.scan_iter(match=f"{self._prefix}*", count=1000):
            batch.append(key)
            if len(batch) == 1000:
                await self._redis.unlink(*batch)
                batch.clear()
        if batch:
            await self._redis.unlink(*batch)

    async def close(self) -> None:
        """Close the connections to Redis."""
        await close_redis(self._redis)

    def _key(self, name: str) -> str:
        return self._prefix + name

    def _queue_put(self, pipeline: Any, partition: int, case: Case) -> None:
        sets = [self._key(f"account:{account_id}") for account_id in case.accounts]
        keys = (self._key(f"case:{case.case_id}"), self._key("queue"), *sets)
        pipeline.eval(
            _PUT,
            len(keys),
            *keys,
            case.case_id,
            case.version,
            case.status,
            case.severity,
            case.account_id,
            case.assignee or "",
            msgspec.json.encode(case),
            urgency(case),
            case.opened_at_ms,
            CLOSED_KEPT_S,
            ACCOUNT_CASES_KEPT,
            partition,
            "\n".join(case.accounts),
            self._key("account:"),
        )

    async def _highest(self, name: str, limit: int) -> list[str]:
        return [str(member) for member in await self._redis.zrevrange(self._key(name), 0, limit - 1)]

    async def _cases(self, case_ids: Iterable[str]) -> list[Case]:
        async with self._redis.pipeline(transaction=False) as pipeline:
            for case_id in case_ids:
                pipeline.hget(self._key(f"case:{case_id}"), "case")
            found = await pipeline.execute()
        return [msgspec.json.decode(text, type=Case) for text in found if text is not None]

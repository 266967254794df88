"""The checks of `fraudstream doctor` in Redis: reachable, what it does when memory is full, whether it keeps data."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from fraudstream.cli.failure import Failure
from fraudstream.operations.doctor.finding import Finding

if TYPE_CHECKING:
    from redis.asyncio import Redis

CHECK: Final = "redis"
ANSWER_S_MAX: Final = 5.0
CLOCK_MS_MAX: Final = 5_000
MEMORY_SHARE_MAX: Final = 0.8


def redis_findings(url: str) -> list[Finding]:
    """Ask the Redis at `url`. Raises `Failure` for an invalid URL."""
    return asyncio.run(_findings(url))


async def _findings(url: str) -> list[Finding]:
    from redis import RedisError
    from redis.asyncio import Redis

    from fraudstream.cases.redis_closing import close_redis
    from fraudstream.cases.redis_error_text import redis_fault

    try:
        client = Redis.from_url(url, socket_timeout=ANSWER_S_MAX, socket_connect_timeout=ANSWER_S_MAX)
    except ValueError as error:
        raise Failure(f"redis.url: {error}.") from error
    try:
        return await _asked(client)
    except (RedisError, OSError) as error:
        what, remedy = redis_fault(error)
        return [Finding(CHECK, "error", "redis.url", what, remedy or "see its log")]
    finally:
        await close_redis(client)


async def _asked(client: Redis) -> list[Finding]:
    before_ms = time.time_ns() // 1_000_000
    seconds, microseconds = await client.time()
    after_ms = time.time_ns() // 1_000_000
    info: Mapping[str, Any] = await client.info()
    findings = [*_memory(info), *_persistence(info)]
    off_ms = _off(seconds * 1000 + microseconds // 1000, before_ms, after_ms)
    if off_ms > CLOCK_MS_MAX:
        what = f"its clock is {off_ms / 1000:.0f} s off this machine's"
        findings.append(Finding(CHECK, "error", "redis.url", what, "set both clocks by NTP"))
    if not findings:
        what = f"version {info['redis_version']}, evicts nothing, keeps its data on disk"
        findings.append(Finding(CHECK, "ok", "redis.url", what))
    return findings


def _off(their_ms: int, before_ms: int, after_ms: int) -> int:
    """How far their time is outside the span in which it was asked for."""
    return max(0, before_ms - their_ms, their_ms - after_ms)


def _memory(info: Mapping[str, Any]) -> list[Finding]:
    policy, limit = info.get("maxmemory_policy", "noeviction"), int(info.get("maxmemory", 0))
    findings = []
    if policy != "noeviction":
        what = f"maxmemory-policy is {policy}: when memory is full, cases, users and sessions disappear"
        findings.append(Finding(CHECK, "error", "redis.url", what, "maxmemory-policy noeviction"))
    if limit and (share := int(info["used_memory"]) / limit) > MEMORY_SHARE_MAX:
        what = f"{share:.0%} of maxmemory is used"
        findings.append(Finding(CHECK, "warning", "redis.url", what, "more memory, or cases.retention_days"))
    return findings


def _persistence(info: Mapping[str, Any]) -> list[Finding]:
    if info.get("rdb_last_bgsave_status", "ok") != "ok" or info.get("aof_last_write_status", "ok") != "ok":
        what = "its last write to disk failed"
        return [Finding(CHECK, "error", "redis.url", what, "look at its log and its disk")]
    if not int(info.get("aof_enabled", 0)):
        what = "appendonly is off: a restart loses the console's users, sessions and saved views since the last save"
        return [Finding(CHECK, "warning", "redis.url", what, "appendonly yes (the view of cases is rebuilt by itself)")]
    return []

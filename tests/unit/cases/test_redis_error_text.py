"""What is said of a Redis that cannot be used: where it is, why, and what to do. The other sides are real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from redis import RedisError
from redis.asyncio import Redis

from fraudstream.cases.redis_error_text import redis_error_text

SEE = "see that it is up and that redis.url is right"
Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def said_of(url: str) -> str:
    """The sentence on what a request to `url` raises."""
    redis = Redis.from_url(url, socket_timeout=0.5, socket_connect_timeout=5)
    try:
        await redis.ping()
    except (RedisError, OSError) as error:
        return redis_error_text(error)
    finally:
        await redis.aclose()
    raise AssertionError("it answers")


@asynccontextmanager
async def answering(answer: Answer) -> AsyncIterator[str]:
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()


async def test_where_nothing_listens_the_address_and_the_reason_are_named() -> None:
    assert await said_of("redis://127.0.0.1:1") == f"no Redis answers at 127.0.0.1:1 (Connection refused): {SEE}"
    nowhere = "unix:///nowhere/redis.sock"
    assert await said_of(nowhere) == f"no Redis answers at /nowhere/redis.sock (No such file or directory): {SEE}"


async def test_a_redis_that_is_silent_and_one_that_hangs_up_are_told_apart() -> None:
    ended = asyncio.Event()

    async def silent(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await ended.wait()
        writer.close()

    async def hanging_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with answering(silent) as address:
        assert await said_of(f"redis://{address}") == f"Redis at {address} does not answer in time: {SEE}"
        ended.set()
    async with answering(hanging_up) as address:
        assert "closed the connection" in await said_of(f"redis://{address}")


async def test_another_server_is_not_taken_for_redis() -> None:
    async def web(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()

    async with answering(web) as address:
        assert await said_of(f"redis://{address}") == "what answers there is no Redis: set redis.url"
        assert "(TLS: " in await said_of(f"rediss://{address}")


@pytest.mark.parametrize("text", ["LOADING Redis is loading the dataset in memory", "OOM command not allowed."])
def test_what_redis_says_itself_is_passed_on(text: str) -> None:
    assert redis_error_text(RedisError(text)) == text.rstrip(".")

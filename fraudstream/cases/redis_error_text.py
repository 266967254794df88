"""Errors of Redis, or of the connection to it, in words for its administrator."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from redis import AuthenticationError, InvalidResponse, RedisError
from redis import ConnectionError as RedisConnectionError
from redis import TimeoutError as RedisTimeoutError

from fraudstream.contracts.error_text import system_error_text

# How servers of various versions begin their answer to a client without, or with a wrong, password.
_UNAUTHENTICATED: Final = ("NOAUTH", "WRONGPASS", "HELLO must be called", "Authentication required", "invalid password")
_ADDRESS: Final = re.compile(r"(?:connecting to|reading from) (\S*[:/]\S*?)\.?(?: |$)")
_CLOSED: Final = re.compile(r"Connection closed|Error while reading|Error \d+ while writing")
_SEE: Final = "see that it is up and that redis.url is right"


class RedisFault(NamedTuple):
    """`what`: what is wrong, and where; `remedy`: what to do, "" where the error itself says it."""

    what: str
    remedy: str


def redis_error_text(error: RedisError | OSError) -> str:
    """What is wrong, where, and what to do, without a full stop.

    >>> redis_error_text(RedisError("NOAUTH HELLO must be called with the client already authenticated"))
    'authentication failed: set redis.password_file, or give user and password in redis.url'
    >>> redis_error_text(RedisTimeoutError("Timeout reading from db:6379"))
    'Redis at db:6379 does not answer in time: see that it is up and that redis.url is right'
    """
    what, remedy = redis_fault(error)
    return f"{what}: {remedy}" if remedy else what


def redis_fault(error: RedisError | OSError) -> RedisFault:
    """The same in two parts. redis-py puts number and address of a failed connection into the text of its error, and
    the system's error behind it.

    >>> redis_fault(TimeoutError()).what
    'Redis does not answer in time'
    """
    text = str(error).rstrip(".")
    if isinstance(error, AuthenticationError) or any(word in text for word in _UNAUTHENTICATED):
        return RedisFault("authentication failed", "set redis.password_file, or give user and password in redis.url")
    found = _ADDRESS.search(text)
    at = "" if found is None else f" at {found[1]}"
    if isinstance(error, RedisTimeoutError | TimeoutError):
        return RedisFault(f"Redis{at} does not answer in time", _SEE)
    if isinstance(error, InvalidResponse):
        return RedisFault("what answers there is no Redis", "set redis.url")
    if isinstance(error, RedisConnectionError) and _CLOSED.match(text):
        return RedisFault(f"Redis{at} closed the connection", _SEE)
    cause = error if isinstance(error, OSError) else error.__cause__ or error.__context__
    if isinstance(cause, OSError):
        return RedisFault(f"no Redis answers{at} ({system_error_text(cause)})", _SEE)
    return RedisFault(text or "Redis refuses the request", "")

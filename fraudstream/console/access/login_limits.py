"""Limits on log-ins that fail, counted in Redis within windows of `WINDOW_S`.

Counts are kept for a name from one address, for an address, and for a name. The first is low, so that passwords cannot
be tried; the last is high, so that a stranger who fails on purpose does not lock out an analyst at another address.
"""

from __future__ import annotations

import hashlib
import ipaddress
from typing import Final

from redis.asyncio import Redis

from fraudstream.console.access import PREFIX

WINDOW_S: Final = 15 * 60
OF_NAME_AND_ADDRESS_MAX: Final = 5
OF_ADDRESS_MAX: Final = 30
OF_NAME_MAX: Final = 100

# Counts the attempt before the password is checked, so that attempts at the same time cannot all pass.
_COUNT = """
local wait = 0
for i, key in ipairs(KEYS) do
    local count = redis.call('INCR', key)
    if count == 1 then redis.call('EXPIRE', key, ARGV[1]) end
    if count > tonumber(ARGV[i + 1]) then wait = math.max(wait, redis.call('TTL', key), 1) end
end
return wait
"""

# A counter that has expired in the meantime stays away.
_TAKE_BACK = """
redis.call('DEL', KEYS[1])
for i = 2, #KEYS do
    if redis.call('EXISTS', KEYS[i]) == 1 then redis.call('DECR', KEYS[i]) end
end
"""


class LoginLimits:
    """Counts attempts to log in. Methods raise `redis.RedisError` or `OSError` if Redis does not answer."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def count_attempt(self, name: str, address: str) -> int:
        """Count an attempt; returns for how many seconds no further one is allowed, 0 if this one is."""
        limits = (WINDOW_S, OF_NAME_AND_ADDRESS_MAX, OF_ADDRESS_MAX, OF_NAME_MAX)
        keys = _keys(name, address)
        return int(await self._redis.eval(_COUNT, len(keys), *keys, *limits))

    async def forget_attempt(self, name: str, address: str) -> None:
        """Take the last attempt back, since it succeeded, and those of the name from this address."""
        keys = _keys(name, address)
        await self._redis.eval(_TAKE_BACK, len(keys), *keys)


def _keys(name: str, address: str) -> list[str]:
    place = _network(address)
    return [_key("name-address", f"{name}\0{place}"), _key("address", place), _key("name", name)]


def _key(kind: str, text: str) -> str:
    """The key of a counter. A digest, as names may be of any length."""
    return f"{PREFIX}attempts:{kind}:{hashlib.sha256(text.encode(errors='replace')).hexdigest()[:32]}"


def _network(address: str) -> str:
    """What counts as one address: of IPv6 the first 64 bits, since a host has all addresses below them.

    >>> _network("203.0.113.9"), _network("2001:db8:1:2:3::4")
    ('203.0.113.9', '2001:db8:1:2::')
    """
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 4:
        return str(parsed)
    return str(ipaddress.ip_network(f"{parsed}/64", strict=False).network_address)

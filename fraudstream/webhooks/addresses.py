"""Where webhooks may go: the rule against requests to internal services (SSRF), applied to addresses, not to names.

The address is checked where the connection is made, so a name that resolves to another address later is no way round.
Redirects are not followed.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence

from aiohttp import ThreadedResolver
from aiohttp.abc import AbstractResolver, ResolveResult


class ForbiddenAddressError(OSError):
    """No address of a host may be sent to; the message is a sentence."""


def may_send_to(address: str, *, private: bool, loopback: bool) -> bool:
    """Whether webhooks may go to an IP address. `private`: to addresses that are not public; `loopback`: to this
    machine. Link-local addresses, where clouds have the credentials of machines, never are.

    >>> may_send_to("10.0.0.7", private=False, loopback=False), may_send_to("10.0.0.7", private=True, loopback=False)
    (False, True)
    >>> may_send_to("169.254.169.254", private=True, loopback=True), may_send_to("::1", private=True, loopback=False)
    (False, False)
    """
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        # An IPv4 address in another notation: mapped, 6to4 and NAT64 addresses lead to it.
        inner = found.ipv4_mapped or found.sixtofour or _nat64(found)
        if inner is not None:
            return may_send_to(str(inner), private=private, loopback=loopback)
    if found.is_loopback:
        return loopback
    if found.is_link_local or found.is_multicast or found.is_unspecified or found.is_reserved:
        return False
    return private or found.is_global


def _nat64(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if address not in ipaddress.ip_network("64:ff9b::/96"):
        return None
    return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)


class CheckedResolver(AbstractResolver):
    """Resolves a name to those of its addresses that webhooks may go to. `resolver`: asks for them."""

    def __init__(self, *, private: bool, loopback: bool, resolver: AbstractResolver | None = None) -> None:
        self._private, self._loopback = private, loopback
        self._resolver = resolver or ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses. Raises `ForbiddenAddressError` if there are none that webhooks may go to."""
        found = await self._resolver.resolve(host, port, family)
        allowed = [each for each in found if self._allows(each["host"])]
        if not allowed:
            raise ForbiddenAddressError(f"{host} has the address {_listed(found)}, where webhooks may not go")
        return allowed

    async def close(self) -> None:
        """Release the resolver."""
        await self._resolver.close()

    def _allows(self, address: str) -> bool:
        return may_send_to(address, private=self._private, loopback=self._loopback)


def _listed(found: Sequence[ResolveResult]) -> str:
    return ", ".join(each["host"] for each in found)

"""IP addresses and networks in CIDR form, and which networks an address is in.

An IPv4 address written as IPv6 (`::ffff:10.1.2.3`) counts as the IPv4 address: dual-stack servers log it that way.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final, NamedTuple

_ADDRESSES_CACHED: Final = 1 << 16
_BITS: Final[Mapping[int, int]] = {4: 32, 6: 128}
_PREFIX = re.compile(r"[^/]+/[0-9]{1,3}")


class Address(NamedTuple):
    """An address as a number. `version`: 4 or 6."""

    version: int
    number: int


class Network(NamedTuple):
    """The addresses whose first `prefix` bits are those of `number`. `version`: 4 or 6."""

    version: int
    prefix: int
    number: int


@lru_cache(_ADDRESSES_CACHED)
def parse_address(text: str) -> Address | None:
    """The address that a text is; None if it is not one.

    >>> parse_address("10.0.0.1"), parse_address("::ffff:10.0.0.1"), parse_address("10.0.0.1:443")
    (Address(version=4, number=167772161), Address(version=4, number=167772161), None)
    """
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return Address(4, int(address.ipv4_mapped))
    return Address(address.version, int(address))


def network_text(text: str) -> str:
    """A network in canonical form, such as `10.0.0.0/8`; a single address becomes a network of one address.

    Raises `ValueError` with a sentence that says what to write instead.

    >>> network_text("2001:DB8::/32"), network_text("203.0.113.7")
    ('2001:db8::/32', '203.0.113.7/32')
    >>> network_text("10.1.2.3/8")
    Traceback (most recent call last):
    ValueError: '10.1.2.3/8' has bits set beyond its prefix: write '10.0.0.0/8', or '10.1.2.3/32' for that address.
    """
    if "/" in text and not _PREFIX.fullmatch(text):
        meant = _network_of(text)
        raise ValueError(_not_one(text) if meant is None else f"'{text[:64]}' is not in CIDR form: write '{meant}'.")
    network = _network_of(text)
    if network is None:
        raise ValueError(_not_one(text))
    address = ipaddress.ip_address(text.partition("/")[0])
    if address != network.network_address:
        alone = f"{address}/{address.max_prefixlen}"
        raise ValueError(f"'{text}' has bits set beyond its prefix: write '{network}', or '{alone}' for that address.")
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    if mapped is not None:
        raise ValueError(
            f"'{text}' holds IPv4 addresses written as IPv6, which count as IPv4: write "
            f"'{mapped}/{max(0, network.prefixlen - 96)}'."
        )
    return str(network)


def parse_network(text: str) -> Network:
    """The network that a text in CIDR form is. Raises `ValueError` as `network_text` does."""
    network = ipaddress.ip_network(network_text(text))
    return Network(network.version, network.prefixlen, int(network.network_address))


def networks_around(address: Address) -> list[str]:
    """Every network that holds the address, as `network_text` gives it."""
    make = ipaddress.IPv4Network if address.version == 4 else ipaddress.IPv6Network
    return [str(make((address.number, prefix), strict=False)) for prefix in range(_BITS[address.version] + 1)]


class NetworkTable:
    """Until when each of some networks applies, ms since the epoch, to look up addresses."""

    def __init__(self, until_ms: Mapping[Network, int]) -> None:
        self._by_prefix: dict[tuple[int, int], dict[int, int]] = {}
        for (version, prefix, number), until in until_ms.items():
            shift = _BITS[version] - prefix
            self._by_prefix.setdefault((version, shift), {})[number >> shift] = until

    def until_ms(self, address: Address) -> int:
        """The latest end among the networks that hold the address; 0 if none does."""
        found = 0
        for (version, shift), until_of in self._by_prefix.items():
            if version == address.version:
                found = max(found, until_of.get(address.number >> shift, 0))
        return found


def table_of(until_ms: Mapping[str, int]) -> NetworkTable:
    """The networks among some texts, each with its end; other texts are left out."""
    found: dict[Network, int] = {}
    for text, until in until_ms.items():
        try:
            network = parse_network(text)
        except ValueError:
            continue
        found[network] = max(until, found.get(network, 0))
    return NetworkTable(found)


def _network_of(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    """The network that a text means, bits beyond its prefix cut off; None if it is none."""
    try:
        return None if "%" in text else ipaddress.ip_network(text, strict=False)  # a zone is local to one host
    except ValueError:
        return None


def _not_one(text: str) -> str:
    return f"'{text[:64]}' is not a network in CIDR form, such as '10.0.0.0/8' or '2001:db8::/32'."

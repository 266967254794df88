"""The network of one or several accounts: others that have used the same device, IP address, counterparty, terminal or
merchant.

Two hops: from the accounts over what they used to other ones, and from these over what they used to further ones. What
many accounts use, such as a large merchant, links nobody and is left out. Everything has a cap: the values that the
fewest accounts share come first, and each of them in turn adds an account.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Final, NamedTuple, Protocol

from fraudstream.history.answers import Link, LinkedAccount
from fraudstream.history.tables import LinkKind

SHARED_MAX: Final = 50  # accounts; a value that more have used links nobody
VALUES_MAX: Final = (10, 8)  # of the first and second hop
ACCOUNTS_MAX: Final = (14, 12)

Value = tuple[LinkKind, str]


class LinkSource(Protocol):
    """Where links come from; `HistoryReader` is one."""

    def links(self, accounts: Sequence[str], *, since_ms: int, limit_s: float) -> Mapping[str, Sequence[Link]]:
        """What each account has used."""

    def users(
        self, values: Sequence[Value], *, since_ms: int, rows: int, limit_s: float
    ) -> Mapping[Value, Sequence[LinkedAccount]]:
        """The accounts that have used each value."""


class Hop(NamedTuple):
    """Values, the accounts that they lead to, and who used which value. Accounts of `edges` may be of earlier hops."""

    values: tuple[Value, ...]
    accounts: tuple[str, ...]
    edges: tuple[tuple[str, Value], ...]


class Network(NamedTuple):
    """`accounts`: whose network it is. `used`: all that they have used, the value of the fewest accounts first; what
    several of them have used is there for each. `hops`: at most two; none if nothing is shared. `is_capped`: there is
    more than is here."""

    accounts: tuple[str, ...]
    used: tuple[Link, ...]
    hops: tuple[Hop, ...]
    is_capped: bool


def network_of(source: LinkSource, accounts: Sequence[str], *, since_ms: int, limit_s: float) -> Network:
    """The network of some accounts since the day of a time. Raises what `source` raises."""
    by_account = source.links(accounts, since_ms=since_ms, limit_s=limit_s)
    used = sorted((link for links in by_account.values() for link in links), key=_by_accounts)
    hops: list[Hop] = []
    known_accounts, known_values, is_capped = set(accounts), set[Value](), False
    for values_max, accounts_max in zip(VALUES_MAX, ACCOUNTS_MAX, strict=True):
        if hops:
            reached = hops[-1].accounts
            by_account = source.links(reached, since_ms=since_ms, limit_s=limit_s) if reached else {}
        found = {(link.kind, link.value): link for links in by_account.values() for link in links}
        shared = [link for value, link in found.items() if value not in known_values and _links_somebody(link)]
        chosen = sorted(shared, key=_by_accounts)[:values_max]
        if not chosen:
            break
        values = [(link.kind, link.value) for link in chosen]
        users = source.users(values, since_ms=since_ms, rows=SHARED_MAX, limit_s=limit_s)
        in_turn = (user for rank in zip_longest(*(users[value] for value in values)) for user in rank if user)
        new = dict.fromkeys(user.account_id for user in in_turn if user.account_id not in known_accounts)
        reached = tuple(new)[:accounts_max]
        is_capped = is_capped or len(shared) > len(chosen) or len(new) > len(reached)
        known_accounts.update(reached)
        known_values.update(values)
        edges = [(user.account_id, value) for value in values for user in users[value]]
        hops.append(Hop(tuple(values), reached, tuple(edge for edge in edges if edge[0] in known_accounts)))
    return Network(tuple(accounts), tuple(used), tuple(hops), is_capped)


def _links_somebody(link: Link) -> bool:
    return 2 <= link.accounts <= SHARED_MAX


def _by_accounts(link: Link) -> tuple[int, str, str]:
    return link.accounts, link.kind, link.value

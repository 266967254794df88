"""The types of the expression language, and the payment fields every expression may read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Final, NamedTuple, get_args

from fraudstream.contracts.fields import Channel, Direction, Kind


class Type(Enum):
    """What a value is. The value of each member is how sentences name it."""

    BOOL = "true or false"
    NUMBER = "a plain number"
    MONEY = "an amount of money"  # float64 minor units of the payment's currency
    DURATION = "a duration"  # float64 milliseconds
    TEXT = "text"  # compared by digest; nothing but == != in


Symbols = Mapping[str, Type]


class Origin(NamedTuple):
    """Where an expression's text starts in its file; `line` and `column` count from 1."""

    path: str
    line: int = 1
    column: int = 1


NETWORKS: Final = "ip_network"


@dataclass(frozen=True, slots=True)
class ValueList:
    """A list that `lists.yaml` declares: values of the payment field `of`, or networks that `ip` is in (`NETWORKS`).

    `kind`: allow, deny or watch.
    """

    of: str
    kind: str
    description: str

    @property
    def holds_networks(self) -> bool:
        """Whether its entries are networks in CIDR form."""
        return self.of == NETWORKS

    @property
    def field(self) -> str:
        """The payment field that is looked up in it."""
        return "ip" if self.holds_networks else self.of


ValueLists = Mapping[str, ValueList]


PAYMENT_FIELDS: Symbols = MappingProxyType(
    {
        "amount": Type.MONEY,
        "balance_before": Type.MONEY,
        "balance_after": Type.MONEY,
        "currency": Type.TEXT,
        "direction": Type.TEXT,
        "kind": Type.TEXT,
        "channel": Type.TEXT,
        "partner_id": Type.TEXT,
        "merchant_id": Type.TEXT,
        "mcc": Type.TEXT,
        "terminal_id": Type.TEXT,
        "counterparty_id": Type.TEXT,
        "counterparty_bank": Type.TEXT,
        "device_id": Type.TEXT,
        "ip": Type.TEXT,
        "country": Type.TEXT,
        "lat": Type.NUMBER,
        "lon": Type.NUMBER,
        "card_present": Type.BOOL,
        "hour": Type.NUMBER,  # 0 to 23, UTC
        "weekday": Type.NUMBER,  # Monday = 0, UTC
        "account_id": Type.TEXT,  # the last: keys of features are numbered in this order
    }
)

# Text fields that hold one of a few words.
WORDS_OF: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"direction": get_args(Direction), "kind": get_args(Kind), "channel": get_args(Channel)}
)

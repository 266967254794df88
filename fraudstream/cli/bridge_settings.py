"""[bridge] and [cards]: a bank's topic of messages, and what becomes of card numbers."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta


class BridgeSection(msgspec.Struct, frozen=True):
    """[bridge]"""

    source_topic: Annotated[
        Annotated[str, Meta(pattern="^[A-Za-z0-9._-]{1,249}$")] | None,
        Meta(description="topic of the bank's messages"),
    ] = None
    group: Annotated[
        str,
        Meta(
            pattern="^[A-Za-z0-9._-]{1,100}$",
            description="consumer group of bridges, which share the partitions; first part of their transactional ids",
        ),
    ] = "fraudstream-bridge"


class CardsSettings(msgspec.Struct, frozen=True):
    """[cards]"""

    numbers: Annotated[
        Literal["keyed", "token", "clear"],
        Meta(
            description=(
                "what payments have in place of a card number: keyed: an identifier under the secret; token: the "
                "message holds the bank's token, and what may be a card number is refused; clear: the card number "
                "itself, where the cluster may hold it"
            )
        ),
    ] = "keyed"
    secret_file: Annotated[
        Annotated[str, Meta(min_length=1)] | None,
        Meta(description="file that holds the secret for keyed identifiers of cards: 16 bytes or more"),
    ] = None

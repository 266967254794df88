"""The typologies of fraud that a case may be closed with: those of docs/typologies.md, and `other`."""

from __future__ import annotations

from typing import Final, Literal, get_args

Typology = Literal[
    "account_takeover",
    "card_testing",
    "impossible_travel",
    "mule",
    "structuring",
    "dormant",
    "partner",
    "new_payee",
    "cash_out",
    "lending",
    "wealth",
    "merchant_bust_out",
    "other",
]

TYPOLOGIES: Final[tuple[Typology, ...]] = get_args(Typology)

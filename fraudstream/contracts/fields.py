"""The constrained field types of the contracts: identifiers, codes, amounts and times, as written in JSON."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final, Literal, get_args

from msgspec import Meta

from fraudstream.contracts.country import COUNTRIES
from fraudstream.contracts.currency import EXPONENTS

__all__ = [
    "SEVERITIES",
    "AmountText",
    "Attributes",
    "BalanceText",
    "Bic",
    "Channel",
    "CountryCode",
    "CurrencyCode",
    "Direction",
    "Identifier",
    "Kind",
    "LabelName",
    "Latitude",
    "Longitude",
    "MccCode",
    "Moment",
    "Outcome",
    "Severity",
    "Sha256",
    "Tag",
    "Text",
]

# No control characters: identifiers become Kafka keys, file columns and log lines. The pattern is in the JSON Schema
# only: msgspec's own check takes 300 ns a field, more than all the decoding (see `control_character_path`).
Identifier = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=128,
        description="Opaque, 1 to 128 characters, no control characters.",
        extra_json_schema={"pattern": r"^[^\u0000-\u001F\u007F-\u009F]*$"},
    ),
]
Text = Annotated[str, Meta(max_length=4096)]
Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$", description="SHA-256, hexadecimal.")]
Tag = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=32,
        pattern=r"^[^\s\u0000-\u001F\u007F-\u009F]+$",
        description="1 to 32 characters, without spaces and control characters.",
    ),
]
AmountText = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=24,
        description="Decimal string in major units, not negative, no more decimals than the currency has: '12.50'.",
        extra_json_schema={"pattern": r"^[0-9]+(\.[0-9]+)?$"},
    ),
]
BalanceText = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=24,
        description="Decimal string in major units, negative when overdrawn: '-12.50'.",
        extra_json_schema={"pattern": r"^-?[0-9]+(\.[0-9]+)?$"},
    ),
]
CurrencyCode = Annotated[
    str,
    Meta(
        min_length=3,
        max_length=3,
        description="ISO 4217 alphabetic code, upper case.",
        extra_json_schema={"enum": sorted(EXPONENTS)},
    ),
]
CountryCode = Annotated[
    str,
    Meta(
        min_length=2,
        max_length=2,
        description="ISO 3166-1 alpha-2 code, upper case, or XK for Kosovo.",
        extra_json_schema={"enum": sorted(COUNTRIES)},
    ),
]
MccCode = Annotated[
    str,
    Meta(
        min_length=4,
        max_length=4,
        description="ISO 18245 merchant category code: four digits.",
        extra_json_schema={"pattern": "^[0-9]{4}$"},
    ),
]
Bic = Annotated[str, Meta(min_length=1, max_length=35, description="BIC or national bank code.")]
Latitude = Annotated[float, Meta(ge=-90, le=90)]
Longitude = Annotated[float, Meta(ge=-180, le=180)]
Moment = Annotated[
    int | Annotated[datetime, Meta(tz=True)],
    Meta(description="RFC 3339 date-time with zone, or integer milliseconds since the epoch, UTC."),
]
Attributes = Annotated[
    dict[
        Annotated[str, Meta(min_length=1, max_length=64)],
        Annotated[str, Meta(max_length=1024)] | int | float | bool,
    ],
    Meta(max_length=64, description="Fields that a bank adds: at most 64 names, each with a text, number or flag."),
]

Direction = Literal["debit", "credit"]  # seen from the account: debit leaves it, credit enters it (ISO 20022 CdtDbtInd)
Kind = Literal[
    "purchase",
    "transfer",
    "cash_withdrawal",
    "cash_deposit",
    "bill_payment",
    "loan_drawdown",
    "loan_repayment",
    "wealth_subscription",
    "wealth_redemption",
    "refund",
    "fee",
    "reversal",  # takes back the payment in `relates_to`
    "capture",  # completes the authorisation in `relates_to`
]
Channel = Literal["app", "web", "branch", "atm", "pos", "phone", "partner"]
Outcome = Literal["allow", "review", "block"]
Severity = Literal["low", "medium", "high", "critical"]
SEVERITIES: Final[tuple[Severity, ...]] = get_args(Severity)  # in ascending order
LabelName = Literal["fraud", "genuine"]

"""An alert that has an identifier in every text that a page or a report shows."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from fraudstream.contracts import Alert, Evidence, FeatureValue, Payment, RuleHit, ScorePart
from tests.unit.cases.events import alert

SECRETS: Final = {
    "account_id": "DE02120300000000202051",
    "counterparty_id": "4929-1111-2222-3333",
    "device_id": "device-77aa88bb",
    "ip": "203.0.113.77",
    "attributes": "Erika Mustermann",
}
CARD_NUMBER: Final = 4_929_555_566_667_777  # in an attribute


def revealing(secret: str) -> Alert:
    """An alert that has `secret` in every text that a page shows."""
    evidence = (
        Evidence(f"left {secret}", "is", f"right {secret}", secret, f"({secret})"),
        Evidence("amount", ">", "5", "8.0", f"{secret}"),
    )
    hit = RuleHit("takeover/x", "id", f"Title {secret}", "high", f"to {secret}.", evidence)
    payment = Payment(
        *("e-1", 1_772_625_600_000, SECRETS["account_id"], "10.00", "EUR", "debit"),
        counterparty_id=SECRETS["counterparty_id"],
        device_id=SECRETS["device_id"],
        ip=SECRETS["ip"],
        attributes={"name": SECRETS["attributes"], "card": CARD_NUMBER, "steps": 3, "agreed": True},
    )
    return replace(
        alert("a1"),
        account_id=SECRETS["account_id"],
        payment=payment,
        rules=(hit,),
        score_parts=(ScorePart(f"part {secret}", 0.25, 1.0, secret, f"[{secret}]"),),
        features=(FeatureValue("account.amount_mean_30d", f"{secret} EUR"),),
    )

"""The frauds, one function a typology: how a thief, a mule or a crooked merchant uses an account from `at_ms` on."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from fraudstream.generator.habits import PARTNERS
from fraudstream.generator.places import FAR, TOWNS
from fraudstream.generator.population import Population
from fraudstream.generator.row import HOUR_MS, MINUTE_MS, Pen, Row

ONLINE = len(TOWNS)


def account_takeover(pen: Pen, at_ms: float) -> None:
    """From a new device far away: a small try, then the balance in a few transfers to one stranger."""
    thief, stranger = pen.foreign(TOWNS[int(pen.rng.choice(FAR))].country), pen.stranger()
    pen.write(at_ms, pen.between(1, 15), kind="transfer", channel="app", counterparty_id=stranger, **thief)
    for _ in range(pen.count(2, 4)):
        at_ms += pen.between(2, 12) * MINUTE_MS
        euro = pen.between(700, 2_400)
        pen.write(at_ms, euro, kind="transfer", channel="app", counterparty_id=stranger, **thief)


def card_testing(pen: Pen, at_ms: float) -> None:
    """A stolen card number tried with tiny sums at many web shops, within minutes; then used."""
    thief = pen.foreign()
    for _ in range(pen.count(7, 14)):
        pen.write(at_ms, pen.between(0.5, 3), **{**pen.shop(ONLINE), **thief})
        at_ms += pen.between(8, 45) * 1000
    pen.write(at_ms + pen.between(1, 10) * MINUTE_MS, pen.between(250, 900), **{**pen.shop(ONLINE), **thief})


def impossible_travel(pen: Pen, at_ms: float) -> None:
    """The card in a shop at home (that is its owner), and within the hour its copy on another continent."""
    home = int(pen.population.home[pen.account])
    owner = Pen(pen.population, pen.account, None, pen.rng)
    owner.write(at_ms, pen.between(10, 60), **pen.shop(home))
    pen.rows += owner.rows
    far = int(pen.rng.choice(FAR))
    at_ms += pen.between(20, 70) * MINUTE_MS
    for _ in range(pen.count(2, 3)):
        pen.write(at_ms, pen.between(120, 700), **pen.shop(far))
        at_ms += pen.between(5, 25) * MINUTE_MS


def mule_in_and_out(pen: Pen, at_ms: float) -> None:
    """Money from strangers comes in and nearly all of it goes out again within the hour."""
    total = 0.0
    for _ in range(pen.count(1, 3)):
        euro = pen.between(900, 3_200)
        total += euro
        pen.write(at_ms, euro, "credit", kind="transfer", channel="app", counterparty_id=pen.stranger())
        at_ms += pen.between(3, 25) * MINUTE_MS
    parts = pen.count(1, 2)
    for _ in range(parts):
        euro = total * pen.between(0.9, 0.97) / parts
        pen.write(at_ms, euro, kind="transfer", channel="app", counterparty_id=pen.stranger(), **pen.own())
        at_ms += pen.between(2, 15) * MINUTE_MS


def structuring(pen: Pen, at_ms: float) -> None:
    """Cash paid in just below the limit that is reported, again and again in a few days."""
    for _ in range(pen.count(3, 5)):
        euro = float(10 * pen.count(900, 998))
        pen.write(at_ms, euro, "credit", kind="cash_deposit", channel="branch")
        at_ms += pen.between(3, 14) * HOUR_MS


def dormant_waking(pen: Pen, at_ms: float) -> None:
    """An account that slept for months is emptied from a device it never had."""
    thief = pen.foreign()
    for _ in range(pen.count(2, 4)):
        euro = pen.between(600, 2_500)
        pen.write(at_ms, euro, kind="transfer", channel="web", counterparty_id=pen.stranger(), **thief)
        at_ms += pen.between(4, 20) * MINUTE_MS


def partner_anomaly(pen: Pen, at_ms: float) -> None:
    """A burst of sums ten times the usual through a partner the account never used."""
    usual = (pen.account * 2_654_435_761 >> 7) % PARTNERS
    partner = f"partner-{(usual + pen.count(1, PARTNERS - 1)) % PARTNERS}"
    for _ in range(pen.count(5, 9)):
        fields = {"kind": "purchase", "channel": "partner", "partner_id": partner, **pen.foreign()}
        pen.write(at_ms, pen.between(110, 350), **fields)
        at_ms += pen.between(0.5, 3) * MINUTE_MS


def new_payee_large_transfer(pen: Pen, at_ms: float) -> None:
    """The owner himself, talked into it: one large transfer to somebody never paid before."""
    euro = pen.between(4_000, 14_000)
    pen.write(at_ms, euro, kind="transfer", channel="app", counterparty_id=pen.stranger(), **pen.own())


def cash_out_burst(pen: Pen, at_ms: float) -> None:
    """A card and its code: one machine after the other, as much as each gives."""
    home = int(pen.population.home[pen.account])
    for _ in range(pen.count(4, 7)):
        machine = {
            **pen.shop(home),
            "kind": "cash_withdrawal",
            "channel": "atm",
            "merchant_id": None,
            "mcc": None,
            "terminal_id": f"term-x{pen.count(0, 9_999):04d}",
        }
        pen.write(at_ms, float(50 * pen.count(6, 12)), **machine)
        at_ms += pen.between(3, 9) * MINUTE_MS


def merchant_bust_out(pen: Pen, at_ms: float) -> None:
    """A shop with a quiet past takes large card payments for an hour or two, and moves the money away at once."""
    merchant = pen.account % pen.population.merchants
    total = 0.0
    for _ in range(pen.count(9, 15)):
        euro = pen.between(350, 1_500)
        total += euro
        taking = {"kind": "purchase", "channel": "pos", "merchant_id": pen.population.merchant_ids[merchant]}
        pen.write(at_ms, euro, "credit", card_present=False, **taking)
        at_ms += pen.between(2, 9) * MINUTE_MS
    fields = {"kind": "transfer", "channel": "web", "counterparty_id": pen.stranger(), **pen.own()}
    pen.write(at_ms + pen.between(2, 20) * MINUTE_MS, total * 0.95, **fields)


FRAUDS: Mapping[str, Callable[[Pen, float], None]] = {
    fraud.__name__: fraud
    for fraud in (
        account_takeover,
        card_testing,
        impossible_travel,
        mule_in_and_out,
        structuring,
        dormant_waking,
        partner_anomaly,
        new_payee_large_transfer,
        cash_out_burst,
        merchant_bust_out,
    )
}


def commit_fraud(population: Population, typology: str, at_ms: int, rng: np.random.Generator) -> list[Row]:
    """The rows of one fraud of that typology on an account it can happen to; empty if there is none left."""
    if typology == "dormant_waking":
        if not population.asleep:
            return []
        account = population.asleep.pop(int(rng.integers(0, len(population.asleep))))
    elif typology == "merchant_bust_out":
        account = int(rng.choice(population.businesses))
    else:
        account = int(rng.choice(population.awake))
    pen = Pen(population, account, typology, rng)
    FRAUDS[typology](pen, float(at_ms))
    return pen.rows

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
    """From a device never seen before: perhaps a small try, then the balance in a few transfers to one stranger."""
    country = TOWNS[int(pen.rng.choice(FAR))].country if pen.rng.random() < 0.5 else None
    thief = {"kind": "transfer", "channel": "app", **pen.foreign(country), **pen.stranger()}
    left = pen.balance_euro()
    if pen.rng.random() < 0.4:
        pen.write(at_ms, pen.between(1, 15), **thief)
        at_ms += pen.between(2, 12) * MINUTE_MS
    for _ in range(pen.count(0, 2)):
        euro = left * pen.between(0.3, 0.6)
        pen.write(at_ms, euro, **thief)
        left -= euro
        at_ms += pen.between(2, 12) * MINUTE_MS
    pen.write(at_ms, left * pen.between(0.92, 0.99), **thief)


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
    """Money from strangers comes in, from few or from many, and nearly all of it goes out again within the hour."""
    total = 0.0
    senders = pen.count(8, 10) if pen.rng.random() < 0.25 else pen.count(1, 3)
    for _ in range(senders):
        euro = pen.between(1_200, 5_000) / min(senders, 4)
        total += euro
        pen.write(at_ms, euro, "credit", kind="transfer", channel="app", **pen.stranger(1.0))
        at_ms += pen.between(1, 20) * MINUTE_MS
    parts = pen.count(1, 2)
    for _ in range(parts):
        euro = total * pen.between(0.9, 0.97) / parts
        pen.write(at_ms, euro, kind="transfer", channel="app", **pen.stranger(), **pen.own())
        at_ms += pen.between(2, 15) * MINUTE_MS


def structuring(pen: Pen, at_ms: float) -> None:
    """Cash paid in just below the limit that is reported, again and again in a few days."""
    for _ in range(pen.count(3, 5)):
        euro = float(10 * pen.count(900, 998))
        pen.write(at_ms, euro, "credit", kind="cash_deposit", channel="branch")
        at_ms += pen.between(3, 14) * HOUR_MS


def dormant_waking(pen: Pen, at_ms: float) -> None:
    """An account that slept for months is emptied from a device it never had."""
    thief = {"kind": "transfer", "channel": "web", **pen.foreign()}
    left = pen.balance_euro()
    for _ in range(pen.count(0, 2)):
        euro = left * pen.between(0.3, 0.6)
        pen.write(at_ms, euro, **pen.stranger(), **thief)
        left -= euro
        at_ms += pen.between(4, 20) * MINUTE_MS
    pen.write(at_ms, left * pen.between(0.92, 0.99), **pen.stranger(), **thief)


def partner_anomaly(pen: Pen, at_ms: float) -> None:
    """A burst of sums ten times the usual through a partner the account never used."""
    usual = (pen.account * 2_654_435_761 >> 7) % PARTNERS
    partner = f"partner-{(usual + pen.count(1, PARTNERS - 1)) % PARTNERS}"
    fields = {"kind": "purchase", "channel": "partner", "partner_id": partner, **pen.foreign()}
    for _ in range(pen.count(6, 10)):
        pen.write(at_ms, pen.between(110, 350), **fields)
        at_ms += pen.between(0.5, 3) * MINUTE_MS


def new_payee_large_transfer(pen: Pen, at_ms: float) -> None:
    """The owner himself, talked into it: one large transfer to somebody never paid before."""
    euro = pen.between(4_000, 14_000)
    pen.write(at_ms, euro, kind="transfer", channel="app", **pen.stranger(), **pen.own())


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
    fields = {"kind": "transfer", "channel": "web", **pen.stranger(), **pen.own()}
    pen.write(at_ms + pen.between(2, 20) * MINUTE_MS, total * 0.95, **fields)


def loan_and_away(pen: Pen, at_ms: float) -> None:
    """A loan drawn in the owner's name, from the thief's device, and sent to a stranger."""
    thief = {"channel": "app", **pen.foreign()}
    euro = pen.between(2_000, 15_000)
    pen.write(at_ms, euro, "credit", kind="loan_drawdown", **thief)
    at_ms += pen.between(10, 240) * MINUTE_MS
    pen.write(at_ms, euro * pen.between(0.8, 0.98), kind="transfer", **pen.stranger(), **thief)


def savings_sold(pen: Pen, at_ms: float) -> None:
    """Funds redeemed, and the money sent to a stranger as soon as it is there."""
    thief = {"channel": "web", **pen.foreign()}
    euro = pen.between(3_000, 20_000)
    pen.write(at_ms, euro, "credit", kind="wealth_redemption", **thief)
    at_ms += pen.between(1, 20) * HOUR_MS
    pen.write(at_ms, euro * pen.between(0.7, 0.95), kind="transfer", **pen.stranger(), **thief)


WORTH_EMPTYING_EURO = 1_500
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
        loan_and_away,
        savings_sold,
    )
}


def commit_fraud(population: Population, typology: str, at_ms: int, rng: np.random.Generator) -> list[Row]:
    """The rows of one fraud of that typology on an account it can happen to; empty if there is none left."""
    if typology == "dormant_waking" and not population.asleep:
        return []
    pen = Pen(population, _victim(population, typology, rng), typology, rng)
    FRAUDS[typology](pen, float(at_ms))
    return pen.rows


def _victim(population: Population, typology: str, rng: np.random.Generator) -> int:
    if typology == "merchant_bust_out":
        return int(rng.choice(population.businesses))
    if typology == "dormant_waking":
        return population.asleep.pop(int(rng.integers(0, len(population.asleep))))
    account = int(rng.choice(population.awake))
    if typology == "account_takeover":  # thieves pass on: nobody empties an empty account
        worth = WORTH_EMPTYING_EURO * population.minor_per_euro
        tries = rng.choice(population.awake, 20)
        rich = tries[population.balance_minor[tries] > worth[tries]]
        return int(rich[0]) if len(rich) else account
    return account

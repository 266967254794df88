"""What looks like fraud and is none: journeys, large purchases, new phones, builders to pay. Rules have to live with
it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fraudstream.generator.places import FAR, HOMES, TOWNS
from fraudstream.generator.population import Population
from fraudstream.generator.row import DAY_MS, HOUR_MS, MINUTE_MS, Pen, Row


def journey(pen: Pen, at_ms: float) -> None:
    """Away for some days: the ordinary payments go on over there. Sometimes the flight is a short one."""
    population, account = pen.population, pen.account
    if population.away_from[account] <= at_ms < population.away_home[account]:
        return
    towns = [town for town in (*FAR, *HOMES) if town != population.home[account]]
    population.away_town[account] = int(pen.rng.choice(towns))
    population.away_from[account] = at_ms
    population.away_there[account] = at_ms + pen.between(7, 16) * HOUR_MS
    population.away_back[account] = at_ms + pen.between(2, 9) * DAY_MS
    population.away_home[account] = population.away_back[account] + pen.between(7, 16) * HOUR_MS
    pen.write(at_ms, pen.between(180, 900), **pen.shop(len(TOWNS)), **pen.own())  # the ticket


def large_purchase(pen: Pen, at_ms: float) -> None:
    pen.write(at_ms, pen.between(500, 3_500), **pen.shop(int(pen.population.home[pen.account])))


def new_phone(pen: Pen, at_ms: float) -> None:
    pen.population.devices_had[pen.account] += 1
    fields = {"kind": "transfer", "channel": "app", "counterparty_id": f"cp-{pen.account * 7919 % 100_000_000:08d}"}
    pen.write(at_ms, pen.between(20, 250), **fields, **pen.own())


def builder_to_pay(pen: Pen, at_ms: float) -> None:
    fields = {"kind": "transfer", "channel": "web", **pen.stranger(0.93), **pen.own()}
    pen.write(at_ms, pen.between(600, 5_000), **fields)


def gift_passed_on(pen: Pen, at_ms: float) -> None:
    euro = pen.between(300, 2_000)
    pen.write(at_ms, euro, "credit", kind="transfer", channel="app", **pen.stranger(1.0))
    fields = {"kind": "wealth_subscription", "channel": "app", **pen.stranger(1.0), **pen.own()}
    pen.write(at_ms + pen.between(30, 300) * MINUTE_MS, euro * pen.between(0.5, 0.9), **fields)


def day_at_the_fair(pen: Pen, at_ms: float) -> None:
    """Many small payments in a short while."""
    home = int(pen.population.home[pen.account])
    for _ in range(pen.count(5, 9)):
        pen.write(at_ms, pen.between(2, 9), **pen.shop(home))
        at_ms += pen.between(1, 12) * MINUTE_MS


def takings_to_the_bank(pen: Pen, at_ms: float) -> None:
    """A good week's cash, which happens to lie near the limit."""
    pen.write(at_ms, float(10 * pen.count(700, 1_150)), "credit", kind="cash_deposit", channel="branch")


def weekend_cash(pen: Pen, at_ms: float) -> None:
    home = int(pen.population.home[pen.account])
    for _ in range(2):
        machine = {**pen.shop(home), "kind": "cash_withdrawal", "channel": "atm", "merchant_id": None, "mcc": None}
        pen.write(at_ms, float(50 * pen.count(2, 6)), **machine)
        at_ms += pen.between(10, 90) * MINUTE_MS


ODDITIES: tuple[Callable[[Pen, float], None], ...] = (
    journey,
    large_purchase,
    new_phone,
    builder_to_pay,
    gift_passed_on,
    day_at_the_fair,
    takings_to_the_bank,
    weekend_cash,
)


def behave_oddly(population: Population, at_ms: int, rng: np.random.Generator) -> list[Row]:
    """The rows of one oddity of some account."""
    oddity = ODDITIES[int(rng.integers(0, len(ODDITIES)))]
    candidates = population.businesses if oddity is takings_to_the_bank else population.awake
    pen = Pen(population, int(rng.choice(candidates)), None, rng)
    oddity(pen, float(at_ms))
    return pen.rows

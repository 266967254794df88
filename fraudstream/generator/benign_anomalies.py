"""Benign anomalies: legitimate behaviour that looks like fraud, the source of false positives.

One function per kind; each writes the payments of one episode that starts at `at_ms` (event time, ms since the epoch).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fraudstream.generator.episode import DAY_MS, HOUR_MS, MINUTE_MS, EpisodeWriter, Row
from fraudstream.generator.merchants import ONLINE
from fraudstream.generator.places import FAR, HOMES
from fraudstream.generator.population import Population, payee_id


def journey(episode: EpisodeWriter, at_ms: float) -> None:
    """Travel for some days: the ticket now, and the account's ordinary payments at the destination until it returns."""
    population, account = episode.population, episode.account
    if population.away_from[account] <= at_ms < population.away_home[account]:
        return
    towns = [town for town in (*FAR, *HOMES) if town != population.home[account]]
    population.away_town[account] = int(episode.rng.choice(towns))
    population.away_from[account] = at_ms
    population.away_there[account] = at_ms + episode.between(7, 16) * HOUR_MS
    population.away_back[account] = at_ms + episode.between(2, 9) * DAY_MS
    population.away_home[account] = population.away_back[account] + episode.between(7, 16) * HOUR_MS
    episode.write(at_ms, episode.between(180, 900), **episode.shop(ONLINE), **episode.own())  # the ticket


def large_purchase(episode: EpisodeWriter, at_ms: float) -> None:
    """A card purchase much larger than usual at a merchant in the home town."""
    episode.write(at_ms, episode.between(500, 3_500), **episode.shop(int(episode.population.home[episode.account])))


def new_phone(episode: EpisodeWriter, at_ms: float) -> None:
    """The account changes its device and makes a transfer to a known payee."""
    episode.population.devices_had[episode.account] += 1
    friend = int(episode.population.friend(np.array([episode.account]), 1)[0])
    fields = {"kind": "transfer", "channel": "app", "counterparty_id": payee_id(friend)}
    episode.write(at_ms, episode.between(20, 900), **fields, **episode.own())


def builder_to_pay(episode: EpisodeWriter, at_ms: float) -> None:
    """A large transfer to a new payee, such as a builder, from the usual device."""
    fields = {"kind": "transfer", "channel": "web", **episode.stranger(0.93), **episode.own()}
    episode.write(at_ms, episode.between(600, 5_000), **fields)


def gift_passed_on(episode: EpisodeWriter, at_ms: float) -> None:
    """A credit from an unknown sender, most of which is invested within hours."""
    euro = episode.between(300, 2_000)
    episode.write(at_ms, euro, "credit", kind="transfer", channel="app", **episode.stranger(1.0))
    fields = {"kind": "wealth_subscription", "channel": "app", **episode.stranger(1.0), **episode.own()}
    episode.write(at_ms + episode.between(30, 300) * MINUTE_MS, euro * episode.between(0.5, 0.9), **fields)


def day_at_the_fair(episode: EpisodeWriter, at_ms: float) -> None:
    """Many small card payments within a short time."""
    home = int(episode.population.home[episode.account])
    for _ in range(episode.count(5, 9)):
        episode.write(at_ms, episode.between(2, 9), **episode.shop(home))
        at_ms += episode.between(1, 12) * MINUTE_MS


def takings_to_the_bank(episode: EpisodeWriter, at_ms: float) -> None:
    """A business deposits its cash takings, an amount near the reporting threshold."""
    episode.write(at_ms, float(10 * episode.count(700, 1_150)), "credit", kind="cash_deposit", channel="branch")


def weekend_cash(episode: EpisodeWriter, at_ms: float) -> None:
    """Two cash withdrawals at different ATMs within hours."""
    home = int(episode.population.home[episode.account])
    for _ in range(2):
        episode.write(at_ms, float(50 * episode.count(2, 8)), **episode.cash_machine(home))
        at_ms += episode.between(10, 90) * MINUTE_MS


def savings_for_a_house(episode: EpisodeWriter, at_ms: float) -> None:
    """Investments redeemed, or a loan drawn, and the money sent to a notary, a new payee, on the usual device."""
    loan, euro = episode.rng.random() < 0.5, episode.between(3_000, 25_000)
    kind = "loan_drawdown" if loan else "wealth_redemption"
    episode.write(at_ms, euro, "credit", kind=kind, channel="web", **episode.own())
    at_ms += episode.between(1, 60) * HOUR_MS
    fields = {"kind": "transfer", "channel": "web", **episode.stranger(0.95), **episode.own()}
    episode.write(at_ms, euro * episode.between(0.7, 1.0), **fields)


def holiday_for_all(episode: EpisodeWriter, at_ms: float) -> None:
    """Several people pay one back for a holiday: credits within hours, then one large payment."""
    total = 0.0
    for _ in range(episode.count(3, 6)):
        euro = episode.between(80, 700)
        total += euro
        episode.write(at_ms, euro, "credit", kind="transfer", channel="app", **episode.person())
        at_ms += episode.between(5, 90) * MINUTE_MS
    episode.write(at_ms, total * episode.between(0.8, 1.2), **episode.shop(ONLINE), **episode.own())


def market_day(episode: EpisodeWriter, at_ms: float) -> None:
    """A business takes large card payments within hours, and pays a supplier."""
    shop = int(episode.population.own_shop[episode.account])
    total = 0.0
    for _ in range(episode.count(4, 9)):
        euro = episode.between(60, 900)
        total += euro
        episode.write(at_ms, euro, "credit", **episode.takings(shop))
        at_ms += episode.between(5, 50) * MINUTE_MS
    fields = {"kind": "transfer", "channel": "web", **episode.stranger(0.97), **episode.own()}
    episode.write(at_ms + episode.between(1, 20) * HOUR_MS, total * episode.between(0.3, 0.9), **fields)


BENIGN_ANOMALIES: tuple[Callable[[EpisodeWriter, float], None], ...] = (
    large_purchase,
    new_phone,
    builder_to_pay,
    gift_passed_on,
    day_at_the_fair,
    takings_to_the_bank,
    weekend_cash,
    savings_for_a_house,
    holiday_for_all,
    market_day,
)
_OF_BUSINESSES = (takings_to_the_bank, market_day)


def journey_rows(population: Population, at_ms: int, rng: np.random.Generator) -> list[Row]:
    """The first rows of a journey of a random account; none if it travels already."""
    episode = EpisodeWriter(population, int(rng.choice(population.active)), None, rng)
    journey(episode, float(at_ms))
    return episode.rows


def benign_anomaly_rows(population: Population, at_ms: int, rng: np.random.Generator) -> list[Row]:
    """The rows of one random benign anomaly on an account that is active at that hour."""
    anomaly = BENIGN_ANOMALIES[int(rng.integers(0, len(BENIGN_ANOMALIES)))]
    if anomaly in _OF_BUSINESSES:
        account = int(rng.choice(population.businesses))
    else:
        account = int(population.hours.draw(1, at_ms, rng)[0])
    episode = EpisodeWriter(population, account, None, rng)
    anomaly(episode, float(at_ms))
    return episode.rows

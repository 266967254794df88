"""Benign anomalies: legitimate behaviour that looks like fraud, the source of false positives.

One function per kind; each writes the payments of one episode that starts at `at_ms` (event time, ms since the epoch).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks.reference_payments.episode import DAY_MS, HOUR_MS, MINUTE_MS, EpisodeWriter, Row
from benchmarks.reference_payments.places import FAR, HOMES, TOWNS
from benchmarks.reference_payments.population import Population


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
    episode.write(at_ms, episode.between(180, 900), **episode.shop(len(TOWNS)), **episode.own())  # the ticket


def large_purchase(episode: EpisodeWriter, at_ms: float) -> None:
    """A card purchase much larger than usual at a merchant in the home town."""
    episode.write(at_ms, episode.between(500, 3_500), **episode.shop(int(episode.population.home[episode.account])))


def new_phone(episode: EpisodeWriter, at_ms: float) -> None:
    """The account changes its device and makes a transfer to a known payee."""
    episode.population.devices_had[episode.account] += 1
    fields = {"kind": "transfer", "channel": "app", "counterparty_id": f"cp-{episode.account * 7919 % 100_000_000:08d}"}
    episode.write(at_ms, episode.between(20, 250), **fields, **episode.own())


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
        withdrawal = {
            **episode.shop(home),
            "kind": "cash_withdrawal",
            "channel": "atm",
            "merchant_id": None,
            "mcc": None,
        }
        episode.write(at_ms, float(50 * episode.count(2, 6)), **withdrawal)
        at_ms += episode.between(10, 90) * MINUTE_MS


BENIGN_ANOMALIES: tuple[Callable[[EpisodeWriter, float], None], ...] = (
    journey,
    large_purchase,
    new_phone,
    builder_to_pay,
    gift_passed_on,
    day_at_the_fair,
    takings_to_the_bank,
    weekend_cash,
)


def benign_anomaly_rows(population: Population, at_ms: int, rng: np.random.Generator) -> list[Row]:
    """The rows of one random benign anomaly on a random account."""
    anomaly = BENIGN_ANOMALIES[int(rng.integers(0, len(BENIGN_ANOMALIES)))]
    candidates = population.businesses if anomaly is takings_to_the_bank else population.active
    episode = EpisodeWriter(population, int(rng.choice(candidates)), None, rng)
    anomaly(episode, float(at_ms))
    return episode.rows

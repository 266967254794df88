"""Fraud scenarios, one function per typology. Each writes the payments of one episode that starts at `at_ms`.

`at_ms`: event time, ms since the epoch, UTC. `FRAUDS` registers the functions under the name of their typology.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from fraudstream.generator.block_columns import PARTNERS, usual_partner
from fraudstream.generator.episode import HOUR_MS, MINUTE_MS, EpisodeWriter, Row
from fraudstream.generator.merchants import ONLINE
from fraudstream.generator.mule_networks import MuleNetworks
from fraudstream.generator.places import FAR, TOWNS
from fraudstream.generator.population import Population
from fraudstream.generator.stable_choice import Int64Array


def account_takeover(episode: EpisodeWriter, at_ms: float) -> None:
    """From a new device: sometimes a small test payment, then the balance in a few transfers to one new payee."""
    country = TOWNS[int(episode.rng.choice(FAR))].country if episode.rng.random() < 0.5 else None
    kind = str(episode.rng.choice(_TAKEOVER_KINDS, p=_TAKEOVER_KINDS_SHARE))
    fields = {"kind": kind, "channel": "app", **episode.foreign(at_ms, country), **episode.ring_payee(at_ms)}
    left = episode.balance_euro()
    if episode.rng.random() < 0.4:
        episode.write(at_ms, episode.between(1, 15), **fields)
        at_ms += episode.between(2, 12) * MINUTE_MS
    for _ in range(episode.count(0, 2)):
        euro = left * episode.between(0.3, 0.6)
        episode.write(at_ms, euro, **fields)
        left -= euro
        at_ms += episode.between(2, 12) * MINUTE_MS
    episode.write(at_ms, left * episode.between(0.92, 0.99), **fields)


def card_testing(episode: EpisodeWriter, at_ms: float) -> None:
    """A stolen card number tested with tiny amounts at many online merchants within minutes, then used."""
    fields = episode.foreign(at_ms)
    for _ in range(episode.count(7, 14)):
        episode.write(at_ms, episode.between(0.5, 3), **{**episode.shop(ONLINE), **fields})
        at_ms += episode.between(8, 45) * 1000
    episode.write(
        at_ms + episode.between(1, 10) * MINUTE_MS, episode.between(250, 900), **{**episode.shop(ONLINE), **fields}
    )


def impossible_travel(episode: EpisodeWriter, at_ms: float) -> None:
    """A card payment by the owner at home, followed within about an hour by a cloned card on another continent."""
    home = int(episode.population.home[episode.account])
    owner = EpisodeWriter(episode.population, episode.account, None, episode.rng)
    owner.write(at_ms, episode.between(10, 60), **episode.shop(home))
    episode.rows += owner.rows
    far = int(episode.rng.choice(FAR))
    at_ms += episode.between(20, 70) * MINUTE_MS
    for _ in range(episode.count(2, 3)):
        episode.write(at_ms, episode.between(120, 700), **episode.shop(far))
        at_ms += episode.between(5, 25) * MINUTE_MS


def mule_in_and_out(episode: EpisodeWriter, at_ms: float) -> None:
    """Credits from one or many unknown senders; nearly all of the money is transferred out within the hour."""
    total = 0.0
    senders = episode.count(8, 10) if episode.rng.random() < 0.25 else episode.count(1, 3)
    for _ in range(senders):
        euro = episode.between(1_200, 5_000) / min(senders, 4)
        total += euro
        episode.write(at_ms, euro, "credit", kind="transfer", channel="app", **episode.person())
        at_ms += episode.between(1, 20) * MINUTE_MS
    parts = episode.count(1, 2)
    for _ in range(parts):
        euro = total * episode.between(0.9, 0.97) / parts
        fields = {"kind": "transfer", "channel": "app", **episode.ring_collector(at_ms), **episode.own()}
        episode.write(at_ms, euro, **fields)
        at_ms += episode.between(2, 15) * MINUTE_MS


def structuring(episode: EpisodeWriter, at_ms: float) -> None:
    """Repeated cash deposits just below the reporting threshold within a few days."""
    for _ in range(episode.count(3, 5)):
        euro = float(10 * episode.count(900, 998))
        episode.write(at_ms, euro, "credit", kind="cash_deposit", channel="branch")
        at_ms += episode.between(3, 14) * HOUR_MS


def dormant_waking(episode: EpisodeWriter, at_ms: float) -> None:
    """A dormant account, unused for months, is emptied from a new device."""
    fields = {"kind": "transfer", "channel": "web", **episode.foreign(at_ms)}
    left = episode.balance_euro()
    for _ in range(episode.count(0, 2)):
        euro = left * episode.between(0.3, 0.6)
        episode.write(at_ms, euro, **episode.ring_payee(at_ms), **fields)
        left -= euro
        at_ms += episode.between(4, 20) * MINUTE_MS
    episode.write(at_ms, left * episode.between(0.92, 0.99), **episode.ring_payee(at_ms), **fields)


def partner_anomaly(episode: EpisodeWriter, at_ms: float) -> None:
    """A burst of amounts ten times the usual through a partner that the account never used."""
    usual = int(usual_partner(episode.account))
    partner = f"partner-{(usual + episode.count(1, PARTNERS - 1)) % PARTNERS}"
    fields = {"kind": "purchase", "channel": "partner", "partner_id": partner, **episode.foreign(at_ms)}
    for _ in range(episode.count(6, 10)):
        episode.write(at_ms, episode.between(110, 350), **fields)
        at_ms += episode.between(0.5, 3) * MINUTE_MS


def new_payee_large_transfer(episode: EpisodeWriter, at_ms: float) -> None:
    """Authorised push payment fraud: the owner makes one large transfer to a new payee."""
    euro = float(np.exp(episode.rng.normal(8.3, 0.7)))  # most from 2,000 to 8,000
    channel = "app" if episode.rng.random() < 0.75 else "web"
    kind = "transfer" if episode.rng.random() < 0.85 else "wealth_subscription"  # the platform is the swindler's
    episode.write(at_ms, euro, kind=kind, channel=channel, **episode.ring_payee(at_ms), **episode.own())


def cash_out_burst(episode: EpisodeWriter, at_ms: float) -> None:
    """Stolen card and PIN: a burst of large withdrawals at different ATMs."""
    home = int(episode.population.home[episode.account])
    for _ in range(episode.count(4, 7)):
        episode.write(at_ms, float(50 * episode.count(4, 12)), **episode.cash_machine(home))
        at_ms += episode.between(3, 9) * MINUTE_MS


def merchant_bust_out(episode: EpisodeWriter, at_ms: float) -> None:
    """A merchant with little history takes large card payments for an hour or two and transfers the money out."""
    shop = int(episode.population.own_shop[episode.account])
    total = 0.0
    for _ in range(episode.count(9, 15)):
        euro = episode.between(350, 1_500)
        total += euro
        episode.write(at_ms, euro, "credit", **{**episode.takings(shop), "card_present": False})
        at_ms += episode.between(2, 9) * MINUTE_MS
    fields = {"kind": "transfer", "channel": "web", **episode.stranger(), **episode.own()}
    episode.write(at_ms + episode.between(2, 20) * MINUTE_MS, total * 0.95, **fields)


def loan_and_away(episode: EpisodeWriter, at_ms: float) -> None:
    """A loan drawn down from a new device and transferred to a new payee."""
    fields = {"channel": "app", **episode.foreign(at_ms)}
    euro = episode.between(2_000, 15_000)
    episode.write(at_ms, euro, "credit", kind="loan_drawdown", **fields)
    at_ms += episode.between(10, 240) * MINUTE_MS
    episode.write(at_ms, euro * episode.between(0.8, 0.98), kind="transfer", **episode.ring_payee(at_ms), **fields)


def savings_sold(episode: EpisodeWriter, at_ms: float) -> None:
    """Investments redeemed from a new device, and the money transferred to a new payee."""
    fields = {"channel": "web", **episode.foreign(at_ms)}
    euro = episode.between(3_000, 20_000)
    episode.write(at_ms, euro, "credit", kind="wealth_redemption", **fields)
    at_ms += episode.between(1, 20) * HOUR_MS
    episode.write(at_ms, euro * episode.between(0.7, 0.95), kind="transfer", **episode.ring_payee(at_ms), **fields)


def stolen_card_online(episode: EpisodeWriter, at_ms: float) -> None:
    """Card details sold on: for days, purchases online like any others, from a device that is not the owner's."""
    fields = episode.foreign(at_ms)
    for _ in range(episode.count(3, 9)):
        euro = float(np.exp(episode.rng.normal(3.9, 0.8)))
        episode.write(at_ms, euro, **{**episode.shop(ONLINE), **fields})
        at_ms += float(episode.rng.exponential(14)) * HOUR_MS


def refund_fraud(episode: EpisodeWriter, at_ms: float) -> None:
    """A clerk refunds purchases that nobody made to a card of his own: a few at one merchant, over days."""
    shop = {**episode.shop(int(episode.population.home[episode.account])), "kind": "refund"}
    for _ in range(episode.count(2, 5)):
        episode.write(at_ms, float(np.exp(episode.rng.normal(4.2, 0.7))), "credit", **shop)
        at_ms += episode.between(6, 90) * HOUR_MS


TAKEOVER_BALANCE_EURO_MIN = 1_500
_TAKEOVER_KINDS = ("transfer", "bill_payment", "loan_repayment", "wealth_subscription")
_TAKEOVER_KINDS_SHARE = (0.76, 0.12, 0.06, 0.06)
FRAUDS: Mapping[str, Callable[[EpisodeWriter, float], None]] = {
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
        stolen_card_online,
        refund_fraud,
    )
}


class Frauds:
    """Commits frauds of a typology, each on an eligible account."""

    def __init__(self, population: Population, rng: np.random.Generator) -> None:
        self._population, self._rng = population, rng
        self._networks = MuleNetworks(population, rng)

    def commit(self, typology: str, at_ms: int, bust_outs: Int64Array) -> list[Row]:
        """The rows of one fraud that starts at `at_ms`; empty if no eligible account is left.

        `bust_outs`: accounts of the merchants that vanish soon, int64.
        """
        population = self._population
        if typology == "dormant_waking" and not population.dormant:
            return []
        account = self._account(typology, at_ms, bust_outs)
        episode = EpisodeWriter(population, account, typology, self._rng, self._networks)
        FRAUDS[typology](episode, float(at_ms))
        return episode.rows

    def _account(self, typology: str, at_ms: int, bust_outs: Int64Array) -> int:
        population, rng = self._population, self._rng
        if typology == "merchant_bust_out":
            return int(rng.choice(bust_outs if len(bust_outs) else population.businesses))
        if typology == "dormant_waking":
            return population.dormant.pop(int(rng.integers(0, len(population.dormant))))
        if typology == "mule_in_and_out":
            return int(rng.choice(self._networks.ring(at_ms).accounts))
        drawn = population.hours.draw(20, at_ms, rng)  # those who are awake: no hour gives a fraud away
        people = drawn[~population.business[drawn]]
        if typology == "account_takeover":  # fraudsters target accounts with a balance
            balance_min = TAKEOVER_BALANCE_EURO_MIN * population.minor_per_euro[people]
            rich = people[population.balance_minor[people] > balance_min]
            people = rich if len(rich) else people
        return int(people[0]) if len(people) else int(rng.choice(population.active))

"""What the made-up world is like, measured on one stream: habits, power laws, and frauds that no category betrays."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pytest

from fraudstream.generator.parameters import TYPOLOGIES, Typologies
from fraudstream.generator.plan import GeneratorPlan
from fraudstream.generator.stream import stream

START_MS = 1_735_689_600_000  # 2025-01-01, a Wednesday
DAY_MS, HOUR_MS = 86_400_000, 3_600_000
ACCOUNTS, PAYMENTS, FRAUD_SHARE = 4_000, 170_000, 0.015  # four weeks
BETRAYED_MAX = 3.0  # average precision of a category alone, in base rates


class World(NamedTuple):
    """A stream in one piece, from `START_MS` on."""

    columns: dict[str, list[Any]]
    at_ms: npt.NDArray[np.int64]
    fraud: npt.NDArray[np.bool_]
    typologies: list[str | None]

    def where(self, mask: npt.NDArray[np.bool_], field: str) -> list[Any]:
        return [self.columns[field][at] for at in np.flatnonzero(mask).tolist()]

    def of(self, typology: str) -> npt.NDArray[np.bool_]:
        return np.array([name == typology for name in self.typologies])


@pytest.fixture(scope="module")
def world() -> World:
    plan = GeneratorPlan(START_MS, seed=4, accounts=ACCOUNTS, fraud_share=FRAUD_SHARE)
    batches = [batch for batch in stream(plan, PAYMENTS) if batch.live]
    columns: dict[str, list[Any]] = defaultdict(list)
    for batch in batches:
        for name, values in batch.columns.items():
            columns[name] += values.tolist()
    return World(
        columns,
        np.concatenate([batch.occurred_at_ms for batch in batches]),
        np.concatenate([batch.labels for batch in batches]) == 1,
        [name for batch in batches for name in batch.typologies],
    )


def lift(keys: Sequence[object], fraud: npt.NDArray[np.bool_]) -> float:
    """Average precision of the share of frauds of a key as a score, in base rates. It knows the truth: a bound."""
    total, frauds = Counter(keys), Counter(key for key, is_fraud in zip(keys, fraud, strict=True) if is_fraud)
    found = payments = 0
    precision = 0.0
    for key in sorted(frauds, key=lambda key: -frauds[key] / total[key]):
        found, payments = found + frauds[key], payments + total[key]
        precision += frauds[key] * found / payments
    return precision / float(fraud.sum()) / float(fraud.mean())


@pytest.mark.parametrize("field", ["kind", "channel", "mcc", "country", "currency", "direction", "card_present"])
def test_no_category_betrays_fraud(world: World, field: str) -> None:
    assert lift(world.columns[field], world.fraud) < BETRAYED_MAX


def test_no_category_with_its_channel_betrays_fraud(world: World) -> None:
    keys = list(zip(world.columns["kind"], world.columns["channel"], world.columns["mcc"], strict=True))
    assert lift(keys, world.fraud) < BETRAYED_MAX


def test_no_hour_betrays_fraud(world: World) -> None:
    assert lift((world.at_ms // HOUR_MS % 24).tolist(), world.fraud) < BETRAYED_MAX
    assert lift((world.at_ms // HOUR_MS % 168).tolist(), world.fraud) < BETRAYED_MAX


@pytest.mark.parametrize("field", ["kind", "channel", "mcc"])
def test_every_category_has_genuine_and_fraudulent_payments(world: World, field: str) -> None:
    genuine, fraud = Counter(world.where(~world.fraud, field)), Counter(world.where(world.fraud, field))
    assert {*fraud} | {"fee"} >= {*genuine}  # a fee is charged by the bank itself
    assert min(genuine.values()) > 100
    assert {*genuine} >= {*fraud}


def test_every_hour_has_genuine_and_fraudulent_payments(world: World) -> None:
    hours = world.at_ms // HOUR_MS % 24
    assert (np.bincount(hours[world.fraud], minlength=24) > 10).all()
    assert (np.bincount(hours[~world.fraud], minlength=24) > 1_000).all()


def test_typologies_have_their_shares_of_the_frauds(world: World) -> None:
    found = Counter(name for name in world.typologies if name)
    weights = {name: Typologies().named(name).weight for name in TYPOLOGIES}
    total = sum(weights.values())
    assert sum(found.values()) == pytest.approx(FRAUD_SHARE * PAYMENTS, rel=0.1)
    for name in TYPOLOGIES:
        expected = weights[name] / total * sum(found.values())
        assert found[name] == pytest.approx(expected, rel=0.4, abs=15), name


def test_popularity_of_merchants_follows_a_power_law(world: World) -> None:
    counts = np.array(sorted(Counter(filter(None, world.columns["merchant_id"])).values(), reverse=True))
    tenth = len(counts) // 10
    assert counts[:tenth].sum() > 0.35 * counts.sum()
    assert counts[0] > 10 * np.median(counts)
    online = [
        name for name, mcc in zip(world.columns["merchant_id"], world.columns["mcc"], strict=True) if mcc == "5999"
    ]
    ranked = np.array([count for _, count in Counter(online).most_common(20)])
    slope = np.polyfit(np.log(np.arange(1, 21)), np.log(ranked), 1)[0]
    assert -1.4 < slope < -0.6


def test_customers_return_to_the_merchants_they_know(world: World) -> None:
    visits: dict[str, list[str]] = defaultdict(list)
    for account, merchant in zip(world.columns["account_id"], world.columns["merchant_id"], strict=True):
        if merchant:
            visits[account].append(merchant)
    frequent = [names for names in visits.values() if len(names) >= 30]
    assert np.mean([len(set(names)) / len(names) for names in frequent]) < 0.7


def test_weekends_have_other_payments_than_working_days(world: World) -> None:
    weekend = (world.at_ms // DAY_MS + 3) % 7 >= 5
    days = {
        is_weekend: len(set((world.at_ms[weekend == is_weekend] // DAY_MS).tolist())) for is_weekend in (True, False)
    }
    rate = {yes: Counter(world.where(weekend == yes, "kind")) for yes in (True, False)}

    def relative(kind: str) -> float:
        return rate[True][kind] / days[True] / (rate[False][kind] / days[False])

    assert relative("purchase") > 1.1
    assert relative("bill_payment") < 0.7


def test_customers_pay_more_after_their_salary(world: World) -> None:
    kinds, directions = world.columns["kind"], world.columns["direction"]
    salaries: dict[str, tuple[int, float]] = {}
    for at, (account, amount) in enumerate(zip(world.columns["account_id"], world.columns["amount"], strict=True)):
        if (
            kinds[at] == "transfer"
            and directions[at] == "credit"
            and float(amount) > salaries.get(account, (0, 0.0))[1]
        ):
            salaries[account] = (int(world.at_ms[at]), float(amount))
    after = before = 0
    for account, kind, at_ms in zip(world.columns["account_id"], kinds, world.at_ms.tolist(), strict=True):
        if kind == "purchase" and account in salaries:
            days = (at_ms - salaries[account][0]) / DAY_MS
            after += 0 < days < 3
            before += -3 < days < 0
    assert after > 1.3 * before


def test_families_share_devices_and_addresses(world: World) -> None:
    users: dict[str, set[str]] = defaultdict(set)
    genuine = np.flatnonzero(~world.fraud).tolist()
    for at in genuine:
        if world.columns["device_id"][at]:
            users[world.columns["device_id"][at]].add(world.columns["account_id"][at])
    shared = [device for device, accounts in users.items() if len(accounts) == 2]
    assert len(shared) > 0.05 * ACCOUNTS
    assert max(map(len, users.values())) == 2


def test_customers_travel(world: World) -> None:
    home: dict[str, Counter[str]] = defaultdict(Counter)
    for account, country, present in zip(
        world.columns["account_id"], world.columns["country"], world.columns["card_present"], strict=True
    ):
        if present:
            home[account][country] += 1
    abroad = sum(sum(countries.values()) - max(countries.values()) for countries in home.values())
    assert 0.005 < abroad / sum(sum(countries.values()) for countries in home.values()) < 0.1


def test_cards_copied_at_a_terminal_are_frauds_for_days(world: World) -> None:
    copied = world.of("compromised_terminal")
    terminals = Counter(world.where(copied, "terminal_id"))
    assert len(terminals) > 5
    worst, count = terminals.most_common(1)[0]
    here = np.array([terminal == worst for terminal in world.columns["terminal_id"]])
    first, last = np.flatnonzero(copied & here)[[0, -1]]
    during = here & (np.arange(len(here)) >= first) & (np.arange(len(here)) <= last)
    assert count > 10
    assert world.at_ms[last] - world.at_ms[first] > 4 * DAY_MS
    assert 0.4 < world.fraud[during].mean() < 0.95
    # Nothing of the payment itself tells: its amounts are those of the others at these terminals.
    known = np.array([terminal in terminals for terminal in world.columns["terminal_id"]])
    amounts = np.log([float(amount) for amount in world.columns["amount"]])
    assert np.median(amounts[copied]) == pytest.approx(np.median(amounts[known & ~world.fraud]), abs=0.4)


def test_rings_receive_from_many_and_share_devices(world: World) -> None:
    stolen = world.of("account_takeover") | world.of("new_payee_large_transfer") | world.of("dormant_waking")
    senders: dict[str, set[str]] = defaultdict(set)
    payees, accounts = world.where(stolen, "counterparty_id"), world.where(stolen, "account_id")
    for payee, account in zip(payees, accounts, strict=True):
        senders[payee].add(account)
    many = {payee for payee, who in senders.items() if len(who) >= 3}
    assert sum(payee in many for payee in payees) > 0.4 * len(payees)
    genuine = Counter(world.where(~world.fraud, "counterparty_id"))
    assert any(genuine[payee] for payee in many)  # a mule is a person whom friends pay, too
    devices: dict[str, set[str]] = defaultdict(set)
    for device, account in zip(
        world.where(world.fraud, "device_id"), world.where(world.fraud, "account_id"), strict=True
    ):
        if device and device.startswith("dev-x"):
            devices[device].add(account)
    assert max(map(len, devices.values())) >= 5


def test_merchants_that_vanish_take_money_from_many_customers(world: World) -> None:
    undelivered = world.of("undelivered_goods")
    merchants = Counter(world.where(undelivered, "merchant_id"))
    worst, count = merchants.most_common(1)[0]
    buyers = {
        account
        for account, merchant in zip(
            world.where(undelivered, "account_id"), world.where(undelivered, "merchant_id"), strict=True
        )
        if merchant == worst
    }
    assert count > 15
    assert len(buyers) > 15

"""Ordinary payments, generated as columns for one block of event time: purchases near home or online, bills,
transfers to known payees, cash, salaries; abroad while an account travels.
"""

from __future__ import annotations

from itertools import repeat
from typing import Any, NamedTuple

import numpy as np

from benchmarks.reference_payments.places import BANKS, NAME_MATCH, TOWNS, TRADES
from benchmarks.reference_payments.population import (
    MONTH_MS,
    PAYEES_KNOWN,
    TERMINALS,
    Float64Array,
    Int64Array,
    Population,
    payee_id,
)
from fraudstream.contracts import EXPONENTS, Payment

# Activities of an account, by weight. A purchase is in town or online by the account's `online_share`.
_PURCHASE, _TRANSFER, _BILL, _WITHDRAWAL, _DEPOSIT, _REFUND, _LOAN, _WEALTH, _FEE, _PARTNER, _RECEIVED = range(11)
_WEIGHTS = np.array([71.0, 8.0, 6.5, 5.0, 0.6, 1.2, 0.8, 0.7, 0.4, 2.8, 3.0])
_KINDS = np.array(
    [
        "purchase",
        "transfer",
        "bill_payment",
        "cash_withdrawal",
        "cash_deposit",
        "refund",
        "loan_repayment",
        "wealth_subscription",
        "fee",
        "purchase",
        "transfer",
    ],
    object,
)
_EURO = np.array([0.0, 120.0, 75.0, 70.0, 180.0, 0.0, 310.0, 150.0, 4.0, 18.0, 60.0])
_SPREAD = np.array([0.0, 0.8, 0.5, 0.4, 0.6, 0.0, 0.3, 0.6, 0.3, 0.6, 0.9])
_TRADE_MEDIAN = np.array([trade.median for trade in TRADES])
_TRADE_SPREAD = np.array([trade.spread for trade in TRADES])
_TRADE_MCC = np.array([trade.mcc for trade in TRADES], object)
_ONLINE = len(TOWNS)
PARTNERS = 6
_BANKS = np.array(BANKS, object)


class OrdinaryPayments(NamedTuple):
    """Columns of ordinary payments, in any order.

    `at_ms`: event time, ms since the epoch, int64 (n,). `account`: account numbers, int64 (n,). `signed_minor`: effect
    on the account's balance in minor units, int64 (n,). `columns`: values of the other `Payment` fields by name.
    """

    at_ms: Int64Array
    account: Int64Array
    signed_minor: Int64Array
    columns: dict[str, Any]

    def payments(self, event_ids: list[str], before_minor: Int64Array, after_minor: Int64Array) -> list[Payment]:
        """The payments with these ids and the balances before and after them (minor units, int64, shape (n,))."""
        currencies = self.columns.get("currency", [])
        values = {
            "event_id": event_ids,
            "occurred_at": self.at_ms.tolist(),
            "schema_version": repeat(1),
            "balance_before": amount_texts(before_minor, currencies),
            "balance_after": amount_texts(after_minor, currencies),
            **self.columns,
        }
        return list(map(Payment, *(values.get(field, repeat(None)) for field in Payment.__struct_fields__)))


_NONE = np.zeros(0, np.int64)
NO_PAYMENTS = OrdinaryPayments(_NONE, _NONE, _NONE, {})


def ordinary_payments(
    population: Population, from_ms: int, until_ms: int, n: int, hour: int, rng: np.random.Generator
) -> OrdinaryPayments:
    """`n` payments with event times in [from_ms, until_ms), and the salaries due in it. `hour`: 0 to 23, UTC."""
    salaries = _salaries_due(population, from_ms, until_ms)
    account = np.concatenate([population.draw_accounts(n, hour, rng), salaries])
    n, paid = len(account) - len(salaries), len(account)
    at_ms = rng.integers(from_ms, until_ms, paid)
    act = rng.choice(len(_WEIGHTS), paid, p=_WEIGHTS / _WEIGHTS.sum())
    act[n:] = _RECEIVED
    # Card purchases of a business are credits from its customers; it makes the other payments like any account.
    takings = population.business[account] & (act == _PURCHASE)

    town, travelling = _locations(population, account, at_ms)
    shopping = (act == _PURCHASE) | (act == _REFUND)
    online = shopping & (travelling | (rng.random(paid) < population.online_share[account])) & ~takings
    shop = population.shops(account, np.where(online, _ONLINE, town), rng)
    at_merchant = shopping & ~takings
    in_town = (at_merchant & ~online) | ((act == _WITHDRAWAL) & ~travelling)
    act[(act == _WITHDRAWAL) & travelling] = _BILL

    amounts = _amounts(population, account, act, at_merchant, takings, shop, rng)
    amounts[n:] = population.salary_euro[salaries] * population.minor_per_euro[salaries]
    minor = np.maximum(amounts.astype(np.int64), 1)
    credit = (act == _RECEIVED) | (act == _DEPOSIT) | (act == _REFUND) | takings
    return OrdinaryPayments(
        at_ms,
        account,
        np.where(credit, minor, -minor),
        _columns(
            population,
            _PaymentColumns(account, act, minor, credit, at_merchant, online, takings, in_town, shop, town, n),
            rng,
        ),
    )


def amount_texts(minor: Int64Array, currencies: list[str]) -> list[str]:
    """Decimal strings of non-negative amounts in minor units (int64, shape (n,)), with their currencies' decimals."""
    texts = []
    for value, currency in zip(minor.tolist(), currencies, strict=True):
        exponent = EXPONENTS[currency]
        whole = str(value).rjust(exponent + 1, "0")
        texts.append(f"{whole[:-exponent]}.{whole[-exponent:]}" if exponent else whole)
    return texts


def _salaries_due(population: Population, from_ms: int, until_ms: int) -> Int64Array:
    """Accounts whose monthly salary is due in [from_ms, until_ms); each account has a fixed time of the month."""
    phases, order = population.salary_sorted_ms, population.salary_order
    first, last = from_ms % MONTH_MS, until_ms % MONTH_MS
    if first <= last:
        due = order[np.searchsorted(phases, first) : np.searchsorted(phases, last)]
    else:
        due = np.concatenate([order[np.searchsorted(phases, first) :], order[: np.searchsorted(phases, last)]])
    return due[~population.is_dormant[due]]


def _locations(population: Population, account: Int64Array, at_ms: Int64Array) -> tuple[Int64Array, Any]:
    """The town that each account is in (int64), and whether it is travelling between towns (bool)."""
    there = (population.away_there[account] <= at_ms) & (at_ms < population.away_back[account])
    travelling = (population.away_from[account] <= at_ms) & (at_ms < population.away_home[account]) & ~there
    return np.where(there, population.away_town[account], population.home[account]), travelling


def _amounts(
    population: Population,
    account: Int64Array,
    act: Int64Array,
    at_merchant: Any,
    takings: Any,
    shop: Int64Array,
    rng: np.random.Generator,
) -> Float64Array:
    trade = population.merchant_trade[shop]
    median = np.where(at_merchant, _TRADE_MEDIAN[trade], np.where(takings, 30.0, _EURO[act]))
    spread = np.where(at_merchant, _TRADE_SPREAD[trade], np.where(takings, 0.6, _SPREAD[act]))
    euro = median * np.exp(np.clip(rng.normal(0, 1, len(account)), -3, 3) * spread) * population.spending[account]
    cash = (act == _WITHDRAWAL) | (act == _DEPOSIT)
    euro = np.where(cash, np.maximum(np.rint(euro / 10) * 10, 10), euro)
    result: Float64Array = np.rint(euro * population.minor_per_euro[account])
    return result


class _PaymentColumns(NamedTuple):
    """Columns that determine the payments of a block: masks, merchant and town numbers; each of shape (n,).

    Rows from `salaries_from` on are salaries.
    """

    account: Int64Array
    act: Int64Array
    minor: Int64Array
    credit: Any
    at_merchant: Any
    online: Any
    takings: Any
    in_town: Any
    shop: Int64Array
    town: Int64Array
    salaries_from: int


def _columns(population: Population, payments: _PaymentColumns, rng: np.random.Generator) -> dict[str, Any]:
    account, act, minor, credit, at_merchant, online, takings, in_town, shop, town, salaries_from = payments
    paid = len(account)
    currencies = population.currency[account].tolist()
    partner = act == _PARTNER
    atm, branch = act == _WITHDRAWAL, act == _DEPOSIT
    to_payee = (act == _TRANSFER) | (act == _BILL) | (act == _RECEIVED)
    by_app = ~(at_merchant | takings | partner | atm | branch)
    on_web = (online & (rng.random(paid) < 0.6)) | (by_app & (rng.random(paid) < 0.25))
    channel = np.full(paid, "app", object)
    channel[on_web] = "web"
    channel[(at_merchant & ~online) | takings] = "pos"
    channel[partner], channel[atm], channel[branch] = "partner", "atm", "branch"

    payee = (account * 7919 + rng.integers(0, PAYEES_KNOWN, paid) * 104_729 + act * 15_485_863) % 100_000_000
    payee[salaries_from:] = account[salaries_from:] * 31 % 5_000  # employers pay many
    own_shop = account % population.merchants
    merchant = np.where(takings, own_shop, shop)
    has_merchant = at_merchant | takings
    terminal = merchant * TERMINALS + (account + shop) % TERMINALS
    # Location of the card: the merchant, or an ATM near it.
    lat, lon = population.merchant_lat[shop].round(5), population.merchant_lon[shop].round(5)
    device = population.devices_had[account]
    has_device = by_app | online | partner
    country = np.array([home.country for home in TOWNS], object)[np.where(in_town, town, population.home[account])]
    present = np.full(paid, None, object)
    present[online], present[in_town | takings] = False, True
    partner_number = (account * 2_654_435_761 >> 7) % PARTNERS
    name_match = (payee * 2_654_435_761 >> 8) % 100 >= 3  # constant for a payee
    return {
        "account_id": population.account_ids[account].tolist(),
        "amount": amount_texts(minor, currencies),
        "currency": currencies,
        "direction": ["credit" if yes else "debit" for yes in credit.tolist()],
        "kind": _KINDS[act].tolist(),
        "channel": channel.tolist(),
        "partner_id": [
            f"partner-{p}" if yes else None for p, yes in zip(partner_number.tolist(), partner.tolist(), strict=True)
        ],
        "merchant_id": _where(has_merchant, population.merchant_ids[merchant]),
        "mcc": _where(has_merchant, _TRADE_MCC[population.merchant_trade[merchant]]),
        "terminal_id": [
            f"term-{t:07d}" if yes else None
            for t, yes in zip(terminal.tolist(), (in_town | takings).tolist(), strict=True)
        ],
        "counterparty_id": [
            payee_id(p) if yes else None for p, yes in zip(payee.tolist(), to_payee.tolist(), strict=True)
        ],
        "counterparty_bank": _where(to_payee, _BANKS[payee % len(BANKS)]),
        "device_id": [
            f"dev-{a:07d}-{d}" if yes else None
            for a, d, yes in zip(account.tolist(), device.tolist(), has_device.tolist(), strict=True)
        ],
        "ip": _where(has_device, population.home_ips[account]),
        "country": country.tolist(),
        "lat": _where(in_town, lat),
        "lon": _where(in_town, lon),
        "card_present": present.tolist(),
        "attributes": [
            {NAME_MATCH: match} if yes else None
            for match, yes in zip(name_match.tolist(), (to_payee & ~credit).tolist(), strict=True)
        ],
    }


def _where(mask: Any, values: Any) -> list[Any]:
    """The values where `mask` holds, None elsewhere."""
    result = np.full(len(mask), None, object)
    result[mask] = values[mask]
    return result.tolist()

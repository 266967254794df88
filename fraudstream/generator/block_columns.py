"""From the numbers of a block to the fields of its payments."""

from __future__ import annotations

from typing import Any

import numpy as np

from fraudstream.contracts import EXPONENTS
from fraudstream.generator.habits import (
    LAPTOP,
    NO_DEVICE,
    PARTNER,
    PURCHASE,
    REFUND,
    TABLET,
    Block,
)
from fraudstream.generator.merchants import ONLINE
from fraudstream.generator.places import BANKS, NAME_MATCH, TOWNS
from fraudstream.generator.population import Population
from fraudstream.generator.stable_choice import Int64Array, stable_uniform

PARTNERS = 6
_KINDS = np.array(
    [
        "purchase",
        "transfer",
        "bill_payment",
        "cash_withdrawal",
        "cash_deposit",
        "refund",
        "loan_repayment",
        "loan_drawdown",
        "wealth_subscription",
        "wealth_redemption",
        "fee",
        "purchase",
        "transfer",
    ],
    object,
)
_CHANNELS = np.array(["app", "web", "pos", "atm", "branch", "partner"], object)
_BANKS = np.array(BANKS, object)
_COUNTRIES = np.array([town.country for town in TOWNS], object)
_PARTNER_IDS = np.array([f"partner-{number}" for number in range(PARTNERS)], object)
# What follows the whole units of an amount, by exponent of the currency and minor units.
_DECIMALS = [[f".{rest:0{exponent}d}" if exponent else "" for rest in range(10**exponent)] for exponent in range(4)]
_SCALE = np.array([10**exponent for exponent in range(4)], np.int64)
_MATCHES = np.array([{NAME_MATCH: False}, {NAME_MATCH: True}], object)


def block_columns(population: Population, block: Block) -> dict[str, Any]:
    """Values of `Payment` fields by name, object arrays (n,); no ids, times and balances."""
    merchants, account, act = population.merchants, block.account, block.act
    at_merchant, at_terminal, to_payee = block.merchant >= 0, block.terminal >= 0, block.payee >= 0
    has_device = block.device != NO_DEVICE
    placed = at_terminal & ~block.takings  # takings are seen by the business, which has no card with a place
    country = _COUNTRIES[np.where(placed, merchants.terminal_town[block.terminal], population.home[account])]
    present = np.full(len(block), None, object)
    shopping = (act == PURCHASE) | (act == REFUND)
    online = shopping & at_merchant & (merchants.town[block.merchant] == ONLINE)
    present[online], present[at_terminal] = False, True
    currencies = population.currency[account]
    names_match = (stable_uniform(population.salt, block.payee, 4) >= 0.04).astype(np.int64)  # constant for a payee
    confirmed = to_payee & ~block.credit
    return {
        "account_id": population.account_ids[account],
        "amount": amount_texts(block.minor, currencies),
        "currency": currencies,
        "direction": np.where(block.credit, "credit", "debit").astype(object),
        "kind": _KINDS[act],
        "channel": _CHANNELS[block.channel],
        "partner_id": _where(act == PARTNER, _PARTNER_IDS[usual_partner(account)]),
        "merchant_id": _where(at_merchant, merchants.ids[block.merchant]),
        "mcc": _where(at_merchant, merchants.mcc[block.merchant]),
        "terminal_id": _where(at_terminal, merchants.terminal_ids[block.terminal]),
        "counterparty_id": _formatted(to_payee, block.payee, "cp-{:08d}"),
        "counterparty_bank": _where(to_payee, _BANKS[block.payee % len(BANKS)]),
        "device_id": _device_ids(population, block),
        "ip": _where(has_device, population.home_ips[account]),
        "country": country,
        "lat": _where(placed, merchants.terminal_lat[block.terminal]),
        "lon": _where(placed, merchants.terminal_lon[block.terminal]),
        "card_present": present,
        "attributes": _where(confirmed, _MATCHES[names_match]),
    }


def amount_texts(minor: Int64Array, currencies: Any) -> Any:
    """Decimal strings of non-negative amounts in minor units (int64, shape (n,)), with their currencies' decimals."""
    exponents = [EXPONENTS[currency] for currency in currencies.tolist()]
    whole, rest = np.divmod(minor, _SCALE[exponents])
    texts = np.empty(len(minor), object)
    texts[:] = [
        f"{major}{_DECIMALS[exponent][part]}"
        for major, exponent, part in zip(whole.tolist(), exponents, rest.tolist(), strict=True)
    ]
    return texts


def usual_partner(account: Any) -> Any:
    """The partner that an account uses, 0 to `PARTNERS` - 1."""
    return (account * 2_654_435_761 >> 7) % PARTNERS


def _device_ids(population: Population, block: Block) -> Any:
    ids = np.full(len(block), None, object)
    chosen = np.flatnonzero(block.device != NO_DEVICE)
    account, device = block.account[chosen], block.device[chosen]
    numbers, phones = account.tolist(), population.devices_had[account].tolist()
    found = np.empty(len(chosen), object)
    found[:] = [f"dev-{number:07d}-{phone}" for number, phone in zip(numbers, phones, strict=True)]
    laptop = np.flatnonzero(device == LAPTOP)
    found[laptop] = [f"dev-{number:07d}-w" for number in account[laptop].tolist()]
    tablet = np.flatnonzero(device == TABLET)
    found[tablet] = [f"dev-h{number:06d}" for number in population.household[account[tablet]].tolist()]
    ids[chosen] = found
    return ids


def _formatted(mask: Any, numbers: Int64Array, form: str) -> Any:
    result = np.full(len(mask), None, object)
    chosen = np.flatnonzero(mask)
    result[chosen] = list(map(form.format, numbers[chosen].tolist()))
    return result


def _where(mask: Any, values: Any) -> Any:
    """The values where `mask` holds, None elsewhere."""
    result = np.full(len(mask), None, object)
    result[mask] = values[mask]
    return result

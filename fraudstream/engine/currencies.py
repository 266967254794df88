"""`currencies.yaml`: the base currency in which amounts are compared and summed, and the rates of other currencies.

    base: EUR
    rates: {USD: "0.8532", GBP: "1.1689", JPY: "0.005911"}   # EUR for one unit of each, as decimal text

A rate is kept as an integer: minor units of the base for `RATE_UNIT` minor units of the currency, so the decimals of
both currencies are in it. `conversion` converts by it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from fraudstream.contracts.currency import EXPONENTS
from fraudstream.engine.conversion import RATE_EXPONENT, RATE_MAX, RATE_UNIT
from fraudstream.engine.document import Node

_DECIMAL = re.compile(r"([0-9]{1,18})(?:\.([0-9]{1,24}))?")


@dataclass(frozen=True, slots=True)
class Currencies:
    """`base`: code of the base currency. `rates`: of other currencies, by code, minor units of the base for `RATE_UNIT`
    minor units; each above 0 and at most `RATE_MAX`."""

    base: str
    rates: Mapping[str, int]


def read_currencies(root: Node) -> Currencies | None:
    """The currencies of a document; None where it has a fault, which is added to the document's."""
    faults_before = len(root.faults)
    top = root.entries("currencies.yaml", ("base", "rates"), ("base", "rates"))
    if len(top) < 2:
        return None
    base = top["base"].word("base")
    if base not in EXPONENTS:
        top["base"].fault(_unknown(base))
        return None
    nodes = top["rates"].entries("rates")
    if not nodes:
        top["rates"].fault("rates lists no currency, so no amount would be converted. List one, or remove the file.")
    rates = {code: _rate(code, node, base) for code, node in nodes.items()}
    if len(root.faults) > faults_before:
        return None
    return Currencies(base, {code: rates[code] for code in sorted(rates) if code != base})


def _rate(code: str, node: Node, base: str) -> int:
    """The rate of one currency as `Currencies.rates` has it; 0 and a fault if it is not one."""
    if code not in EXPONENTS:
        node.fault(_unknown(code))
        return 0
    text = node.word(f"the rate of {code}")
    found = _DECIMAL.fullmatch(text)
    if found is None:
        node.fault(f"the rate of {code} must be a decimal number above 0, such as '0.9132', not '{text[:40]}'.")
        return 0
    whole, decimals = found[1], (found[2] or "").rstrip("0")
    decimals_max = RATE_EXPONENT + EXPONENTS[base] - EXPONENTS[code]
    if len(decimals) > decimals_max:
        node.fault(f"the rate of {code} has {len(decimals)} decimals: at most {decimals_max} are counted. Round it.")
        return 0
    rate: int = int(whole + decimals) * 10 ** (decimals_max - len(decimals))
    if rate == 0:
        node.fault(f"the rate of {code} is 0: it must be above 0.")
    elif rate > RATE_MAX:
        node.fault(
            f"the rate of {code} is too large: at most {RATE_MAX // RATE_UNIT:,} minor units of {base} for one of "
            f"{code}. Is it the rate of {base} in {code}?"
        )
    elif code == base and rate != RATE_UNIT:
        node.fault(f"the rate of {code}, the base, is '{text}': it can only be 1. Correct it, or leave it out.")
    return rate


def _unknown(code: str) -> str:
    hint = f" Write it in capitals: {code.upper()}." if code.upper() in EXPONENTS else ""
    return f"'{code[:40]}' is not a currency of ISO 4217, such as EUR.{hint}"

"""A rule set whose rules and score fire often and read every kind of feature, over the oracle's catalogues."""

from __future__ import annotations

from fraudstream.engine.engine import Engine
from fraudstream.engine.rule_set import compile_rule_set
from tests.oracle.catalogues import CATALOGUES

_SCORE = """
threshold: 0.4
parts:
  - {part: against_past, weight: 0.4, value: amount / account.mean_1h, normal: account.mean_1h, from: 1, to: 3}
  - {part: burst, weight: 0.3, value: account.count_1h, from: 0, to: 4}
  - {part: new_country, weight: 0.3, value: account.new_country_90d}
"""


def _rule(number: int, status: str, outcome: str, when: str, message: str) -> str:
    return (
        f"id: 00000000-0000-4000-8000-00000000000{number}\ntitle: Rule {number}\nstatus: {status}\nseverity: high\n"
        f"outcome: {outcome}\nwhen: {when}\nmessage: '{message}'\n"
    )


RULES = {
    "score.yaml": _SCORE,
    "burst/many.yaml": _rule(
        1, "live", "block", "account.count_1h >= 3", "{account.count_1h} payments, {amount} to {merchant_id}"
    ),
    "burst/device.yaml": _rule(
        2, "live", "review", "device.count_1d >= 2 and device.age > 1m", "{device_id} for {device.age}"
    ),
    "burst/far.yaml": _rule(3, "shadow", "review", "account.speed_kmh > 900", "{account.speed_kmh} km/h"),
    "labels/fraud.yaml": _rule(
        4, "live", "review", "account.fraud_1d > 0 and amount > 1", "{account.fraud_1d} of a day was fraud"
    ),
    "amounts/deviant.yaml": _rule(
        5, "live", "review", "amount > account.mean_30d + 2 * account.std_30d", "{amount}, {account.mean_30d} is normal"
    ),
    "places/moved.yaml": _rule(
        6, "shadow", "review", "country != account.last_country", "{country} after {account.last_country}"
    ),
}


# KWD has no rate.
CURRENCIES = """
base: EUR
rates: {USD: "0.8532", JPY: "0.005911"}
"""


def _of_accounts(catalogue: str) -> dict[str, str]:
    """The catalogue and the rules of accounts alone."""
    kept = [line for line in catalogue.splitlines() if not line.strip().startswith(("device", "peers", "band"))]
    rules = {path: text for path, text in RULES.items() if "device." not in text}
    return {"features.yaml": "\n".join(kept), **rules}


ENGINES = {name: Engine(compile_rule_set({"features.yaml": text, **RULES})) for name, text in CATALOGUES.items()}
ACCOUNT_ENGINES = {name: Engine(compile_rule_set(_of_accounts(text))) for name, text in CATALOGUES.items()}
IN_EURO = Engine(compile_rule_set({"features.yaml": CATALOGUES["paned"], **RULES, "currencies.yaml": CURRENCIES}))
BARE_ENGINES = {name: Engine(compile_rule_set({"features.yaml": text})) for name, text in CATALOGUES.items()}

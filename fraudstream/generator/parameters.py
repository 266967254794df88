"""What the made-up world is like: customers, merchants, frauds, labels. One YAML file sets all of it.

Every field has a default and a description; `parameters_text` prints both, the command reads them back.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta


def _share(description: str) -> Meta:
    return Meta(ge=0, le=1, description=description)


def _positive(description: str) -> Meta:
    return Meta(gt=0, le=1_000_000, description=description)


def _count(description: str) -> Meta:
    return Meta(ge=1, le=1_000_000, description=description)


class Customers(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Habits of the customers."""

    payments_a_day: Annotated[float, _positive("of a customer, on average")] = 1.5
    dormant_share: Annotated[float, _share("of the customers: no payment for months")] = 0.01
    business_share: Annotated[float, _share("of the customers: merchants with an account here")] = 0.02
    household_share: Annotated[float, _share("of the customers: share an address and a tablet")] = 0.3
    weekend_level: Annotated[float, _positive("payments on a weekend day, relative to a working day")] = 1.15
    weekend_business: Annotated[float, _positive("bills, transfers, loans on a weekend day, likewise")] = 0.4
    pay_day_level: Annotated[float, Meta(ge=1, le=10, description="in the days after a salary, likewise")] = 1.6
    pay_day_days: Annotated[int, _count("how many days that lasts")] = 4
    new_merchant_share: Annotated[float, _share("of the purchases: at any merchant, by popularity, not by habit")] = 0.2
    new_payee_share: Annotated[float, _share("of the transfers: to a person who may be new to the customer")] = 0.08
    journeys_a_year: Annotated[float, Meta(ge=0, le=50, description="of a customer, each of some days")] = 3.0
    benign_anomaly_share: Annotated[float, _share("of the payments: genuine ones that look like fraud")] = 0.004


class Activities(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How often customers do what: relative numbers of payments on a working day."""

    purchase: Annotated[float, _positive("by card or online, at a merchant")] = 62.0
    transfer: Annotated[float, _positive("to a person")] = 12.0
    bill: Annotated[float, _positive("to a company")] = 6.5
    withdrawal: Annotated[float, _positive("of cash")] = 6.0
    deposit: Annotated[float, _positive("of cash")] = 1.0
    refund: Annotated[float, _positive("by a merchant")] = 1.2
    loan_repayment: Annotated[float, _positive("to the bank")] = 0.8
    loan_drawdown: Annotated[float, _positive("from the bank")] = 0.3
    investment: Annotated[float, _positive("of savings")] = 0.7
    redemption: Annotated[float, _positive("of investments")] = 0.3
    fee: Annotated[float, _positive("of the bank")] = 0.4
    partner: Annotated[float, _positive("a purchase through a partner")] = 4.0
    received: Annotated[float, _positive("from a person; salaries come on top")] = 4.0


class Merchants(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Merchants and their terminals."""

    customers_a_merchant: Annotated[float, _positive("in each town")] = 20.0
    popularity_exponent: Annotated[float, Meta(ge=0, le=3, description="of Zipf's law within town and category")] = 1.0
    terminals_max: Annotated[int, Meta(ge=1, le=100, description="of the busiest merchants; most have one")] = 8


class MuleNetworks(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rings that receive what thieves and swindlers take, and pass it on."""

    per_10000_customers: Annotated[float, _positive("rings at work at a time")] = 3.0
    used_share: Annotated[float, _share("of the stolen transfers: to a ring; the others go to a payee used once")] = 0.7
    payees_min: Annotated[int, _count("accounts that receive")] = 2
    payees_max: Annotated[int, _count("likewise")] = 6
    days_min: Annotated[float, _positive("that a ring works")] = 6.0
    days_max: Annotated[float, _positive("likewise")] = 30.0
    device_reuse_share: Annotated[float, _share("of the thefts: from a device that the ring used before")] = 0.4


class CompromisedTerminals(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Terminals and cash machines whose cards are copied: the payments there look as ever, and are frauds."""

    days_min: Annotated[float, _positive("until it is found out")] = 8.0
    days_max: Annotated[float, _positive("likewise")] = 28.0
    fraud_share: Annotated[float, _share("of the payments at such a terminal")] = 0.7


class BustOuts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Merchants that sell goods they never deliver, until they vanish."""

    days_min: Annotated[float, _positive("from the first fraud to the last")] = 4.0
    days_max: Annotated[float, _positive("likewise")] = 20.0
    payments_a_day: Annotated[float, _positive("at such a merchant")] = 8.0
    amount_factor_max: Annotated[float, Meta(ge=1, le=100, description="on the usual amount, from 1 to this")] = 3.0


class Typology(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One kind of fraud."""

    weight: Annotated[float, Meta(ge=0, le=1_000, description="share of the fraudulent payments, relative")]
    reported_share: Annotated[float, _share("of them that anyone reports")] = 0.9
    days: Annotated[float, _positive("until half of the reports are in")] = 5.0


class Typologies(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The kinds of fraud, by name; `docs/generator.md` describes them."""

    account_takeover: Typology = Typology(6, 0.97, 2)
    card_testing: Typology = Typology(8, 0.75, 4)
    compromised_terminal: Typology = Typology(22, 0.9, 6)
    stolen_card_online: Typology = Typology(18, 0.9, 6)
    undelivered_goods: Typology = Typology(9, 0.8, 14)
    impossible_travel: Typology = Typology(4, 0.95, 3)
    mule_in_and_out: Typology = Typology(6, 0.6, 12)
    refund_fraud: Typology = Typology(2, 0.6, 20)
    structuring: Typology = Typology(2, 0.4, 20)
    dormant_waking: Typology = Typology(1.5, 0.8, 15)
    partner_anomaly: Typology = Typology(4, 0.9, 5)
    new_payee_large_transfer: Typology = Typology(7, 0.7, 8)
    cash_out_burst: Typology = Typology(5, 0.95, 2)
    merchant_bust_out: Typology = Typology(2.5, 0.8, 14)
    loan_and_away: Typology = Typology(1.5, 0.8, 15)
    savings_sold: Typology = Typology(1.5, 0.95, 4)

    def named(self, name: str) -> Typology:
        """The typology of this name."""
        found: Typology = getattr(self, name)
        return found


class Labels(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What becomes known, and when."""

    days_spread: Annotated[float, Meta(ge=0, le=3, description="sigma of the log-normal time to a report")] = 0.7
    genuine_share: Annotated[float, _share("of the payments not reported so far: labelled genuine")] = 1.0
    genuine_days: Annotated[float, _positive("until then; frauds not reported so far among them")] = 7.0
    false_report_share: Annotated[float, _share("of the genuine payments: reported as fraud, later corrected")] = 0.0005
    cleared_first_share: Annotated[float, _share("of the reports: first labelled genuine, later corrected")] = 0.03
    correction_days: Annotated[float, _positive("from a wrong label to the right one, on average")] = 6.0


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of it."""

    customers: Customers = Customers()
    activities: Activities = Activities()
    merchants: Merchants = Merchants()
    mule_networks: MuleNetworks = MuleNetworks()
    compromised_terminals: CompromisedTerminals = CompromisedTerminals()
    bust_outs: BustOuts = BustOuts()
    typologies: Typologies = Typologies()
    labels: Labels = Labels()


TYPOLOGIES = Typologies.__struct_fields__

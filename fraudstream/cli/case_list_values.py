"""The values of a confirmed fraud that belong on a list: its account, devices, payees, ….

They are those of the case's alerts, as far as these are still on their topic.
"""

from __future__ import annotations

from typing import Final

from fraudstream.cli.case_view import alerts_of, find_case
from fraudstream.cli.failure import Failure
from fraudstream.cli.settings import Settings

FIELDS: Final = ("account_id", "device_id", "counterparty_id", "merchant_id", "terminal_id", "ip")


def values_of_case(settings: Settings, case_id: str, field: str) -> list[str]:
    """The different values of `field` in the payments of the case's alerts, sorted.

    Raises `Failure` if the case is not closed as a confirmed fraud, or has no such value.
    """
    case, partition = find_case(settings, case_id)
    if case.disposition != "confirmed_fraud":
        raise Failure(f"case {case.case_id} is not closed as a confirmed fraud: its values belong on no list.")
    alerts, missing = alerts_of(case, partition, settings)
    values = {value for alert in alerts.values() if (value := getattr(alert.payment, field)) is not None}
    if not values:
        why = missing if len(alerts) < len(case.alerts) else "its payments have none"
        raise Failure(f"case {case.case_id} has no {field}: {why}.")
    return sorted(values)

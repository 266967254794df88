"""Reference data of the generator: home towns, travel destinations, merchant categories, active hours, banks."""

from __future__ import annotations

from typing import NamedTuple


class Town(NamedTuple):
    """A town. `weight`: relative number of accounts; 0 for travel destinations. `zone_h`: UTC offset in hours.

    `lat`, `lon`: degrees.
    """

    name: str
    country: str
    lat: float
    lon: float
    currency: str
    zone_h: int
    weight: float


TOWNS = (
    Town("Brussels", "BE", 50.85, 4.35, "EUR", 1, 20),
    Town("Antwerp", "BE", 51.22, 4.40, "EUR", 1, 12),
    Town("Ghent", "BE", 51.05, 3.72, "EUR", 1, 8),
    Town("Paris", "FR", 48.86, 2.35, "EUR", 1, 14),
    Town("Berlin", "DE", 52.52, 13.40, "EUR", 1, 10),
    Town("Amsterdam", "NL", 52.37, 4.90, "EUR", 1, 9),
    Town("Madrid", "ES", 40.42, -3.70, "EUR", 1, 7),
    Town("Milan", "IT", 45.46, 9.19, "EUR", 1, 7),
    Town("London", "GB", 51.51, -0.13, "GBP", 0, 7),
    Town("Tokyo", "JP", 35.68, 139.69, "JPY", 9, 4),
    Town("Kuwait City", "KW", 29.38, 47.98, "KWD", 3, 2),
    Town("New York", "US", 40.71, -74.01, "USD", -5, 0),
    Town("Dubai", "AE", 25.20, 55.27, "AED", 4, 0),
    Town("Istanbul", "TR", 41.01, 28.98, "TRY", 3, 0),
    Town("Bangkok", "TH", 13.76, 100.50, "THB", 7, 0),
    Town("Lagos", "NG", 6.52, 3.38, "NGN", 1, 0),
    Town("Sao Paulo", "BR", -23.55, -46.63, "BRL", -3, 0),
    Town("Singapore", "SG", 1.35, 103.82, "SGD", 8, 0),
)
HOMES = tuple(index for index, town in enumerate(TOWNS) if town.weight > 0)
FAR = tuple(index for index, town in enumerate(TOWNS) if town.weight == 0)

# Rough price of one euro's worth of goods in each currency; used for generated amounts only, not as exchange rates.
PRICE_LEVEL = {"EUR": 1.0, "GBP": 0.85, "JPY": 160.0, "KWD": 0.33}


class Trade(NamedTuple):
    """A merchant category. Purchases are log-normal with `median` (euro) and `spread` (sigma).

    `weight`: relative number of purchases. `online`: card-not-present only. `busy`: when, of `BUSY_HOURS`. `weekend`:
    purchases on a weekend day, relative to a working day.
    """

    mcc: str
    median: float
    spread: float
    weight: float
    online: bool
    busy: str
    weekend: float


TRADES = (
    Trade("5411", 32.0, 0.7, 30, False, "shops", 1.3),  # grocery
    Trade("5812", 24.0, 0.6, 16, False, "meals", 1.5),  # restaurant
    Trade("5541", 48.0, 0.4, 9, False, "always", 1.0),  # fuel
    Trade("5912", 14.0, 0.6, 7, False, "shops", 0.7),  # pharmacy
    Trade("4111", 3.5, 0.5, 10, False, "commute", 0.4),  # local transport
    Trade("5651", 45.0, 0.7, 6, False, "shops", 1.8),  # clothing
    Trade("5732", 140.0, 0.8, 2, False, "shops", 1.4),  # electronics
    Trade("5944", 160.0, 0.9, 1, False, "shops", 1.2),  # jewellery
    Trade("5999", 28.0, 0.8, 14, True, "always", 1.0),  # shops
    Trade("5815", 9.0, 0.5, 10, True, "evening", 1.2),  # media
    Trade("5816", 6.0, 0.7, 6, True, "evening", 1.4),  # games
    Trade("4722", 190.0, 0.8, 2, True, "always", 1.0),  # travel
    Trade("7995", 25.0, 0.9, 2, True, "evening", 1.5),  # betting
    Trade("5734", 60.0, 0.8, 4, True, "always", 0.7),  # software
)

# Relative demand in each hour of the day, local time. No hour is empty: someone always pays.
BUSY_HOURS = {
    "shops": (1, 1, 1, 1, 1, 1, 2, 5, 8, 10, 10, 10, 10, 9, 9, 9, 10, 11, 11, 9, 6, 3, 2, 1),
    "meals": (3, 2, 1, 1, 1, 1, 3, 5, 5, 4, 4, 7, 12, 11, 6, 4, 4, 6, 10, 13, 13, 10, 7, 5),
    "commute": (2, 1, 1, 1, 1, 4, 9, 13, 12, 7, 5, 5, 5, 5, 6, 7, 11, 13, 11, 6, 4, 4, 3, 3),
    "evening": (6, 4, 3, 2, 2, 2, 3, 4, 4, 4, 5, 5, 6, 6, 6, 6, 7, 8, 10, 12, 13, 13, 11, 8),
    "always": (4, 4, 4, 4, 4, 4, 5, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 5, 5),
}

# Relative number of payments in each hour of the day, local time, for four kinds of customers.
HOURS = (
    (1, 1, 0, 0, 0, 1, 3, 6, 8, 8, 9, 10, 12, 10, 8, 8, 9, 11, 12, 10, 7, 5, 3, 2),  # by day
    (0, 0, 0, 0, 0, 1, 5, 10, 6, 3, 3, 4, 14, 8, 3, 3, 5, 12, 14, 9, 6, 4, 2, 1),  # around the office
    (2, 1, 1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 8, 7, 6, 6, 7, 9, 12, 14, 14, 12, 8, 4),  # in the evening
    (12, 12, 10, 8, 6, 4, 3, 2, 2, 2, 2, 2, 3, 3, 4, 4, 5, 5, 6, 7, 8, 9, 10, 12),  # by night
)
HOURS_WEIGHT = (45, 30, 20, 5)

BANKS = ("KREDBEBB", "GKCCBEBB", "BNPAFRPP", "DEUTDEFF", "INGBNL2A", "REVOLT21")
NAME_MATCH = "beneficiary_name_match"  # attribute: whether the payee name matches the account (confirmation of payee)

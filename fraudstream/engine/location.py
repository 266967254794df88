"""Distances between locations on the earth."""

from __future__ import annotations

import math

from fraudstream.compiled.jit import inlined_entry_point

EARTH_RADIUS_KM = 6371.0088  # mean radius, IUGG


@inlined_entry_point
def distance_km(lat_a: float, lon_a: float, lat_b: float, lon_b: float) -> float:
    """Great-circle distance in km, to the metre, of two locations in degrees.

    The haversine formula: Sinnott, "Virtues of the Haversine", Sky and Telescope 68(2), 1984. Rounded to the metre so
    that the last bit of a platform's sine function can't change a verdict.

    >>> distance_km(52.52, 13.405, 48.137, 11.575)  # Berlin, Munich
    504.339
    """
    a, b = math.radians(lat_a), math.radians(lat_b)
    half = math.sin((b - a) / 2.0) ** 2 + math.cos(a) * math.cos(b) * math.sin(math.radians(lon_b - lon_a) / 2.0) ** 2
    return round(2.0 * EARTH_RADIUS_KM * math.asin(math.sqrt(min(1.0, half))) * 1000.0) / 1000.0

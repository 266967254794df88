"""Distances on the earth, to the metre."""

from __future__ import annotations

import math

import pytest

from fraudstream.engine.location import EARTH_RADIUS_KM, distance_km


def test_a_place_is_nowhere_else() -> None:
    assert distance_km(52.52, 13.405, 52.52, 13.405) == 0.0


def test_the_two_meridians_at_180_degrees_are_one() -> None:
    assert distance_km(10.0, 180.0, 10.0, -180.0) == 0.0


def test_longitude_says_nothing_at_a_pole() -> None:
    assert distance_km(90.0, 0.0, 90.0, 123.0) == 0.0


@pytest.mark.parametrize(("b_lat", "b_lon"), [(0.0, 180.0), (0.0, -180.0)])
def test_opposite_places_are_half_the_way_round(b_lat: float, b_lon: float) -> None:
    assert distance_km(0.0, 0.0, b_lat, b_lon) == round(math.pi * EARTH_RADIUS_KM, 3)


def test_there_and_back_are_as_far() -> None:
    assert distance_km(52.52, 13.405, -33.87, 151.21) == distance_km(-33.87, 151.21, 52.52, 13.405)

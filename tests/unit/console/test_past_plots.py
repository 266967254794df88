"""The drawings of the past: every payment is drawn, inside the drawing, and no label lies over another."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

from fraudstream.console.plots.network_graph import COLUMN_WIDTH, ROW_HEIGHT, columns_of, network_graph, placed
from fraudstream.console.plots.place_map import place_map
from fraudstream.console.plots.timeline import AMOUNTS_HEIGHT, LEFT, RIGHT, WIDTH, timeline
from fraudstream.history.answers import PastPayment
from fraudstream.history.network import Hop, Network, Value

DAY = 86_400_000


def past(at_ms: int, amount_minor: int = 1_000, alert_id: str | None = None, **fields: Any) -> PastPayment:
    return PastPayment(f"p-{at_ms}", "a", at_ms, amount_minor, "EUR", fields, None, None, (), alert_id, None)


def points(path: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r"M(-?[\d.]+) (-?[\d.]+)h0", path)]


def test_every_payment_is_a_point_within_the_timeline() -> None:
    payments = [past(n * DAY, 10**n, alert_id="x" if n == 3 else None) for n in range(9)]
    drawn = timeline(payments, 0, 8 * DAY, "title", lambda each: each.event_id)
    found = points(drawn)
    assert len(found) == 8
    assert drawn.count('class="alert"') == 1
    assert f"<title>p-{3 * DAY}</title>" in drawn
    assert [x for x, _ in found] == sorted(x for x, _ in found)
    assert [y for _, y in found] == sorted((y for _, y in found), reverse=True)  # larger amounts are higher up
    assert all(LEFT <= x <= WIDTH - RIGHT and 0 <= y <= AMOUNTS_HEIGHT for x, y in found)


def test_channels_and_devices_have_lanes() -> None:
    payments = [past(n * DAY, channel="app" if n % 2 else "atm", device_id=f"dev-{n}") for n in range(8)]
    drawn = timeline(payments, 0, 8 * DAY, "title", lambda each: each.event_id)
    assert drawn.count('class="ticks"') == 2 + 5
    assert re.findall(r"<title>(a[a-z]+)</title>", drawn) == ["app", "atm"]


def test_each_of_several_accounts_has_dots_and_a_lane_of_its_own() -> None:
    payments = [past(n * DAY, 10**n, alert_id="x" if n == 5 else None, channel="app") for n in range(6)]
    drawn = timeline(payments, 0, 5 * DAY, "t", lambda each: each.event_id, ["••11", "••11"], [0, 0, 0, 1, 1, 1])
    paths = re.findall(r'<path d="([^"]*)" class="([^"]*)"', drawn)
    assert [(name, len(re.findall("M", path))) for path, name in paths] == [
        ("dots debit", 3),
        ("dots debit account-1", 2),
        ("ticks account-0", 3),  # names that look alike do not mix
        ("ticks account-1", 3),
        ("ticks", 6),
    ]
    assert 'class="alert account-1"' in drawn


def test_a_timeline_of_one_payment_can_be_drawn() -> None:
    assert len(points(timeline([past(5, 0)], 5, 5, "title", lambda each: each.event_id))) == 1


def network() -> Network:
    first: tuple[Value, ...] = tuple(("device", f"d{n}") for n in range(3))
    accounts = tuple(f"acct-{n:03}" for n in range(14))
    second: tuple[Value, ...] = (("ip", "10.0.0.1"),)
    return Network(
        ("me",),
        (),
        (
            Hop(first, accounts, tuple((name, first[n % 3]) for n, name in enumerate(("me", *accounts)))),
            Hop(second, ("far",), (("acct-002", second[0]), ("far", second[0]))),
        ),
        False,
    )


def test_no_two_labels_of_a_network_lie_over_each_other() -> None:
    columns, _ = columns_of(network())
    places = placed(columns)
    assert len(places) == 1 + 3 + 14 + 1 + 1
    rows = sorted((place.x, place.y) for place in places.values())
    for (x, y), (next_x, next_y) in pairwise(rows):
        assert next_x - x >= COLUMN_WIDTH or next_y - y >= ROW_HEIGHT


def _shown(kind: str, name: str) -> str:
    return name


def test_a_network_has_a_line_for_each_use_and_a_link_for_each_node() -> None:
    drawn = network_graph(
        network(), "title", lambda kind, name: f"/{kind}/{name}", _shown, str, lambda name: name == "far"
    )
    assert drawn.count('class="edge"') == 15 + 2
    assert 'href="/account/far"' in drawn
    assert drawn.count('class="marked"') == 1


def test_a_map_holds_every_place_and_none_without_places() -> None:
    assert place_map([past(1)], "title", lambda each: each.event_id) is None
    payments = [past(1, lat=52.5, lon=13.4), past(2, lat=-33.9, lon=151.2), past(3, alert_id="x", lat=40.7, lon=-74.0)]
    drawn = place_map(payments, "title", lambda each: each.event_id)
    assert drawn is not None
    size = re.search(r'viewBox="0 0 (\d+) (\d+)"', drawn)
    assert size is not None
    found = points(drawn)
    assert len(found) == 2
    assert all(0 <= x <= int(size[1]) and 0 <= y <= int(size[2]) for x, y in found)
    assert found[0][0] < found[1][0]  # Berlin is west of Sydney
    assert found[0][1] < found[1][1]  # and north of it


def test_places_that_are_one_have_a_map_at_the_ends_of_the_world() -> None:
    for lat, lon in ((90.0, 180.0), (-90.0, -180.0), (0.0, 0.0)):
        assert place_map([past(1, lat=lat, lon=lon)], "title", lambda each: each.event_id) is not None

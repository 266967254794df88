"""The network of an account: two hops, without crowds, within its caps."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fraudstream.history.network import ACCOUNTS_MAX, SHARED_MAX, Hop, Network, network_of
from fraudstream.history.reader import HistoryReader
from tests.unit.history.filled_store import fill
from tests.unit.history.log_records import payment


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[HistoryReader]:
    reader = HistoryReader(tmp_path)
    yield reader
    reader.close()


def network(reader: HistoryReader) -> Network:
    return network_of(reader, ["a"], since_ms=0, limit_s=20.0)


def test_two_hops_lead_over_shared_values(tmp_path: Path, reader: HistoryReader) -> None:
    fill(
        tmp_path,
        [
            payment(0, "a", device_id="d1", ip="own"),
            payment(1, "b", device_id="d1", counterparty_id="c1"),
            payment(2, "c", counterparty_id="c1", device_id="d9"),
            payment(3, "e", device_id="d9"),  # a third hop
        ],
    )
    found = network(reader)
    assert [(link.kind, link.value, link.accounts) for link in found.used] == [("ip", "own", 1), ("device", "d1", 2)]
    assert found.hops == (
        Hop((("device", "d1"),), ("b",), (("a", ("device", "d1")), ("b", ("device", "d1")))),
        Hop((("counterparty", "c1"),), ("c",), (("b", ("counterparty", "c1")), ("c", ("counterparty", "c1")))),
    )
    assert not found.is_capped


def test_what_a_crowd_uses_links_nobody(tmp_path: Path, reader: HistoryReader) -> None:
    crowd = [payment(n, f"x{n}", merchant_id="m") for n in range(SHARED_MAX)]
    fill(tmp_path, [payment(SHARED_MAX, "a", merchant_id="m"), *crowd])
    found = network(reader)
    assert found.hops == ()
    assert [link.accounts for link in found.used] == [SHARED_MAX + 1]


def test_a_large_network_is_capped(tmp_path: Path, reader: HistoryReader) -> None:
    users = [payment(n, f"x{n:02}", device_id="d") for n in range(1, ACCOUNTS_MAX[0] + 5)]
    fill(tmp_path, [payment(0, "a", device_id="d"), *users])
    found = network(reader)
    assert len(found.hops[0].accounts) == ACCOUNTS_MAX[0]
    assert found.is_capped


def test_an_account_that_shares_nothing_has_no_hops(tmp_path: Path, reader: HistoryReader) -> None:
    fill(tmp_path, [payment(0, "a", device_id="d"), payment(1, "b", device_id="e")])
    assert network(reader).hops == ()
    assert network_of(reader, ["nobody"], since_ms=0, limit_s=20.0).used == ()


def test_the_network_of_several_accounts_begins_with_all_of_them(tmp_path: Path, reader: HistoryReader) -> None:
    """What two of them share leads to no further account, and is there; what one of them shares leads on."""
    fill(
        tmp_path,
        [
            payment(0, "a", device_id="d1"),
            payment(1, "b", device_id="d1", ip="10.0.0.7"),
            payment(2, "c", ip="10.0.0.7"),
        ],
    )
    found = network_of(reader, ["a", "b"], since_ms=0, limit_s=20.0)
    assert found.accounts == ("a", "b")
    (hop,) = found.hops
    assert hop.accounts == ("c",)
    assert set(hop.edges) == {
        ("a", ("device", "d1")),
        ("b", ("device", "d1")),
        ("b", ("ip", "10.0.0.7")),
        ("c", ("ip", "10.0.0.7")),
    }

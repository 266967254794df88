"""Which clocks `fraudstream doctor` finds ahead or behind, without a cluster."""

from __future__ import annotations

from fraudstream.operations.doctor.clocks import Stamped, Watched, clock_findings
from fraudstream.operations.doctor.finding import Finding, worst

NOW_MS = 1_772_625_600_000
HOUR_MS, DAY_MS = 3_600_000, 86_400_000


def stamped(occurred_ms: int, published_ms: int, by_broker: bool = True) -> Stamped:
    return Stamped(0, 7, occurred_ms, published_ms, by_broker)


def clocks(*payments: Stamped, arrived: tuple[Stamped, ...] = ()) -> list[Finding]:
    watched = Watched(payments, arrived, since_ms=NOW_MS)
    return clock_findings("payments", watched, now_ms=NOW_MS, too_far_ahead_ms=DAY_MS)


def test_late_payments_are_no_fault_of_a_clock() -> None:
    assert worst(clocks(stamped(NOW_MS - DAY_MS, NOW_MS), stamped(NOW_MS, NOW_MS))) == "ok"


def test_a_publisher_that_is_ahead_is_found_and_an_hour_wrong_zone_is_named() -> None:
    (finding,) = clocks(stamped(NOW_MS + 8 * HOUR_MS, NOW_MS), stamped(NOW_MS, NOW_MS))
    assert (finding.severity, finding.where) == ("warning", "payments-0, offset 7")
    assert "1 of 2 payments occurred after they were published, by up to 8.0 h" in finding.what


def test_publishers_of_which_no_payment_is_on_time_are_behind() -> None:
    (finding,) = clocks(stamped(NOW_MS - 6 * HOUR_MS, NOW_MS), stamped(NOW_MS - 5 * HOUR_MS, NOW_MS))
    assert (finding.severity, finding.where) == ("warning", "payments-0, offset 7")
    assert "all 2 payments were published 5.0 h or more after they occurred" in finding.what


def test_a_payment_that_will_be_a_dead_letter_is_an_error() -> None:
    (finding,) = clocks(stamped(NOW_MS + 2 * DAY_MS, NOW_MS))
    assert finding.severity == "error"
    assert "worker.too_far_ahead" in finding.what


def test_a_broker_that_is_ahead_of_this_machine_is_an_error() -> None:
    (finding,) = clocks(stamped(NOW_MS, NOW_MS + 60_000))
    assert (finding.severity, "the broker's clock is 60 s ahead" in finding.what) == ("error", True)


def test_a_broker_that_is_behind_this_machine_is_found_by_a_payment_that_arrives() -> None:
    (finding,) = clocks(
        stamped(NOW_MS - HOUR_MS, NOW_MS - HOUR_MS), arrived=(stamped(NOW_MS - 90_000, NOW_MS - 90_000),)
    )
    assert finding.severity == "error"
    assert "the broker's clock is 90 s or more behind this machine's" in finding.what


def test_an_old_payment_that_was_there_does_not_tell_that_the_broker_is_behind() -> None:
    arrived = (stamped(NOW_MS + 100, NOW_MS + 100),)
    assert worst(clocks(stamped(NOW_MS - HOUR_MS, NOW_MS - HOUR_MS), arrived=arrived)) == "ok"


def test_times_of_publishers_are_not_those_of_the_broker() -> None:
    late = stamped(NOW_MS - 60_000, NOW_MS - 60_000, by_broker=False)
    assert [finding.remedy for finding in clocks(stamped(NOW_MS, NOW_MS, by_broker=False), arrived=(late,))] == [
        "message.timestamp.type=LogAppendTime"
    ]

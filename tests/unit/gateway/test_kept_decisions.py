"""What is kept for later questions is bounded, in number and in time."""

from __future__ import annotations

from fraudstream.gateway.kept_decisions import KeptDecisions


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_the_newest_are_kept_and_each_for_its_time() -> None:
    clock = Clock()
    kept = KeptDecisions(3, 10, clock)
    for number in range(5):
        kept.put((b"c", f"e{number}"), b"%d" % number)
    assert len(kept) == 3
    assert [kept.get((b"c", f"e{number}")) for number in range(5)] == [None, None, b"2", b"3", b"4"]
    clock.now_s = 9.9
    kept.put((b"c", "e4"), b"again")
    assert (kept.get((b"c", "e4")), kept.get((b"other", "e4"))) == (b"4", None)
    clock.now_s = 10
    assert kept.get((b"c", "e4")) is None
    kept.put((b"c", "e4"), b"again")
    assert (kept.get((b"c", "e4")), len(kept)) == (b"again", 1)

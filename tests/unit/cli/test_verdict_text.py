"""Reasons on a terminal: a value stands beside the threshold that it was compared with, in one style."""

from __future__ import annotations

import io

from rich.console import Console

from fraudstream.cli import verdict_text
from fraudstream.contracts import Evidence, ScorePart


def printed(what: object) -> str:
    console = Console(width=120, file=(out := io.StringIO()), highlight=False)
    console.print(what)
    return out.getvalue()


def test_a_computed_threshold_is_named_and_one_that_the_rule_states_is_not_repeated() -> None:
    computed = Evidence("amount", ">", "3 * account.mean", "10.00 EUR", "3.00 EUR", 2.33)
    stated = Evidence("payments", ">=", "5", "7", "5", 0.4)
    text = printed(verdict_text.comparisons([("yes", computed), ("no", stated)]))
    assert "10.00 EUR, threshold 3.00 EUR  +233 %" in text
    assert "payments >= 5" in text
    assert "7, threshold" not in text


def test_the_points_of_a_part_stand_beside_the_most_that_it_can_give() -> None:
    assert "0.1500, at most 0.25  new_device" in printed(
        verdict_text.score_parts([ScorePart("new_device", 0.15, 0.25)])
    )

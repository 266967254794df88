"""`risk` and `risk_last` by hand, and what the catalogue accepts of them."""

from __future__ import annotations

from typing import Any

import pytest

from fraudstream.contracts.label import Label
from fraudstream.contracts.payment import Payment
from fraudstream.engine.document import DocumentErrors
from fraudstream.engine.engine import Engine
from fraudstream.engine.rule_set import compile_rule_set

D = 86_400_000
NOON = 1_750_000_000_000


def catalogue(*features: str) -> str:
    lines = "".join(f"  account.f{n}: {{{feature}}}\n" for n, feature in enumerate(features))
    return f"version: 1\nentities: {{account: {{key: account_id, slots: 16}}}}\nfeatures:\n{lines}"


def pay(n: int, t: int) -> Payment:
    return Payment(f"e-{n}", t, "a", "1", "EUR", "debit")


def labels(*found: tuple[int, Any]) -> list[Label]:
    return [Label(f"e-{n}", "a", value, NOON + at) for at, (n, value) in enumerate(found)]


ENGINE = Engine(
    compile_rule_set(
        {
            "features.yaml": catalogue(
                "aggregate: risk, window: 2d, delay: 1d",
                "aggregate: risk, window: 90d, prior: 0.25, strength: 4",
                "aggregate: risk_last, last: 2",
                "aggregate: risk_last, last: 8",
            )
        }
    )
)


def answers(log: list[Payment | Label], t: int = NOON + 8 * D) -> list[float]:
    verdicts = ENGINE.judge([*log, pay(99, t)], ENGINE.new_state())
    return [float(verdicts.features[f"account.f{n}"][-1]) for n in range(4)]


PAID: list[Payment | Label] = [pay(n, NOON + n * D) for n in range(9)]


def test_a_risk_is_the_share_among_labelled_payments_drawn_towards_the_prior() -> None:
    log = [*PAID, *labels((4, "fraud"), (5, "fraud"), (6, "fraud"), (7, "genuine"), (8, "fraud"))]
    assert answers(log)[0] == (1 + 20 * 0.005) / (2 + 20)  # of days 6 and 7
    assert answers(log)[1] == (4 + 1) / (5 + 4)


def test_without_labels_a_risk_is_the_prior_and_that_of_the_last_labels_is_missing() -> None:
    found = answers(PAID)
    assert found[:2] == [0.005, 0.25]
    assert found[2] != found[2]


def test_the_last_labels_are_those_that_came_last_whatever_the_time_of_their_payments() -> None:
    assert answers([*PAID, *labels((8, "fraud"), (1, "genuine"), (0, "fraud"))])[2:] == [1 / 2, 2 / 3]


def test_a_correction_changes_a_label_where_it_is() -> None:
    log = [*PAID, *labels((8, "fraud"), (1, "genuine"), (0, "genuine"), (8, "genuine"), (1, "fraud"))]
    assert answers(log)[2:] == [1 / 2, 1 / 3]


def test_only_the_last_eight_are_remembered() -> None:
    log = [*PAID, *labels(*((n, "fraud" if n == 0 else "genuine") for n in range(9)))]
    assert answers(log)[3] == 0.0
    assert answers([*log, *labels((0, "genuine"))])[3] == 0.0


@pytest.mark.parametrize(
    ("feature", "sentence"),
    [
        ("aggregate: risk_last", "'risk_last' needs 'last', from 1 to 8: last: 5."),
        ("aggregate: risk_last, last: 9", "last must be a whole number from 1 to 8."),
        ("aggregate: risk, window: 7d, last: 2", "'risk' takes no 'last'."),
        ("aggregate: risk, window: 7d, prior: 2", "prior must be from"),
        ("aggregate: risk_last, last: 2, window: 7d", "'risk_last' takes no window."),
    ],
)
def test_what_the_catalogue_refuses(feature: str, sentence: str) -> None:
    with pytest.raises(DocumentErrors) as caught:
        compile_rule_set({"features.yaml": catalogue(feature)})
    assert sentence in str(caught.value)


def test_a_retention_is_from_a_day_to_four_hundred() -> None:
    with pytest.raises(DocumentErrors, match="the retention of labels must be from"):
        compile_rule_set({"features.yaml": "labels: {retention: 500d}\n" + catalogue("aggregate: risk, window: 7d")})

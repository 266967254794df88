"""How alerts are grouped into a case."""

import msgspec
import pytest
from msgspec.structs import replace

from fraudstream.cases.amounts import AlertError, add_amount, amount_minor
from fraudstream.cases.grouping import ALERTS_KEPT, joined, opened
from tests.unit.cases.events import alert, rule


def test_an_alert_opens_a_case_at_the_time_of_its_payment() -> None:
    case = opened(alert(occurred_at_ms=1_234, severity="high", score=0.91))

    assert (case.status, case.version, case.alert_count) == ("new", 1, 1)
    assert (case.opened_at_ms, case.updated_at_ms) == (1_234, 1_234)
    assert (case.severity, case.score, case.amount_totals) == ("high", 0.91, {"EUR": "10.00"})


def test_a_case_id_follows_from_the_account_and_its_first_alert() -> None:
    assert opened(alert("a1")).case_id == opened(alert("a1", amount="99")).case_id
    assert len({opened(alert(a, account)).case_id for a in ("a1", "a2") for account in ("acc-1", "acc-2")}) == 4


def test_a_case_has_the_highest_severity_and_score_of_its_alerts() -> None:
    case = opened(alert("a1", severity="high", score=0.9))
    case = joined(case, alert("a2", severity="low", score=0.95, occurred_at_ms=500))

    assert (case.severity, case.score) == ("high", 0.95)
    assert (case.opened_at_ms, case.updated_at_ms) == (1_000, 1_000), "an older alert must not move the case back"


def test_a_case_names_every_live_rule_once_in_order_of_first_firing() -> None:
    case = opened(alert("a1", rules=("b/b", "a/a")))
    case = joined(case, alert("a2", rules=("a/a", "c/c")))
    case = joined(case, replace(alert("a3"), rules=(rule("d/d", shadow=True),)))

    assert case.rules == ("b/b", "a/a", "c/c")


def test_totals_stay_exact_where_binary_floats_would_drift() -> None:
    case = opened(alert("a0", amount="0.10"))
    for number in range(1, 1_000):
        case = joined(case, alert(f"a{number}", amount="0.10"))

    assert case.amount_totals == {"EUR": "100.00"}
    assert case.alert_count == 1_000


def test_totals_are_kept_apart_by_currency_with_its_decimals() -> None:
    case = opened(alert("a1", amount="1250", currency="JPY"))
    case = joined(case, alert("a2", amount="0.005", currency="KWD"))
    case = joined(case, alert("a3", amount="1", currency="JPY"))

    assert case.amount_totals == {"JPY": "1251", "KWD": "0.005"}


def test_a_case_lists_its_newest_alerts_and_counts_all() -> None:
    case = opened(alert("a0"))
    for number in range(1, ALERTS_KEPT + 10):
        case = joined(case, alert(f"a{number}"))

    assert case.alert_count == ALERTS_KEPT + 10
    assert [line.alert_id for line in case.alerts] == [f"a{n}" for n in range(10, ALERTS_KEPT + 10)]
    assert case.amount_totals == {"EUR": f"{(ALERTS_KEPT + 10) * 10}.00"}


@pytest.mark.parametrize(
    ("text", "currency", "reason"),
    [
        ("1e3", "EUR", "amount"),
        ("", "EUR", "amount"),
        ("1.005", "EUR", "amount"),
        ("1.5", "JPY", "amount"),
        ("1", "XXX", "currency"),
    ],
)
def test_an_invalid_amount_is_an_error_with_the_code_of_its_dead_letter(text: str, currency: str, reason: str) -> None:
    with pytest.raises(AlertError) as caught:
        amount_minor(text, currency)
    assert caught.value.reason == reason


def test_an_amount_may_have_fewer_decimals_or_more_zeros() -> None:
    assert add_amount({}, "7", "EUR") == {"EUR": "7.00"}
    assert add_amount({"EUR": "7.00"}, "0.0500", "EUR") == {"EUR": "7.05"}


def test_a_case_of_the_longest_alerts_still_fits_a_record() -> None:
    names = tuple(f"{number:03}".ljust(128, "ß") for number in range(100))
    case = opened(alert("0".ljust(128, "é"), rules=names))
    for number in range(1, ALERTS_KEPT):
        case = joined(case, alert(f"{number}".ljust(128, "é"), rules=names))

    assert len(msgspec.json.encode(case)) < 1_000_000
    assert len(case.alerts) > 10
    assert case.alert_count == ALERTS_KEPT


def test_an_alert_with_a_name_that_is_too_long_is_rejected() -> None:
    with pytest.raises(AlertError):
        opened(alert("a" * 129))

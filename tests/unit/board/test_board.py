"""The board: its counts, and that it fits the terminal."""

import io

import pytest
from rich.console import Console

from fraudstream.board.lines import alert_line, summary_line
from fraudstream.board.run_state import Process, RunState
from fraudstream.board.screen import screen
from fraudstream.contracts import Alert, Case, Payment
from fraudstream.contracts.alert import RuleHit, ScorePart


def alert(number: int, message: str = "5 payments in an hour", rules: bool = True) -> Alert:
    hit = RuleHit("card_testing/many_merchants", "0", "Many", "high", message, ())
    return Alert(
        alert_id=f"a{number}",
        verdict_digest="d",
        event_id=f"e{number}",
        account_id=f"acc-{number}",
        occurred_at_ms=1_735_718_400_000,
        outcome="review",
        severity="high",
        score=0.75,
        score_threshold=0.7,
        rule_set="r",
        rules=(hit,) if rules else (),
        score_parts=(ScorePart("new_device", 0.15, 0.15), ScorePart("amount", 0.6, 0.6, "120 EUR", "10 EUR")),
        features=(),
        payment=Payment(f"e{number}", 0, f"acc-{number}", "1234.50", "EUR", "debit"),
    )


def case(number: int, version: int, alerts: int, status: str = "new") -> Case:
    return Case(
        case_id=f"c{number}",
        account_id=f"acc-{number}",
        status=status,  # type: ignore[arg-type]
        version=version,
        opened_at_ms=0,
        updated_at_ms=0,
        severity="critical",
        score=0.9,
        alert_count=alerts,
        alerts=(),
        amount_totals={"EUR": "99.10"},
        rules=("mule/in_and_out",),
    )


def busy_state() -> RunState:
    state = RunState()
    state.phase, state.notice = "live: 1 s of the clock is 4.8 min of payments", "worker 2 was killed by SIGKILL"
    state.endpoints = {"broker": "127.0.0.1:40001", "redis": "redis://127.0.0.1:40002/0", "topics": "payments " * 20}
    state.processes = [Process(f"worker {n}", "ready", "1,000 decided", "http://127.0.0.1:40003") for n in range(12)]
    state.on_truth([("e1", "acc-1", "card_testing")])
    state.on_published([f"e{n}" for n in range(300)], 300)
    state.on_decided(300, [1.0] * 99 + [50.0])
    for number in range(300):
        state.on_alert(alert(number, "a reason far too long for a line " * 9))
        state.on_case(case(number, 1, 1))
    return state


@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 40), (200, 60), (81, 31)])
def test_the_board_fills_the_terminal_and_never_exceeds_it(width: int, height: int) -> None:
    for state in (RunState(), busy_state()):
        console = Console(width=width, height=height, file=(out := io.StringIO()))
        console.print(screen(state, width, height))
        drawn = out.getvalue().splitlines()
        assert len(drawn) <= height
        assert max(map(len, drawn)) <= width


def test_a_line_has_time_account_amount_rule_reason_and_truth() -> None:
    state = busy_state()
    state.on_alert(alert(1))
    assert alert_line(state.alerts[-1]) == (
        "alert 2025-01-01T08:00:00Z acc-1 1,234.50 EUR score 0.75 high card_testing/many_merchants: "
        "5 payments in an hour [fraud: card_testing]"
    )


def test_an_alert_by_score_alone_is_explained_by_its_largest_parts() -> None:
    state = RunState()
    state.on_alert(alert(7, rules=False))
    assert alert_line(state.alerts[-1]).endswith(
        "high no rule: score 0.75, threshold 0.7: amount 0.60 (120 EUR, normal 10 EUR), new_device 0.15"
    )


def test_precision_and_found_frauds_follow_the_truth() -> None:
    state = RunState()
    state.on_alert(alert(0))
    assert state.precision() is None
    assert "right" not in summary_line(state)

    state = RunState()
    state.on_truth([("e1", "acc-1", "card_testing"), ("e2", "acc-1", "card_testing"), ("e3", "acc-3", "mule")])
    state.on_published(["e0", "e1", "e2", "e3"], 4)
    for number in range(3):
        state.on_alert(alert(number))
    assert (state.frauds, state.frauds_found) == (2, 1)
    assert state.precision() == pytest.approx(2 / 3)


def test_a_case_counts_once_however_often_it_changes() -> None:
    state = RunState()
    for version, alerts in ((1, 1), (2, 2), (2, 2)):
        state.on_case(case(5, version, alerts))
    state.on_case(case(6, 1, 1))
    assert (state.cases_seen, state.open_cases, state.alerts_in_cases) == (2, 2, 3)
    state.on_case(case(5, 3, 2, "closed"))
    assert (state.cases_seen, state.open_cases, state.alerts_in_cases) == (2, 1, 3)


def test_a_case_that_has_left_is_on_the_board_no_longer() -> None:
    state = busy_state()
    case_id = next(iter(state.cases))
    state.on_case_removed(case_id)
    state.on_case_removed("unknown")
    assert case_id not in state.cases

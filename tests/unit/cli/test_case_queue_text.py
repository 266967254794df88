"""Cases on a terminal of 80 columns: the queue, one case, its notes and its alerts."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from fraudstream.cases.grouping import joined, opened
from fraudstream.cli.case_queue_text import print_cases
from fraudstream.cli.case_text import payment_fields, print_case
from fraudstream.contracts import Alert, Case, CaseNote
from tests.unit.cases.events import alert
from tests.unit.contracts.examples import FULL, PAYMENT

RULES = tuple(f"account_takeover/new_device_number_{number}" for number in range(6))


def case_of(*alerts: Alert) -> Case:
    case = opened(alerts[0])
    for later in alerts[1:]:
        case = joined(case, later)
    return case


def queue_of(capsys: pytest.CaptureFixture[str], *cases: Case) -> list[str]:
    print_cases(cases)
    return capsys.readouterr().out.splitlines()


def shown(capsys: pytest.CaptureFixture[str], case: Case, *alerts: Alert) -> str:
    print_case(case, {each.alert_id: each for each in alerts}, "no longer in the topic")
    return capsys.readouterr().out


def test_the_queue_fits_a_terminal_of_80_columns(capsys: pytest.CaptureFixture[str]) -> None:
    amounts = [
        alert(f"a{n}", "acc-1", "999999999.99", code, rules=RULES) for n, code in enumerate(("EUR", "USD", "SEK"))
    ]
    busy = replace(
        case_of(*amounts), severity="critical", status="in_review", assignee="a.very.long.login.name@bank.example"
    )
    for line in queue_of(capsys, busy, case_of(alert(account_id="x" * 128))):
        assert len(line) <= 80, line


def test_the_queue_shows_account_amounts_and_rules_below_each_case(capsys: pytest.CaptureFixture[str]) -> None:
    case = case_of(alert("a1"), alert("a2", rules=("mule/in_and_out",)))
    headings, row, below = queue_of(capsys, case)
    assert headings.split() == ["CASE", "SEVERITY", "SCORE", "OPENED", "ALERTS", "STATE"]
    assert row.split() == [case.case_id[:8], "medium", "0.5000", "1970-01-01T00:00:01Z", "2", "new"]
    assert below == "    acc-1: 20.00 EUR: takeover/new_device, mule/in_and_out"


def test_an_alert_of_the_score_alone_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    case = case_of(alert(rules=()))
    assert queue_of(capsys, case)[-1] == "    acc-1: 10.00 EUR: no rule: the score alone"
    assert "no rule: the score alone" in shown(capsys, case, alert(rules=()))


def test_ids_are_shown_with_as_many_digits_as_tell_them_apart(capsys: pytest.CaptureFixture[str]) -> None:
    case = case_of(alert())
    ids = ("0123456789ab" + "0" * 20, "0123456789" + "f" * 22)
    lines = queue_of(capsys, *(replace(case, case_id=case_id) for case_id in ids))
    assert [line.split()[0] for line in lines[1::2]] == ["0123456789a", "0123456789f"]


def test_a_closed_case_says_how_by_whom_and_when_it_was_closed(capsys: pytest.CaptureFixture[str]) -> None:
    closed = replace(
        case_of(alert()),
        status="closed",
        disposition="confirmed_fraud",
        typology="mule",
        closed_by="ann",
        closed_at_ms=60_000,
        assignee="bob",
    )
    assert "closed as confirmed_fraud (mule) by ann at 1970-01-01T00:01:00.000Z" in shown(capsys, closed)
    assert "closed as confirmed_f" in queue_of(capsys, closed)[1]


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"status": "assigned", "assignee": "ann"}, "assigned to ann"),
        ({"status": "in_review", "assignee": "ann"}, "in review by ann"),
        ({"status": "waiting", "assignee": "ann", "waiting_for": "partner"}, "waiting for partner: ann"),
        ({"status": "escalated", "escalated_to": "senior"}, "escalated to senior"),
    ],
)
def test_a_case_says_who_works_it(capsys: pytest.CaptureFixture[str], fields: dict[str, Any], text: str) -> None:
    assert text in shown(capsys, replace(case_of(alert()), **fields))


def test_every_note_is_shown_with_its_author_time_and_action(capsys: pytest.CaptureFixture[str]) -> None:
    notes = (CaseNote(5_000, "ann", "note", "called the customer"), CaseNote(6_000, "bob", "close", "card copied"))
    text = shown(capsys, replace(case_of(alert()), notes=notes))
    assert "1970-01-01T00:00:05.000Z ann (note): called the customer" in text
    assert "1970-01-01T00:00:06.000Z bob (close): card copied" in text


def test_equal_alerts_are_grouped_and_every_payment_of_them_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    first, other, last = alert("a1"), alert("a2", rules=("mule/in_and_out",)), alert("a3", amount="30.00")
    text = shown(capsys, case_of(first, other, last), first, other, last)
    assert text.count("2 alerts: review, severity medium: takeover/new_device") == 1
    assert text.count("1 alert: review, severity medium: mule/in_and_out") == 1
    group, _, _ = text.partition("1 alert: review")
    assert group.index("event-of-a1: 10.00 EUR") < group.index("event-of-a3: 30.00 EUR")
    assert "reasons of the newest, event-of-a3:" in group


def test_alerts_that_cannot_be_read_are_grouped_by_what_the_case_has(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, case_of(alert("a1"), alert("a2")))
    assert "2 alerts: severity medium: takeover/new_device" in text
    assert "reasons unknown: no longer in the topic" in text


def test_the_fields_of_a_payment_are_shown_by_name() -> None:
    text = payment_fields(PAYMENT)
    assert text.startswith("direction debit, kind transfer, channel app, partner_id par-1")
    assert "card_present no" in text
    assert "attributes.beneficiary_name_match yes, attributes.branch Vasastan" in text
    for name in ("event_id", "account_id", "schema_version", "occurred_at"):
        assert name not in text


def test_a_case_with_every_field_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    case, full = FULL["case"], FULL["alert"]
    assert isinstance(case, Case)
    assert isinstance(full, Alert)
    print_case(case, {case.alerts[0].alert_id: full}, "")
    assert "device_id dev-8" in capsys.readouterr().out

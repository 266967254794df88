"""The report of a case: what it holds, what it lacks, and that it masks what its reader may not see."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
from msgspec.structs import replace

from fraudstream.console.report.builder import PAST_MAX, Past, past_of, past_rows, past_since_ms
from fraudstream.console.report.content import json_of, report_schema
from fraudstream.contracts import CaseNote, CaseStep, ScorePart
from fraudstream.contracts.attached_file import AttachedFile
from fraudstream.contracts.case import CaseProposal
from fraudstream.contracts.schemas import schema_text
from fraudstream.history.answers import PastPayment
from tests.unit.cases.events import alert
from tests.unit.console.case_alerts import CASE, line_of
from tests.unit.console.console_app import case
from tests.unit.console.made_report import case_of, made
from tests.unit.console.revealing_alert import SECRETS, revealing

SCHEMA = Path(__file__).parents[3] / "docs" / "schemas" / "case-report.json"
MINUTE_MS = 60_000


def past_payment(event_id: str = "p-1", **fields: Any) -> PastPayment:
    values = {"direction": "debit", "channel": "app"} | fields
    return PastPayment(event_id, "acc-1", 500, 1250, "EUR", values, "allow", 0.1, (), None, "genuine")


def test_a_report_tells_who_did_what_when_and_why() -> None:
    parts = (ScorePart("amount_against_past", 0.4, 0.5), ScorePart("night", -0.1, 0.2))
    alerts = [replace(alert("a1"), score_parts=parts), replace(alert("a2", occurred_at_ms=2_000))]
    found = case_of(
        *alerts,
        status="closed",
        disposition="confirmed_fraud",
        typology="mule",
        closed_by="ann",
        closed_at_ms=9_000,
        approved_by="pia",
        amount_totals={"EUR": "20.00"},
        notes=(CaseNote(9_000, "ann", "close", "money left at once"),),
        steps=(CaseStep(8_000, "ann", "claim", 3), CaseStep(9_000, "ann", "close", 4, "confirmed_fraud mule")),
    )
    report = made(found, *alerts)
    assert report.narrative == (
        "Account acc-1: 2 payments were alerted, between 1970-01-01 08:00:01 +0800 and 1970-01-01 08:00:02 +0800, "
        "20.00 EUR in all. The case has severity high.",
        "takeover/new_device: takeover/new_device (2 alerts). The highest score is 0.5000, threshold 0.8000; what "
        "raised it most: amount_against_past.",
        "This report lists 2 payments.",
        "ann closed the case on 1970-01-01 08:00:09 +0800 as confirmed fraud. Typology: Mule. pia approved it.",
        "ann wrote on closing it: money left at once",
    )
    assert [(entry.kind, entry.subject, entry.actor, entry.text) for entry in report.timeline] == [
        ("alert", "event-of-a1", None, "takeover/new_device"),
        ("alert", "event-of-a2", None, "takeover/new_device"),
        ("step", "claim", "ann", None),
        ("step", "close", "ann", "confirmed_fraud mule: money left at once"),
        ("opened", CASE, None, None),
    ]
    assert report.score is not None
    assert [part.part for part in report.score.parts] == ["amount_against_past", "night"]
    assert report.disposition is not None
    assert (report.disposition.proposed, report.disposition.approved_by) == (False, "pia")
    assert report.case.other_cases == ("d" * 32,)


def test_a_proposed_closing_is_told_as_one() -> None:
    found = case_of(alert(), proposal=CaseProposal("ann", 5, "confirmed_fraud", "mule"))
    report = made(found, alert())
    assert report.disposition is not None
    assert report.disposition.proposed
    assert any("A second person is to approve it" in each for each in report.narrative)


def test_without_a_history_store_the_report_says_what_it_lacks() -> None:
    report = made(case_of(alert()), alert())
    assert (report.sources.alerts, report.sources.payments) == ("complete", "none")
    assert "no other payment of the account" in report.sources.sentences[1]
    for missing in ("reading", "unreadable"):
        assert made(case_of(alert()), alert(), past=missing).sources.payments == "none"


def test_alerts_that_are_gone_are_told() -> None:
    found = case_of(alert("a1"), alert("a2"), alert_count=5)
    report = made(found, alert("a1"))
    assert report.sources.alerts == "partial"
    assert "Of 5 alerts, 1 were read" in report.sources.sentences[0]
    assert made(found).sources.alerts == "none"
    assert {payment.event_id for payment in made(found).payments} == {"event-of-a1", "event-of-a2"}


def test_the_payments_of_the_history_are_there_once() -> None:
    past = Past(0, [past_payment("event-of-a1"), past_payment(balance_before_minor=990, attributes='{"steps": 3}')])
    report = made(case_of(alert()), alert(), past=past)
    assert [(each.event_id, each.amount, each.alert_id, each.label) for each in report.payments] == [
        ("event-of-a1", "10.00", "a1", "genuine"),
        ("p-1", "12.50", None, "genuine"),
    ]
    assert report.payments[1].fields == {
        "direction": "debit",
        "channel": "app",
        "balance_before": "9.90",
        "attributes.steps": "3",
    }
    assert report.sources.payments == "complete"
    full = past_of(case_of(), 0, [[past_payment(f"p-{number}") for number in range(PAST_MAX)]])
    assert made(case_of(alert()), alert(), past=full).sources.payments == "partial"


def test_the_payments_of_merged_accounts_are_there_under_their_account() -> None:
    found = case_of(alert(), other_accounts=("acc-2",))
    other = past_payment("p-2")._replace(account_id="acc-2")
    report = made(found, alert(), past=past_of(found, 0, [[past_payment()], [other]]))
    assert [(each.event_id, each.account_id) for each in report.payments[1:]] == [("p-1", None), ("p-2", "acc-2")]
    assert [(each.value, each.payments) for each in report.parties if each.role == "subject"] == [
        ("acc-1", 2),
        ("acc-2", 1),
    ]
    assert report.sources.payments == "complete"
    assert past_of(found, 0, [[past_payment()]]).is_cut  # an account is missing
    assert past_rows(found) == PAST_MAX // 2


def test_the_report_looks_back_from_the_first_alert() -> None:
    first_ms = 100 * 86_400_000
    found = case_of(alert("a1", occurred_at_ms=first_ms + 5), alert("a2", occurred_at_ms=first_ms))
    assert past_since_ms(found) == 70 * 86_400_000
    assert past_since_ms(case_of(alert())) == 0
    assert past_since_ms(case(CASE, opened_at_ms=first_ms)) == 70 * 86_400_000


def test_no_identifier_is_in_a_masked_report_wherever_it_stands() -> None:
    secrets = ("4000-7777-8888-9999", "device-of-the-past", "198.51.100.9", "Max Beispiel")
    past = Past(
        0,
        [
            past_payment(
                counterparty_id=secrets[0],
                device_id=secrets[1],
                ip=secrets[2],
                attributes=json.dumps({"n": secrets[3]}),
            )
        ],
    )
    for place, secret in SECRETS.items():
        each = replace(revealing(secret), alert_id="a1")
        note = CaseNote(5, "ann", "note", f"called {secret} about {secrets[0]}")
        found = case_of(each, account_id=SECRETS["account_id"], notes=(note,), steps=(CaseStep(5, "ann", "note", 2),))
        text = json_of(made(found, each, past=past, visible=False)).decode()
        assert [hidden for hidden in (secret, SECRETS["account_id"], *secrets) if hidden in text] == [], place
        shown = json_of(made(found, each, past=past)).decode()
        assert secret in shown
        assert secrets[3] in shown


def test_files_are_listed_with_their_digests_and_masked_names() -> None:
    """Also a digest of digits alone, which looks like the number of a card."""
    digest = "4929000000006000" * 4
    file = AttachedFile(digest, "acc-1 4929000000006.pdf", 48_211, "application/pdf", "ann", 5)
    for visible in (True, False):
        document = json.loads(json_of(made(case_of(alert(), files=(file,)), alert(), visible=visible)))
        (listed,) = document["files"]
        assert (listed["sha256"], listed["attached_by"], listed["size_bytes"]) == (digest, "ann", 48_211)
        assert ("4929000000006" in listed["file_name"]) == visible


def test_the_json_form_has_the_documented_schema() -> None:
    remedy = "write schema_text(report_schema()) into docs/schemas/case-report.json"
    assert SCHEMA.read_text() == schema_text(report_schema()), remedy
    each = revealing("4929-1111-2222-3333")
    for found in (case_of(each, notes=(CaseNote(5, "ann", "close", "x"),)), case(CASE, status="closed")):
        for language in ("en", "zh-Hans"):
            document = json.loads(json_of(made(found, each, past=Past(0, [past_payment()]), language=language)))
            jsonschema.validate(document, json.loads(SCHEMA.read_text()))
            assert document["language"] == language


def test_a_case_of_several_accounts_names_each_and_whose_a_payment_is() -> None:
    own, other = alert(), alert("b1", "DE02120300000000202051")
    line = replace(line_of(other), account_id=other.account_id)
    found = replace(
        case_of(own), other_accounts=(other.account_id,), alerts=(line_of(own), line), alert_count=2, notes=()
    )
    report = made(found, own, other)
    assert [(each.value, each.payments) for each in report.parties if each.role == "subject"] == [
        ("acc-1", 1),
        ("DE02120300000000202051", 1),
    ]
    assert {each.event_id: each.account_id for each in report.payments} == {
        "event-of-a1": None,
        "event-of-b1": "DE02120300000000202051",
    }
    assert "acc-1, DE02120300000000202051" in report.narrative[0]
    assert b"DE02120300000000202051" not in json_of(made(found, own, other, visible=False))


def test_a_merged_case_says_where_its_alerts_are_and_numbers_in_its_notes_are_masked() -> None:
    note = CaseNote(9_000, "ann", "close", "she paid with 4012888888881881")
    found = replace(
        case_of(alert()), alerts=(), alert_count=0, merged_into="e" * 32, status="closed", closed_at_ms=9_000
    )
    report = made(replace(found, closed_by="ann", notes=(note,)), visible=False)
    assert f"ann merged the case into case {'e' * 32} on" in report.narrative[-2]
    assert "4012888888881881" not in json_of(report).decode()

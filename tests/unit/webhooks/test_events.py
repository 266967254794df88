"""Which records are events, and what a body tells."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from fraudstream.cases.held import Held, HeldPair
from fraudstream.cases.policy import CasePolicy, Queue, ServiceLevel
from fraudstream.cases.store import CaseStore
from fraudstream.contracts import Case
from fraudstream.webhooks.events import event_of_alert, events_of_case
from tests.unit.cases.events import action, alert

ACCOUNT = "DE02120300000000202051"


def kinds(case: Case) -> list[str]:
    return [event.kind for event in events_of_case(case)]


def done(store: CaseStore, name: str, case_id: str, **fields: Any) -> Case:
    held = store.act(action(name, case_id, account_id=ACCOUNT, **fields))
    assert isinstance(held, Held), held
    return held.case


def alerted(store: CaseStore, alert_id: str) -> Case:
    held = store.alert(alert(alert_id, ACCOUNT), None)
    assert held is not None
    return held.case


def test_each_event_is_told_once_by_the_record_that_brought_it() -> None:
    store = CaseStore()
    first = alerted(store, "a1")
    assert kinds(first) == ["case.opened"]
    assert kinds(alerted(store, "a2")) == []
    assert kinds(done(store, "claim", first.case_id)) == []
    assert kinds(done(store, "escalate", first.case_id, escalate_to="senior", note="n")) == ["case.escalated"]
    assert kinds(done(store, "note", first.case_id, note="n")) == []
    assert kinds(alerted(store, "a3")) == []
    assert kinds(done(store, "close", first.case_id, disposition="inconclusive")) == ["case.closed"]
    assert kinds(done(store, "reopen", first.case_id)) == []


def test_a_breach_that_escalates_is_an_escalation() -> None:
    queue = Queue("all", closing=ServiceLevel(warn="1s", breach="2s"), escalate_to="senior")
    store = CaseStore(CasePolicy(queues=(queue,)))
    alerted(store, "a1")
    found = []
    for now_ms in (2_000, 3_000):
        (expiry,) = store.due(now_ms)
        held = store.act(expiry)
        assert isinstance(held, Held)
        found.append(kinds(held.case))
    assert found == [[], ["case.escalated"]]


def test_a_case_that_is_opened_by_hand_is_opened() -> None:
    from fraudstream.cases.grouping import case_id_of

    store = CaseStore()
    held = store.act(action("open", case_id_of("acc-1", "open-1"), action_id="open-1", severity="high", note="n"))
    assert isinstance(held, Held)
    assert kinds(held.case) == ["case.opened"]


def test_the_same_record_is_the_same_event() -> None:
    case = alerted(CaseStore(), "a1")
    again = msgspec.json.decode(msgspec.json.encode(case), type=Case)
    (event,), (repeated,) = events_of_case(case), events_of_case(again)
    assert event.event_id == repeated.event_id == f"case.opened.{case.case_id}.1"
    assert event.body(identifiers=False) == repeated.body(identifiers=False)


def test_a_body_has_the_end_of_the_account_alone_unless_the_endpoint_may_see_it() -> None:
    for event in (*events_of_case(alerted(CaseStore(), "a1")), event_of_alert(alert("a1", ACCOUNT))):
        masked, whole = event.body(identifiers=False), event.body(identifiers=True)
        assert ACCOUNT.encode() not in masked
        assert json.loads(masked)["data"]["account_id"] == "••••2051"
        assert json.loads(whole)["data"]["account_id"] == ACCOUNT


def test_the_body_of_a_closed_case_tells_how_and_no_notes() -> None:
    store = CaseStore()
    case_id = alerted(store, "a1").case_id
    case = done(store, "close", case_id, disposition="confirmed_fraud", typology="mule", note="she said so")
    (event,) = events_of_case(case)
    body = json.loads(event.body(identifiers=False))
    assert (body["type"], body["timestamp"]) == ("case.closed", "1970-01-01T00:00:05.000Z")
    assert (body["data"]["disposition"], body["data"]["typology"]) == ("confirmed_fraud", "mule")
    assert "she said so" not in json.dumps(body)


def test_the_body_of_an_alert_names_its_live_rules() -> None:
    from tests.unit.cases.events import rule

    event = event_of_alert(alert("a1", ACCOUNT, rules=()))
    assert json.loads(event.body(identifiers=False))["data"]["rules"] == []
    hits = alert("a1", ACCOUNT)
    both = msgspec.structs.replace(hits, rules=(rule("a/live"), rule("a/shadow", shadow=True)))
    assert json.loads(event_of_alert(both).body(identifiers=False))["data"]["rules"] == ["a/live"]


def test_a_merge_closes_one_case_and_tells_where_its_alerts_are() -> None:
    store = CaseStore()
    first = alerted(store, "a1")
    other = store.alert(alert("b1", "acc-2"), None)
    assert other is not None
    pair = store.act(action("merge", first.case_id, account_id=ACCOUNT, other_case_id=other.case.case_id))
    assert isinstance(pair, HeldPair)
    assert [kinds(held.case) for held in pair] == [["case.closed"], []]
    (event,) = events_of_case(pair.held.case)
    assert (event.data["merged_into"], "disposition" in event.data) == (other.case.case_id, False)

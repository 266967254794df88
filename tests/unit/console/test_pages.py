"""What pages show: hostile texts as text, headers, cases, actions and their refusals."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from fraudstream.cases.policy import Approval, CasePolicy
from fraudstream.console.queue_query import QueueQuery
from fraudstream.console.web.forms import BYTES_MAX
from fraudstream.console.web.security_headers import CONTENT_POLICY
from fraudstream.contracts import Alert, CaseNote, Evidence, FeatureValue, Payment, RuleHit, ScorePart
from fraudstream.contracts.case_timers import CaseTimer
from tests.unit.cases.events import alert
from tests.unit.console.case_alerts import CASE, put
from tests.unit.console.console_app import ConsoleUnderTest, case, post
from tests.unit.console.hostile_text import HOSTILE, assert_harmless

FREE_TEXTS = (
    "event_id", "account_id", "partner_id", "merchant_id", "terminal_id", "counterparty_id", "counterparty_bank",
    "device_id", "ip", "relates_to",
)  # fmt: skip


def hostile_alert(**payment_fields: Any) -> Alert:
    hostile = HOSTILE[:128]
    payment = Payment("e-1", 1_772_625_600_000, "acc-1", "10.00", "EUR", "debit", **payment_fields)
    evidence = Evidence("amount", ">", HOSTILE, HOSTILE, HOSTILE)
    hit = RuleHit(hostile, "id", HOSTILE, "high", HOSTILE, (evidence,), tags=(HOSTILE,))
    return replace(
        alert("a1"),
        payment=payment,
        rules=(hit,),
        score_parts=(ScorePart(HOSTILE, 0.25, 1.0, HOSTILE, HOSTILE),),
        features=(FeatureValue(HOSTILE, HOSTILE),),
    )


@pytest.mark.parametrize("field", FREE_TEXTS)
async def test_a_hostile_text_in_a_field_of_a_payment_is_shown_as_text(console: ConsoleUnderTest, field: str) -> None:
    each = hostile_alert()
    payment = replace(each.payment, **{field: HOSTILE[:128]})
    await put(console, replace(each, payment=payment, event_id=payment.event_id))
    page = (await (await console.logged_in("ann", "senior")).get(f"/cases/{CASE}")).text
    assert_harmless(page)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


async def test_hostile_attributes_notes_and_names_are_shown_as_text(console: ConsoleUnderTest) -> None:
    hostile = HOSTILE[:128]
    await put(
        console,
        hostile_alert(attributes={hostile[:64]: HOSTILE}),
        account_id=hostile,
        assignee=hostile,
        status="in_review",
        rules=(hostile,),
        amount_totals={hostile: hostile},
        notes=(CaseNote(1_772_625_600_000, hostile, "note", f"first line\nsecond line {HOSTILE}"),),
    )
    client = await console.logged_in("ann", "senior")
    page = (await client.get(f"/cases/{CASE}")).text
    assert_harmless(page)
    assert "first line\nsecond line &lt;script&gt;" in page
    assert_harmless((await client.get("/")).text)


@pytest.mark.parametrize("name", ["status", "severity", "typology", "assignee", "text", "order", "after"])
async def test_a_hostile_parameter_of_a_url_is_shown_as_text(console: ConsoleUnderTest, name: str) -> None:
    await put(console, alert("a1"))
    client = await console.logged_in("ann", "analyst")
    for path in ("/", f"/cases/{CASE}"):
        answer = await client.get(path, params={name: HOSTILE})
        assert answer.status_code == 200
        assert_harmless(answer.text)


async def test_a_hostile_user_name_is_shown_as_text(console: ConsoleUnderTest) -> None:
    await console.add_user(HOSTILE[:128], "analyst")
    assert_harmless((await (await console.logged_in("adm", "admin")).get("/users")).text)


@pytest.mark.parametrize("path", ["/", "/login", f"/cases/{CASE}", "/cases/none", "/nowhere", "/users", "/healthz"])
async def test_every_answer_has_the_security_headers(console: ConsoleUnderTest, path: str) -> None:
    await put(console, alert("a1"))
    answer = await (await console.logged_in("ann", "analyst")).get(path)
    assert answer.headers["content-security-policy"] == CONTENT_POLICY
    assert "unsafe" not in CONTENT_POLICY
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"


async def test_static_files_are_kept_by_browsers_under_a_name_of_their_own(console: ConsoleUnderTest) -> None:
    client = console.client()
    found = re.findall(r"/static/[0-9a-f]{12}/console\.(?:js|css)", (await client.get("/login")).text)
    assert len(found) == 2
    for path in found:
        answer = await client.get(path)
        assert (answer.status_code, answer.headers["cache-control"]) == (200, "public, max-age=31536000, immutable")


async def test_a_form_that_is_too_large_is_refused(console: ConsoleUnderTest) -> None:
    await put(console, alert("a1"))
    answer = await post(await console.logged_in("ann", "analyst"), f"/cases/{CASE}/note", note="x" * BYTES_MAX)
    assert answer.status_code == 413
    assert console.published == []


@pytest.mark.parametrize("body", [b"\xff=%ff", b"&".join([b"a=1"] * 300)])
async def test_a_form_that_is_none_is_refused(console: ConsoleUnderTest, body: bytes) -> None:
    client = await console.logged_in("ann", "analyst")
    headers = {"content-type": "application/x-www-form-urlencoded"}
    assert (await client.post("/logout", content=body, headers=headers)).status_code == 400
    assert (await client.post("/logout", json={})).status_code == 415


async def test_a_case_says_why_in_one_sentence_and_shows_comparisons_with_the_normal(console: ConsoleUnderTest) -> None:
    evidence = (
        Evidence("amount", ">", "4 * account.amount_mean_30d", "526.26 EUR", "240.60 EUR", 1.2),
        Evidence("account.new_device", "is", "true", "true", "true"),
    )
    hit = RuleHit("takeover/large", "id", "Large payment", "high", "526.26 EUR from a new device", evidence)
    await put(
        console,
        replace(
            alert("a1"),
            rules=(hit,),
            features=(FeatureValue("account.amount_mean_30d", "60.15 EUR"),),
            score=0.4,
            score_parts=(
                ScorePart("new_device", 0.15, 0.15, "true"),
                ScorePart("amount", 0.25, 0.5, "8.75", "60.15 EUR"),
            ),
        ),
    )
    page = (await (await console.logged_in("ann", "analyst")).get(f"/cases/{CASE}")).text
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", page))
    assert "1 alert, 10.00 EUR: Large payment: 526.26 EUR from a new device" in text
    assert "<title>value 526.26 EUR, threshold 240.60 EUR, normal 60.15 EUR</title>" in page
    assert text.index("amount8.7560.15 EUR+0.250") < text.index("new_devicetrue+0.150")  # the heavier part first
    assert "Score0.400" in text


async def test_a_case_of_the_score_alone_names_what_raised_it_most(console: ConsoleUnderTest) -> None:
    parts = tuple(
        ScorePart(name, points, 0.0, unit="bits") for name, points in (("base", -7.0), ("b", 2.0), ("a", 9.0))
    )
    await put(console, replace(alert("a1"), rules=(), score_parts=parts), rules=())
    page = (await (await console.logged_in("ann", "analyst")).get(f"/cases/{CASE}")).text
    assert "the score alone, no rule fired. What raised it most: a, b" in page


async def act(console: ConsoleUnderTest, client: httpx.AsyncClient, action: str, **fields: str) -> httpx.Response:
    return await post(client, f"/cases/{CASE}/{action}", **fields)


async def test_a_case_is_claimed_noted_closed_and_reopened(console: ConsoleUnderTest) -> None:
    await put(console, alert("a1"))
    client = await console.logged_in("ann", "analyst")
    claimed = await act(console, client, "claim")
    assert "You have claimed this case." in claimed.text
    assert "In review by <bdi>ann</bdi>" in claimed.text
    noted = await act(console, client, "note", note="called the customer")
    assert "called the customer" in noted.text
    closed = await act(console, client, "close", disposition="confirmed_fraud", typology="mule", note="card copied")
    assert "Closed as <bdi>confirmed fraud</bdi>." in closed.text
    assert (await console.desk.queue(QueueQuery())).rows == ()
    reopened = await act(console, client, "reopen")
    assert "The case is open again." in reopened.text
    assert [(each.action, each.actor, each.note) for each in console.published] == [
        ("claim", "ann", None),
        ("note", "ann", "called the customer"),
        ("close", "ann", "card copied"),
        ("reopen", "ann", None),
    ]


async def test_who_comes_second_is_told_in_words(console: ConsoleUnderTest) -> None:
    await put(console, alert("a1"))
    ann, bob = await console.logged_in("ann", "analyst"), await console.logged_in("bob", "senior")
    await act(console, ann, "claim")
    answer = await act(console, bob, "claim")
    assert answer.status_code == 409
    assert "The case is assigned to <bdi>ann</bdi>." in answer.text
    bob.cookies.set("language", "zh-Hans")
    assert "案件已分配给 <bdi>ann</bdi>。" in (await act(console, bob, "claim")).text


async def test_an_action_on_a_case_that_has_changed_is_refused_and_the_page_shows_the_change(
    console: ConsoleUnderTest,
) -> None:
    found = await put(console, alert("a1"))
    client = await console.logged_in("ann", "analyst")
    page = (await client.get(f"/cases/{CASE}")).text
    assert 'name="expected_version" value="1"' in page
    await console.put(replace(found, version=2, escalated_to="senior", status="escalated"))
    answer = await act(console, client, "claim", expected_version="1")
    assert answer.status_code == 409
    assert "The case has changed since you saw it." in answer.text
    assert "Escalated to <bdi>senior</bdi>" in answer.text
    noted = await act(console, client, "note", note="seen", expected_version="1")
    assert noted.status_code == 200


async def test_a_case_that_is_put_aside_is_listed_apart_with_what_came_since(console: ConsoleUnderTest) -> None:
    await put(console, alert("a1"))
    client = await console.logged_in("ann", "analyst")
    page = (await act(console, client, "snooze", **{"for": "2d"}, note="the card is replaced on Monday")).text
    assert "Put aside until" in page
    assert "by ann: the card is replaced on Monday. 0 alerts have come since." in re.sub("<[^>]+>", "", page)
    assert console.published[0].until == console.now_ms + 2 * 86_400_000
    assert f"/cases/{CASE}" not in (await client.get("/")).text
    aside = (await client.get("/?status=snoozed")).text
    assert "(put aside, 2 d left)" in re.sub("<[^>]+>", "", aside)
    assert (await act(console, client, "snooze", **{"for": "soon"}, note="n")).status_code == 400
    await act(console, client, "wake")
    assert f"/cases/{CASE}" in (await client.get("/")).text


async def test_the_queue_shows_what_is_due_where_there_are_queues(console: ConsoleUnderTest) -> None:
    found = await put(console, alert("a1"))
    client = await console.logged_in("ann", "analyst")
    assert "Due in" not in (await client.get("/")).text
    timers = (CaseTimer("closing_breach", console.now_ms + 3 * 3_600_000),)
    await console.put(
        replace(found, version=2, queue="takeover", timers=timers, warned_at_ms=1, amount_at_risk="10.00")
    )
    page = (await client.get("/?queue=takeover")).text
    assert 'title="it will be late soon">3 h<' in page
    assert f"/cases/{CASE}" not in (await client.get("/?queue=other")).text
    text = re.sub(r"<[^>]+>", "", (await client.get(f"/cases/{CASE}")).text)
    assert "Queue takeover · Due in 3 h · 10.00 at risk" in " ".join(text.split())


async def test_a_proposed_closing_is_approved_by_a_senior_other_than_who_proposed_it(console: ConsoleUnderTest) -> None:
    console.policy = CasePolicy(approval=Approval(confirmed_fraud=True))
    await put(console, alert("a1"))
    ann, sue = await console.logged_in("ann", "analyst"), await console.logged_in("sue", "senior")
    page = (await act(console, ann, "close", disposition="confirmed_fraud", typology="mule")).text
    assert "Proposed. A second person is to approve it." in page
    assert 'data-key="v"' not in page
    assert (await act(console, ann, "approve")).status_code == 403
    assert f"/cases/{CASE}" in (await sue.get("/?status=proposed")).text
    page = (await sue.get(f"/cases/{CASE}")).text
    assert 'data-key="v"' in page
    assert "To approve: confirmed fraud (ann)" in re.sub("<[^>]+>", "", page)
    page = (await act(console, sue, "approve")).text
    assert "Approved: the case is closed as <bdi>confirmed fraud</bdi>." in page
    assert "approved by <bdi>sue</bdi>" in page


async def test_the_next_case_is_the_most_urgent_that_is_nobodys(console: ConsoleUnderTest) -> None:
    await console.put(
        case("a" * 32, "acc-1", severity="critical", status="in_review", assignee="bob"),
        case("b" * 32, "acc-2", severity="high"),
        case("c" * 32, "acc-3", severity="medium"),
        case("d" * 32, "acc-4", severity="low"),
    )
    taken = case("b" * 32, "acc-2", severity="high", status="in_review", assignee="bob", version=2)
    console.newest["b" * 32] = taken  # which the queue does not show yet
    client = await console.logged_in("ann", "analyst")
    answer = await post(client, "/next")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/cases/{'c' * 32}")
    answer = await post(client, "/next?severity=low")
    assert answer.headers["location"] == f"/cases/{'d' * 32}?severity=low"
    answer = await post(client, "/next")
    assert (answer.status_code, "No case in this view waits" in answer.text) == (404, True)
    assert [(each.case_id[0], each.actor) for each in console.published] == [("b", "ann"), ("c", "ann"), ("d", "ann")]


async def test_a_case_is_opened_by_hand_once(console: ConsoleUnderTest) -> None:
    client = await console.logged_in("ann", "senior")
    fields = {"account_id": "acc-9", "severity": "high", "note": "the customer called: card lost"}
    opened = await post(client, "/cases", **fields)
    assert opened.status_code == 303
    page = (await client.get(opened.headers["location"])).text
    assert "the customer called: card lost" in page
    assert "Opened by hand" in page
    assert "acc-9" in (await client.get("/")).text
    refused = await post(client, "/cases", **fields)
    assert (refused.status_code, "the account has one that is not closed" in refused.text) == (409, True)
    for wrong in ({"severity": "dire"}, {"note": " "}, {"account_id": ""}):
        assert (await post(client, "/cases", **(fields | wrong))).status_code == 400


async def test_a_case_is_assigned_waits_is_resumed_escalated_and_linked(console: ConsoleUnderTest) -> None:
    await put(console, alert("a1"))
    await console.put(case("d" * 32, "acc-2"))
    ann, bob = await console.logged_in("ann", "analyst"), await console.logged_in("bob", "senior")
    page = (await act(console, ann, "assign", assignee="bob")).text
    assert "Assigned to <bdi>bob</bdi>" in page
    assert 'data-key="s"' not in page  # only bob may start it
    assert 'data-key="s"' in (await act(console, bob, "link", other_case_id="dddd")).text
    await act(console, bob, "start")
    page = (await act(console, bob, "wait", waiting_for="customer", note="asked for the invoice")).text
    assert "Waiting for <bdi>the customer</bdi> (<bdi>bob</bdi>)" in page
    await act(console, bob, "resume")
    await act(console, bob, "escalate", escalate_to="seniors", note="a politician")
    page = (await act(console, bob, "unlink", other_case_id="d" * 32)).text
    assert "The link is removed." in page
    assert [each.action for each in console.published] == [
        *("assign", "link", "start", "wait", "resume", "escalate", "unlink"),
    ]
    assert console.published[1].other_case_id == "d" * 32
    answer = await act(console, bob, "link", other_case_id="eeee")
    assert (answer.status_code, "no case has the id eeee" in answer.text) == (400, True)


async def test_a_refusal_names_who_has_the_case_before_the_view_has_it(console: ConsoleUnderTest) -> None:
    found = await put(console, alert("a1"))
    console.newest[CASE] = replace(found, version=2, status="in_review", assignee="bob")
    client = await console.logged_in("ann", "analyst")
    answer = await act(console, client, "claim")
    assert "The case is assigned to <bdi>bob</bdi>." in answer.text
    assert "The view in Redis is behind." in answer.text
    assert "In review by <bdi>bob</bdi>" in (await client.get("/")).text


@pytest.mark.parametrize(
    ("action", "fields", "status"),
    [
        ("close", {}, 400),
        ("note", {}, 400),
        ("delete", {}, 404),
        ("close", {"disposition": "guilty"}, 400),
        ("close", {"disposition": "confirmed_fraud"}, 400),
        ("wait", {"note": "n"}, 400),
    ],
)
async def test_an_action_that_is_none_changes_nothing(
    console: ConsoleUnderTest, action: str, fields: dict[str, str], status: int
) -> None:
    await put(console, alert("a1"))
    answer = await act(console, await console.logged_in("ann", "analyst"), action, **fields)
    assert answer.status_code == status
    assert console.published == []


async def test_a_viewer_sees_no_actions(console: ConsoleUnderTest) -> None:
    await put(console, alert("a1"))
    page = (await (await console.logged_in("vic", "viewer")).get(f"/cases/{CASE}")).text
    assert "Your role may read this case but not act on it." in page
    assert "close-dialog" not in page


async def test_the_beginning_of_an_id_leads_to_its_case(console: ConsoleUnderTest) -> None:
    await put(console, alert("a1"))
    client = await console.logged_in("ann", "analyst")
    assert (await client.get("/cases/cccc")).headers["location"] == f"/cases/{CASE}"
    missing = await client.get("/cases/dddd")
    assert (missing.status_code, "There is no case <bdi>dddd</bdi>" in missing.text) == (404, True)


@pytest.mark.parametrize(
    ("method", "path", "status", "sentence"),
    [
        ("GET", "/nowhere", 404, "There is no such page."),
        ("GET", "/cases/dddd/files/none", 404, "There is no case"),
        ("GET", f"/cases/{CASE}/claim", 405, "This address only takes forms"),
        ("PUT", "/", 405, "What was sent cannot be used."),
        ("POST", f"/cases/{CASE}/claim", 403, "This form is out of date."),
    ],
)
async def test_a_page_that_is_refused_has_the_menu_for_who_is_logged_in(
    console: ConsoleUnderTest, method: str, path: str, status: int, sentence: str
) -> None:
    client = await console.logged_in("ann", "analyst")
    form = {"csrf": "of another session"} if method == "POST" else None
    answer = await client.request(method, path, data=form)
    assert (answer.status_code, sentence in answer.text, "<nav aria-label=" in answer.text) == (status, True, True)
    assert ("allow" in answer.headers) == (status == 405)
    assert "<nav aria-label=" not in (await console.client().request(method, path)).text


async def test_an_unknown_address_is_answered_without_the_menu_when_redis_does_not_answer(
    console: ConsoleUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await console.logged_in("ann", "analyst")

    async def fail(*_args: Any, **_more: Any) -> None:
        raise ConnectionResetError

    monkeypatch.setattr(console.sessions, "find", fail)
    answer = await client.get("/nowhere")
    assert (answer.status_code, "There is no such page." in answer.text) == (404, True)


async def test_fields_of_payments_have_headings_in_words_and_their_names_beside_them(console: ConsoleUnderTest) -> None:
    each = alert("a1")
    payment = replace(each.payment, device_id="d-1", counterparty_id="cp-1", attributes={"purpose_code": "SALA"})
    await put(console, replace(each, payment=payment))
    client = await console.logged_in("ann", "senior")
    page = (await client.get(f"/cases/{CASE}")).text
    for name, words in (("device_id", "Device"), ("counterparty_id", "Counterparty")):
        assert f'<th scope="col" title="{name}">{words}</th>' in page
    assert '<th scope="col" title="attributes.purpose_code"><bdi>purpose code</bdi></th>' in page
    client.cookies.set("language", "zh-Hans")
    assert '<th scope="col" title="device_id">设备</th>' in (await client.get(f"/cases/{CASE}")).text


async def test_alerts_that_are_gone_are_owned_up_to(console: ConsoleUnderTest) -> None:
    await put(console, alert("a1"))
    console.alerts.clear()
    page = (await (await console.logged_in("ann", "analyst")).get(f"/cases/{CASE}")).text
    assert "Some alerts are no longer on their topic" in page
    assert "event-of-a1" in page


async def test_previous_and_next_follow_the_filters_of_the_queue(console: ConsoleUnderTest) -> None:
    await console.put(
        *(
            case(name * 32, severity=severity)
            for name, severity in (("a", "low"), ("b", "high"), ("c", "low"), ("d", "low"))
        )
    )
    client = await console.logged_in("ann", "analyst")
    page = (await client.get(f"/cases/{CASE}?severity=low")).text
    assert f'href="/cases/{"a" * 32}?severity=low" data-key="p"' in page
    assert f'href="/cases/{"d" * 32}?severity=low" data-key="n"' in page


async def test_pages_are_small(console: ConsoleUnderTest) -> None:
    await console.put(*(case(f"{number:032x}", account_id=f"acc-{number}") for number in range(200)))
    client = await console.logged_in("ann", "analyst")
    answer = await client.get("/", headers={"accept-encoding": "gzip"})
    assert int(answer.headers["content-length"]) < 25_000


async def test_a_page_tells_when_it_may_be_out_of_date(console: ConsoleUnderTest) -> None:
    client = await console.logged_in("ann", "analyst")
    console.live.on_state("lost")
    assert ">Not up to date: Kafka does not answer</span>" in (await client.get("/")).text
    assert (await client.get("/readyz")).status_code == 503


async def test_large_amounts_and_counts_are_read_in_groups_of_three_digits(console: ConsoleUnderTest) -> None:
    await put(console, alert("a1"), amount_totals={"EUR": "3374416.94", "JPY": "669965"})
    browser = await console.logged_in("ann", "analyst")
    for path in ("/", f"/cases/{CASE}"):
        page = (await browser.get(path)).text
        assert "3,374,416.94" in page
        assert "669,965" in page


async def test_a_queue_without_any_case_says_that_they_come_by_themselves(console: ConsoleUnderTest) -> None:
    browser = await console.logged_in("ann", "analyst")
    assert "There are no cases yet" in (await browser.get("/")).text
    assert "No case matches" in (await browser.get("/?severity=high")).text


async def test_a_page_that_is_refused_keeps_the_way_to_the_others(console: ConsoleUnderTest) -> None:
    browser = await console.logged_in("ann", "analyst")
    missing = await browser.get("/cases/" + "0" * 32)
    assert missing.status_code == 404
    assert 'action="/logout"' in missing.text
    async with console.client() as stranger:
        assert 'action="/logout"' not in (await stranger.get("/nothing")).text

"""The customer is asked from the console and from a program; the case page says what became of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import msgspec

from fraudstream.cases.notices import AnswerRefusalCode, digest_of
from fraudstream.contracts.case_notices import CaseNotice
from tests.unit.cases.events import NOTICE_ID, alert
from tests.unit.console.case_alerts import CASE, put
from tests.unit.console.console_app import ConsoleUnderTest, post
from tests.unit.console.hostile_text import HOSTILE, assert_harmless

DAY_MS = 86_400_000


def notice(**fields: object) -> CaseNotice:
    values = {
        "digest": digest_of(NOTICE_ID),
        "event_id": "event-of-a1",
        "asked_by": "ann",
        "asked_at_ms": 1_772_625_600_000,
        "expires_at_ms": 1_772_712_000_000,
    }
    return msgspec.convert(values | fields, CaseNotice)


async def test_an_analyst_asks_about_a_payment_of_the_case(console: ConsoleUnderTest) -> None:
    await put(console, alert("a1"), alert("a2"), status="in_review", assignee="ann")
    client = await console.logged_in("ann", "analyst")
    page = (await client.get(f"/cases/{CASE}")).text
    assert re.findall(r'<option value="(event-of-a\d)">', page) == ["event-of-a2", "event-of-a1"]
    answer = await post(client, f"/cases/{CASE}/ask", event_id="event-of-a1", notice_id="f" * 32, **{"for": "1d"})
    assert answer.status_code == 200, answer.text
    assert "The customer is asked." in answer.text
    (sent,) = console.published
    assert (sent.action, sent.event_id, sent.until) == ("ask", "event-of-a1", console.now_ms + DAY_MS)
    assert sent.notice_id not in (None, "f" * 32), "the console draws it, not the form"
    assert sent.notice_id is not None
    assert sent.notice_id not in answer.text
    assert [each[1:3] for each in console.audit.of("act")] == [("act", "asked"), ("act", "done")]


async def test_a_question_without_its_end_is_refused_and_one_about_another_payment_by_the_agent(
    console: ConsoleUnderTest,
) -> None:
    await put(console, alert("a1"), status="in_review", assignee="ann")
    client = await console.logged_in("ann", "analyst")
    assert (await post(client, f"/cases/{CASE}/ask", event_id="event-of-a1")).status_code == 400
    answer = await post(client, f"/cases/{CASE}/ask", event_id="another", **{"for": "1d"})
    assert answer.status_code == 409
    assert "lists no alert of this payment" in answer.text


async def test_the_case_page_says_what_became_of_each_question(console: ConsoleUnderTest) -> None:
    found = (
        notice(state="answered", reply="not_me", answer_id="x", answered_at_ms=1_772_629_200_000),
        notice(state="expired"),
        notice(state="withdrawn"),
        notice(),
    )
    await put(console, alert("a1"), notices=found)
    for language, texts in (
        ("en", ("did not make this payment", "not answered in time", "withdrawn", "no answer yet, until")),
        ("zh-CN", ("否认是本人交易", "逾期未答复", "撤回", "尚未答复")),
    ):
        client = await console.logged_in(f"ann-{language}", "analyst")
        client.headers["accept-language"] = language
        page = (await client.get(f"/cases/{CASE}")).text
        assert [text for text in texts if text not in page] == []
        assert NOTICE_ID not in page


async def test_a_payment_with_a_hostile_id_is_asked_about_safely(console: ConsoleUnderTest) -> None:
    hostile = HOSTILE.replace("\x07", "")[:128]
    each = alert("a1")
    payment = msgspec.structs.replace(each.payment, event_id=hostile)
    each = msgspec.structs.replace(each, event_id=hostile, payment=payment)
    await put(console, each, status="in_review", assignee="ann", notices=(notice(event_id=hostile),))
    client = await console.logged_in("ann", "analyst")
    assert_harmless((await client.get(f"/cases/{CASE}")).text)


async def test_a_program_asks_and_gets_no_notice_id(console: ConsoleUnderTest) -> None:
    await put(console, alert("a1"), status="in_review")
    program = await console.program("cases:act", "cases:read")
    body = {"action": "ask", "event_id": "event-of-a1", "until_ms": console.now_ms + DAY_MS}
    sent = await program.post(f"/api/v1/cases/{CASE}/actions", json=body, headers={"idempotency-key": "k1"})
    assert (sent.status_code, sent.json()["status"]) == (200, "waiting")
    case = await program.get(f"/api/v1/cases/{CASE}")
    notice_id = console.published[0].notice_id
    assert notice_id is not None
    assert case.json()["notices"][0]["digest"] == digest_of(notice_id)
    assert notice_id not in case.text + sent.text


def test_every_code_of_a_refused_answer_is_documented() -> None:
    page = (Path(__file__).parents[3] / "docs" / "notices.md").read_text(encoding="utf-8")
    assert [code for code in get_args(AnswerRefusalCode) if f"`{code}`" not in page] == []

"""What a page of the queue gets that asks for a newer copy of itself: the rows that it does not have yet."""

from __future__ import annotations

import re

import httpx
from msgspec.structs import replace

from tests.unit.console.console_app import ConsoleUnderTest, case
from tests.unit.console.hostile_text import HOSTILE, assert_harmless

A, B, C = ("a" * 32, "b" * 32, "c" * 32)
ROW = re.compile(r'<tr id="row-([0-9a-f]{32})" data-(?:version="\d+" data-digest|(kept))="([0-9a-f]+)">')


class Page:
    """A page of the queue that keeps itself up to date, as `static/live.js` does."""

    def __init__(self, client: httpx.AsyncClient, path: str = "/") -> None:
        self._client, self._path = client, path
        self.text = ""

    async def load(self) -> str:
        return await self._ask({})

    async def refresh(self) -> str:
        known = " ".join(digest for _, _, digest in ROW.findall(self.text))
        return await self._ask({"x-refresh": "1", "x-known-rows": known})

    async def _ask(self, headers: dict[str, str]) -> str:
        """The case ids of the rows by their first letters: in capitals those that the answer has as a whole."""
        answer = await self._client.get(self._path, headers=headers)
        assert answer.status_code == 200
        self.text = answer.text
        return "".join(case_id[0] if kept else case_id[0].upper() for case_id, kept, _ in ROW.findall(self.text))


async def test_a_page_gets_the_rows_that_it_does_not_have(console: ConsoleUnderTest) -> None:
    await console.put(case(A, opened_at_ms=1), case(B, opened_at_ms=2))
    page = Page(await console.logged_in("ann", "senior"), "/?order=oldest")
    assert await page.load() == "AB"
    assert await page.refresh() == "ab"
    await console.put(case(C, opened_at_ms=0), case(B, opened_at_ms=2, version=2, assignee="bob", status="in_review"))
    assert await page.refresh() == "CaB"
    assert "bob" in page.text
    await console.put(case(A, opened_at_ms=1, version=2, status="closed", disposition="false_positive"))
    assert await page.refresh() == "cb"


async def test_a_row_is_sent_again_when_its_age_shows_another_number(console: ConsoleUnderTest) -> None:
    await console.put(case(A, opened_at_ms=console.now_ms - 65_000))
    page = Page(await console.logged_in("ann", "senior"))
    assert (await page.load(), await page.refresh()) == ("A", "a")
    console.now_ms += 50_000
    assert await page.refresh() == "a"
    console.now_ms += 10_000
    assert await page.refresh() == "A"


async def test_what_is_around_the_page_is_left_out_but_for_its_state(console: ConsoleUnderTest) -> None:
    page = Page(await console.logged_in("ann", "senior"))
    await page.load()
    assert 'id="keys"' in page.text
    await page.refresh()
    assert 'id="keys"' not in page.text
    assert f'data-instance="{console.live.instance}" data-sequence="{console.live.sequence}"' in page.text
    assert {"status-filter", "row-heads", "row-list", "rows-foot"} <= set(re.findall(r'id="([\w-]+)"', page.text))


async def test_a_row_is_drawn_for_what_the_visitor_may_see_and_do(console: ConsoleUnderTest) -> None:
    """All ask for the same rows, one after the other, so each could get what was drawn for the one before."""
    await console.put(case(A, account_id="account-1001"))
    texts = {}
    for name, role in (("sue", "senior"), ("ann", "analyst"), ("meg", "auditor"), ("bob", "analyst")):
        page = Page(await console.logged_in(name, role))  # type: ignore[arg-type]
        assert await page.load() == "A"
        texts[name] = page.text
    assert {name: "account-1001" in text for name, text in texts.items()} == {
        **dict.fromkeys(("ann", "meg", "bob"), False),
        "sue": True,
    }
    assert {name: f'id="choose-{A}"' in text for name, text in texts.items()} == {
        **dict.fromkeys(("sue", "ann", "bob"), True),
        "meg": False,
    }


async def test_a_row_of_another_look_is_not_taken_for_the_one_asked_for(console: ConsoleUnderTest) -> None:
    await console.put(case(A, account_id="account-1001"))
    senior, analyst = (
        Page(await console.logged_in("sue", "senior")),
        Page(await console.logged_in("ann", "analyst")),
    )
    await senior.load()
    analyst.text = senior.text  # as if the role of the same browser had changed
    assert await analyst.refresh() == "A"
    assert "account-1001" not in analyst.text


async def test_rows_follow_the_language_and_the_filters_of_the_page(console: ConsoleUnderTest) -> None:
    await console.put(case(A))
    client = await console.logged_in("ann", "senior")
    page = Page(client)
    await page.load()
    english = page.text
    client.cookies.set("language", "zh-Hans")
    assert await page.refresh() == "A"
    page = Page(client, "/?severity=high")
    page.text = english
    assert await page.refresh() == "A"
    assert f'href="/cases/{A}?severity=high"' in page.text


async def test_a_hostile_row_is_harmless_each_time_it_is_sent(console: ConsoleUnderTest) -> None:
    hostile = replace(case(A), account_id=HOSTILE[:128], rules=(HOSTILE,), assignee=HOSTILE, status="in_review")
    await console.put(hostile)
    page = Page(await console.logged_in("ann", "senior"))
    for _ in range(2):
        await page.load()
        assert_harmless(page.text)
    answer = await page._client.get("/", headers={"x-refresh": "1", "x-known-rows": HOSTILE.encode().hex()})
    assert_harmless(answer.text)

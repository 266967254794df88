"""Saved views: whose they are, who may share and remove them, and that they hold queries alone."""

from __future__ import annotations

import httpx
import pytest

from fraudstream.console.saved_views import OF_USER_MAX, SavedView
from tests.unit.console.console_app import ConsoleUnderTest, post

HIGH = "?severity=high&order=score"


async def links(client: httpx.AsyncClient) -> str:
    """The saved views on the page of the queue."""
    page = (await client.get("/")).text
    return page[page.index('<nav id="views"') : page.index("</nav>", page.index('<nav id="views"'))]


async def test_a_view_is_shown_to_its_user_alone_and_leads_to_its_query(console: ConsoleUnderTest) -> None:
    ann, bob = await console.logged_in("ann", "viewer"), await console.logged_in("bob", "admin")
    saved = await post(ann, "/views", name="urgent <b>", parameters=HIGH)
    assert (saved.status_code, saved.headers["location"]) == (303, f"/{HIGH}")
    assert 'href="/?severity=high&amp;order=score"' in await links(ann)
    assert "urgent &lt;b&gt;" in await links(ann)
    assert "urgent" not in await links(bob)
    assert 'aria-current="true"><bdi>urgent' in (await ann.get(f"/{HIGH}")).text
    assert (await post(bob, "/views/remove", name="urgent <b>")).status_code == 404
    assert (await post(ann, "/views/remove", name="urgent <b>")).status_code == 303
    assert "urgent" not in await links(ann)


async def test_a_shared_view_is_shown_to_all_and_removed_by_its_owner_or_an_admin(console: ConsoleUnderTest) -> None:
    ann, bob = await console.logged_in("ann", "analyst"), await console.logged_in("bob", "analyst")
    viewer, admin = await console.logged_in("eve", "viewer"), await console.logged_in("adm", "admin")
    await post(ann, "/views", name="team", parameters=HIGH, shared="1")
    assert "team" in await links(viewer)
    assert (await post(bob, "/views", name="team", parameters="", shared="1")).status_code == 409
    assert (await post(bob, "/views/remove", name="team", shared="1")).status_code == 404
    assert (await post(viewer, "/views", name="own", parameters="", shared="1")).status_code == 403
    assert (await post(ann, "/views", name="team", parameters="?queue=cards", shared="1")).status_code == 303
    assert "queue=cards" in await links(viewer)
    assert (await post(admin, "/views/remove", name="team", shared="1")).status_code == 303
    assert "team" not in await links(ann)


@pytest.mark.parametrize("parameters", ["//evil.example", "?next=//evil.example", "?severity=x&after=1~a", "x\r\ny: z"])
async def test_what_is_no_query_is_not_saved(console: ConsoleUnderTest, parameters: str) -> None:
    ann = await console.logged_in("ann", "analyst")
    saved = await post(ann, "/views", name="odd", parameters=parameters)
    assert (saved.status_code, saved.headers["location"]) == (303, "/")


@pytest.mark.parametrize("name", ["", "  ", "x" * 61, "a\u202eb", "a\nb"])
async def test_a_name_that_cannot_be_shown_is_refused(console: ConsoleUnderTest, name: str) -> None:
    ann = await console.logged_in("ann", "analyst")
    assert (await post(ann, "/views", name=name, parameters=HIGH)).status_code == 400


async def test_a_user_has_a_bounded_number_of_views(console: ConsoleUnderTest) -> None:
    ann = await console.logged_in("ann", "analyst")
    for number in range(OF_USER_MAX):
        await console.views.save(SavedView(f"view {number}", HIGH, "ann", False))
    refused = await post(ann, "/views", name="one more", parameters=HIGH)
    assert (refused.status_code, "There are too many views." in refused.text) == (400, True)
    assert (await post(ann, "/views", name="view 7", parameters="?queue=cards")).status_code == 303

"""The console on a real broker with a real case agent: alerts appear, actions take effect, colleagues are told."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec

from fraudstream.console.access.roles import Role
from fraudstream.contracts import Label
from tests.integration.cases.case_cluster import eventually
from tests.integration.console.running_console import PASSWORD, RunningConsole
from tests.unit.cases.events import alert

WAIT_S = 60.0


def token_of(page: str) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', page)
    assert found is not None, page
    return found[1]


async def logged_in(console: RunningConsole, name: str, role: Role = "analyst") -> httpx.AsyncClient:
    await console.add_user(name, role)
    client = httpx.AsyncClient(base_url=console.url, headers={"accept": "text/html"}, timeout=WAIT_S)
    form = await client.get("/login")
    data = {"csrf": token_of(form.text), "name": name, "password": PASSWORD}
    assert (await client.post("/login", data=data)).status_code == 303
    return client


async def act(client: httpx.AsyncClient, case_id: str, action: str, **fields: str) -> httpx.Response:
    page = await client.get("/")
    return await client.post(f"/cases/{case_id}/{action}", data={"csrf": token_of(page.text), **fields})


async def changes(answer: httpx.Response) -> AsyncIterator[dict[str, Any]]:
    async for line in answer.aiter_lines():
        if line.startswith("data: "):
            yield json.loads(line.removeprefix("data: "))


async def test_an_alert_is_told_shown_claimed_once_and_closed_with_its_label(console: RunningConsole) -> None:
    ann, bob = await logged_in(console, "ann"), await logged_in(console, "bob")
    async with asyncio.timeout(WAIT_S), ann.stream("GET", "/live") as stream:
        events = changes(stream)
        assert (await anext(events))["state"] == "live"
        # Records that are no case, one of them no text: the queue goes on without them.
        for value in (b"{", b'{"case_id":"\xff"}'):
            await console.cluster.publish(console.cluster.settings.cases_topic, value, b"none")
        await console.cluster.publish_alerts([alert("a1", amount="526.26")])
        told = await anext(events)
    (case_id,) = told["cases"]
    assert f"/cases/{case_id}" in (await bob.get("/")).text

    page = (await ann.get(f"/cases/{case_id}")).text
    assert "takeover/new_device" in page
    answers = await asyncio.gather(act(ann, case_id, "claim"), act(bob, case_id, "claim"))
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    winner, loser = (ann, bob) if answers[0].status_code == 200 else (bob, ann)
    name = "ann" if winner is ann else "bob"
    assert f"The case is assigned to <bdi>{name}</bdi>." in next(a for a in answers if a.status_code == 409).text
    assert f"In review by <bdi>{name}</bdi>" in (await loser.get("/")).text  # the queue reads what was written

    closed = await act(winner, case_id, "close", disposition="confirmed_fraud", typology="mule", note="card copied")
    assert "Closed as <bdi>confirmed fraud</bdi>." in closed.text
    assert f"/cases/{case_id}" not in (await winner.get("/")).text
    assert f"/cases/{case_id}" in (await winner.get("/?status=closed")).text
    payments = console.cluster.settings.payments_topic
    (record,) = await eventually(lambda: console.cluster.records(payments), lambda found: len(found) == 1)
    label = msgspec.json.decode(record.value, type=Label)
    assert (label.event_id, label.label, label.source) == ("event-of-a1", "fraud", case_id)
    await asyncio.gather(ann.aclose(), bob.aclose())

"""Cases are merged, split, tagged and closed in bulk from their pages."""

from __future__ import annotations

import re
from typing import Any

import httpx
from msgspec.structs import replace

from fraudstream.cases.grouping import opened
from fraudstream.cases.policy import Approval, CasePolicy
from fraudstream.console.access.teams import Team
from fraudstream.console.case_row import MERGED
from fraudstream.console.queue_query import QueueQuery
from fraudstream.console.search.tally import Tally
from tests.unit.cases.events import alert
from tests.unit.console.console_app import ConsoleUnderTest, case, post, token_of

ONE, TWO = "c" * 32, "d" * 32


def with_alerts(case_id: str, account_id: str, *alert_ids: str, **fields: Any) -> Any:
    lines = tuple(opened(alert(each, account_id)).alerts[0] for each in alert_ids)
    return case(
        case_id,
        account_id,
        alerts=lines,
        alert_count=len(lines),
        amount_totals={"EUR": f"{10 * len(lines)}.00"},
        **fields,
    )


async def choose(client: httpx.AsyncClient, path: str, **fields: Any) -> httpx.Response:
    """Send a form of which fields may have several values."""
    page = await client.get("/")
    return await client.post(path, data={"csrf": token_of(page.text), **fields})


async def test_a_case_is_merged_and_the_other_shows_both_accounts(console: ConsoleUnderTest) -> None:
    await console.put(with_alerts(ONE, "acc-11", "a1"), with_alerts(TWO, "acc-22", "b1"))
    client = await console.logged_in("sue", "senior")
    page = await post(client, f"/cases/{TWO}/merge", other_case_id="cccc", note="one ring")
    assert page.status_code == 200
    assert "The case is merged." in page.text
    assert f'href="/cases/{ONE}"' in page.text
    assert 'action="/cases/' not in re.sub(r"unmask", "", page.text.split('id="actions"')[1].split("</section>")[0])
    other = (await client.get(f"/cases/{ONE}")).text
    assert "acc-22" in other
    assert "one ring" in other
    assert [row.case_id for row in console.index.of_account("acc-22")].count(ONE) == 1
    found = (await client.get("/?text=acc-22&status=all")).text
    assert f"row-{ONE}" in found


async def test_the_other_account_is_masked_as_the_cases_own_is(console: ConsoleUnderTest) -> None:
    line = replace(opened(alert("b1")).alerts[0], account_id="DE02120300000000202051")
    await console.put(case(ONE, "acc-11", other_accounts=("DE02120300000000202051",), alerts=(line,), alert_count=1))
    for path in ("/", f"/cases/{ONE}"):
        page = (await (await console.logged_in("ann", "analyst")).get(path)).text
        assert "DE02120300000000202051" not in page
    reference = console.references.reference("account", "DE02120300000000202051")
    assert f'href="/history/account/{reference}"' in page
    program = await console.program("cases:read")
    for path in ("/api/v1/cases", f"/api/v1/cases/{ONE}"):
        assert "DE02120300000000202051" not in (await program.get(path)).text


async def test_chosen_alerts_are_split_off(console: ConsoleUnderTest) -> None:
    await console.put(with_alerts(ONE, "acc-11", "a1", "a2", "a3"))
    client = await console.logged_in("ann", "analyst")
    page = await client.get(f"/cases/{ONE}")
    assert page.text.count('name="alert_ids"') == 3
    answer = await choose(client, f"/cases/{ONE}/split", alert_ids=["a1", "a3"], note="not one matter")
    assert "The alerts are in a new case." in answer.text
    assert console.published[-1].alert_ids == ("a1", "a3")
    assert answer.text.count('name="alert_ids"') == 0  # one is left
    none = await choose(client, f"/cases/{ONE}/split", note="n")
    assert none.status_code == 400


async def test_a_case_of_another_team_cannot_be_merged_into(console: ConsoleUnderTest) -> None:
    await console.add_team(Team("takeovers", queues=("takeover",)))
    await console.put(
        with_alerts(ONE, "acc-11", "a1", queue="takeover"), with_alerts(TWO, "acc-22", "b1", queue="general")
    )
    client = await console.logged_in("ann", "analyst", team="takeovers")
    seen = await post(client, f"/cases/{ONE}/merge", other_case_id=TWO)
    unknown = await post(client, f"/cases/{ONE}/merge", other_case_id="e" * 32)
    assert seen.status_code == unknown.status_code == 400
    assert f"no case has the id {TWO}" in seen.text
    assert console.published == []


async def test_a_refused_merge_is_told(console: ConsoleUnderTest) -> None:
    await console.put(
        with_alerts(ONE, "acc-11", "a1"), case(TWO, "acc-22", status="closed", disposition="inconclusive")
    )
    answer = await post(await console.logged_in("ann", "analyst"), f"/cases/{ONE}/merge", other_case_id=TWO)
    assert answer.status_code == 409
    assert "The other case is closed: reopen it first." in answer.text


async def test_cases_are_found_by_their_tags(console: ConsoleUnderTest) -> None:
    await console.put(case(ONE, "acc-11"), case(TWO, "acc-22"))
    client = await console.logged_in("ann", "analyst")
    assert "The tag is added." in (await post(client, f"/cases/{ONE}/tag", tag="mule-ring")).text
    assert "has this tag already" in (await post(client, f"/cases/{ONE}/tag", tag="mule-ring")).text
    page = (await client.get("/?tag=mule-ring")).text
    assert (f"row-{ONE}" in page, f"row-{TWO}" in page) == (True, False)
    assert '<option value="mule-ring" selected>#mule-ring (1)</option>' in page
    assert f"row-{ONE}" in (await client.get("/?text=mule-ring")).text
    assert (await post(client, f"/cases/{TWO}/tag", tag="two words")).status_code == 400
    program = await console.program("cases:read")
    assert [each["case_id"] for each in (await program.get("/api/v1/cases?tag=mule-ring")).json()["cases"]] == [ONE]
    assert "The tag is removed." in (await post(client, f"/cases/{ONE}/untag", tag="mule-ring")).text
    assert f"row-{ONE}" not in (await client.get("/?tag=mule-ring")).text


async def test_chosen_cases_are_closed_and_what_came_of_each_is_told(console: ConsoleUnderTest) -> None:
    theirs = case("e" * 32, "acc-33", status="in_review", assignee="bob")
    await console.put(case(ONE, "acc-11"), case(TWO, "acc-22", version=3), theirs)
    client = await console.logged_in("ann", "analyst")
    chosen = [f"{ONE}~1", f"{TWO}~2", f"{'e' * 32}~1", f"{'f' * 32}~1"]
    page = await choose(
        client, "/cases/close?severity=high", case=chosen, disposition="false_positive", note="a test file"
    )
    assert page.status_code == 200
    for text in (
        "Closed as <bdi>false positive</bdi>.",
        "The case has changed since you saw it.",
        "The case is assigned to <bdi>bob</bdi>.",
        "There is no case",
        "<bdi>1</bdi> of <bdi>4</bdi> done.",
        'href="/?severity=high"',
    ):
        assert text in page.text
    closed = await console.view.case(ONE)
    assert closed is not None
    assert (closed.status, closed.notes[-1].text) == ("closed", "a test file")
    told = {(each[2], each[3]) for each in console.audit.of("act") if each[4] == "close"}
    assert told == {
        *(("asked", f"case:{each}") for each in (ONE, TWO, "e" * 32)),
        ("done", f"case:{ONE}"),
        *(("refused", f"case:{each}") for each in (TWO, "e" * 32)),
    }


async def test_a_bulk_closing_that_is_none_changes_nothing(console: ConsoleUnderTest) -> None:
    await console.put(case(ONE))
    client = await console.logged_in("ann", "analyst")
    for fields in (
        {"disposition": "inconclusive"},
        {"case": [f"{ONE}~1"]},
        {"case": [f"{ONE}~1"], "disposition": "confirmed_fraud"},
        {"case": [ONE], "disposition": "inconclusive"},
        {"case": [f"{ONE}~x"], "disposition": "inconclusive"},
        {"case": [f"{ONE}~{number}" for number in range(51)], "disposition": "inconclusive"},
    ):
        assert (await choose(client, "/cases/close", **fields)).status_code == 400, fields
    assert console.published == []


async def test_a_case_that_cannot_be_audited_is_not_closed_and_the_page_says_so(console: ConsoleUnderTest) -> None:
    await console.put(case(ONE))
    client = await console.logged_in("ann", "analyst")
    token = token_of((await client.get("/")).text)
    console.audit.fails = True
    fields = {"csrf": token, "case": f"{ONE}~1", "disposition": "inconclusive"}
    page = await client.post("/cases/close", data=fields)
    assert "<bdi>0</bdi> of <bdi>1</bdi> done." in page.text
    assert "The audit log cannot be written" in page.text
    assert console.published == []


async def test_a_bulk_closing_may_need_approval(console: ConsoleUnderTest) -> None:
    console.policy = CasePolicy(approval=Approval(confirmed_fraud=True))
    await console.put(case(ONE))
    client = await console.logged_in("ann", "analyst")
    page = await choose(client, "/cases/close", case=[f"{ONE}~1"], disposition="confirmed_fraud", typology="mule")
    assert "Proposed. A second person is to approve it." in page.text


async def test_a_program_merges_and_splits(console: ConsoleUnderTest) -> None:
    await console.put(with_alerts(ONE, "acc-11", "a1"), with_alerts(TWO, "acc-22", "b1", "b2"))
    program = await console.program("cases:read", "cases:act")
    split = await program.post(
        f"/api/v1/cases/{TWO}/actions",
        json={"action": "split", "alert_ids": ["b2"], "note": "n"},
        headers={"idempotency-key": "k1"},
    )
    assert (split.status_code, split.json()["version"]) == (200, 2)
    merge = await program.post(
        f"/api/v1/cases/{TWO}/actions",
        json={"action": "merge", "other_case_id": ONE},
        headers={"idempotency-key": "k2"},
    )
    assert (merge.status_code, merge.json()["status"]) == (200, "closed")
    again = await program.post(
        f"/api/v1/cases/{TWO}/actions", json={"action": "reopen"}, headers={"idempotency-key": "k3"}
    )
    assert (again.status_code, again.json()["code"]) == (409, "merged")


async def test_a_merged_case_is_counted_neither_as_closed_with_a_disposition_nor_as_open(
    console: ConsoleUnderTest,
) -> None:
    await console.put(case(ONE), case(TWO, "acc-22", status="closed", merged_into=ONE))
    tallied = console.index.tally(Tally(QueueQuery(status="all"), "disposition"))
    assert dict(tallied.cases) == {"": 1, MERGED: 1}

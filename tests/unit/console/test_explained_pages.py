"""A payment decided again: near misses on its page and on that of its case, which never say what is not true."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from fraudstream.console.access.references import References
from fraudstream.console.alert_source import AlertSource
from fraudstream.console.erasures import Erasures, note_erasure
from fraudstream.console.explanations import WAITING_MAX, Named
from fraudstream.console.rules.trials import TrialSettings
from fraudstream.console.web.entity_address import payment_href
from fraudstream.contracts import Alert
from tests.unit.cases.events import alert
from tests.unit.console.case_alerts import CASE, put
from tests.unit.console.console_app import SECRET, ConsoleUnderTest, case
from tests.unit.console.hostile_text import HOSTILE, assert_harmless

DEVICE = "device-77aa88bb"


def compared(left: str, value: str, threshold: str, holds: bool | None, margin: float | None = None) -> dict[str, Any]:
    evidence = {"left": left, "operator": ">", "right": threshold, "value": value, "threshold": threshold}
    return {"evidence": evidence | ({} if margin is None else {"margin": margin}), "holds": holds}


def explained(agrees: bool | None = True, **more: Any) -> dict[str, Any]:
    """What `fraudstream explain --json` prints, and more than the console reads."""
    rule = {"rule_id": "1", "severity": "high", "names": ["amount"]}
    near = [compared("amount", "480.00 EUR", "500.00 EUR", False, -0.04), compared("device_id", DEVICE, "x", True)]
    rules = [
        rule
        | {"rule": "a/fired", "title": "Fired", "closeness": "fired", "tested": [compared("amount", "1", "0", True)]},
        rule | {"rule": "b/far", "title": "Far", "closeness": "near", "tested": near, "shortfall": 0.2},
        rule | {"rule": "c/near", "title": f"Near {HOSTILE}", "closeness": "near", "tested": near, "shortfall": 0.04},
        rule
        | {"rule": "d/other", "title": "Other", "closeness": "other", "tested": [compared("speed", "-", "9", None)]},
    ]
    payment = {"event_id": "p-1", "occurred_at": 1, "account_id": "acc-1", "amount": "480.00", "currency": "EUR"}
    payment |= {"direction": "debit", "device_id": DEVICE}
    trial: dict[str, Any] = {"payment": payment, "decision": {"outcome": "review", "score": 0.5}, "rules": rules}
    trial |= {"score_threshold": 0.25, "score_parts": []}
    return {"rule_set": "d1", "agrees": agrees, "trial": trial, "sent": None} | more


class Explain:
    """What the console runs in place of `fraudstream explain`. `calls`: a line for each time, with its words."""

    def __init__(self, console: ConsoleUnderTest, calls: Path) -> None:
        self._console, self._calls = console, calls

    def prints(self, text: str, wait_s: float = 0.0) -> None:
        code = f"import json, sys, time; open({str(self._calls)!r}, 'a').write(json.dumps(sys.argv[1:]) + '\\n')"
        code += f"; time.sleep({wait_s}); print({text!r})"
        self._console.explanations.settings = TrialSettings([sys.executable, "-c", code], {**os.environ})

    def calls(self) -> list[list[str]]:
        """The words of each call, without the directory of rules."""
        lines = self._calls.read_text().splitlines() if self._calls.exists() else []
        return [[*words[:2], *words[3:]] for words in map(json.loads, lines)]


@pytest.fixture
def explain(console: ConsoleUnderTest, tmp_path: Path) -> Explain:
    explain = Explain(console, tmp_path / "calls")
    explain.prints(json.dumps(explained()))
    return explain


async def settled(client: httpx.AsyncClient, path: str) -> str:
    """The page once the payment is decided again."""
    for _ in range(400):
        if "is being decided again" not in (page := (await client.get(path)).text):
            return page
        await asyncio.sleep(0.05)
    raise TimeoutError(path)


async def test_a_case_page_shows_near_misses_of_its_newest_alert_when_asked(
    console: ConsoleUnderTest, explain: Explain
) -> None:
    await put(console, alert("a1", occurred_at_ms=1), alert("a2", occurred_at_ms=2))
    client = await console.logged_in("ann", "senior")
    page = (await client.get(f"/cases/{CASE}?severity=high")).text
    assert f'href="/cases/{CASE}?severity=high&amp;near=1#near-title"' in page
    assert explain.calls() == []  # nothing is computed before somebody asks
    changes = console.live.sequence
    page = await settled(client, f"/cases/{CASE}?near=1")
    assert explain.calls() == [["explain", "--rules", "--json", "a2"]]
    assert console.live.sequence > changes  # open pages are told
    assert page.index("c/near") < page.index("b/far")  # the nearest first
    assert "short by <bdi>4.0</bdi> %" in page
    assert "missed by <bdi>4.0</bdi> %" in page
    assert "d/other" not in page
    assert_harmless(page)
    assert "c/near" in (await client.get(f"/cases/{CASE}")).text  # known now
    assert len(explain.calls()) == 1


async def nothing(partition: int, alert_ids: Sequence[str]) -> Mapping[str, Alert]:
    """The topic of alerts, which has lost them."""
    return {}


async def test_an_erasure_of_the_account_drops_its_explanations_and_alerts(
    console: ConsoleUnderTest, explain: Explain
) -> None:
    await put(console, alert("a1"))
    client = await console.logged_in("ann", "senior")
    await settled(client, f"/cases/{CASE}/alerts/a1")
    named = Named(case().account_id, "event-of-a1", "a1")
    source = AlertSource(nothing)
    source.keep([alert("a1"), alert("b1", account_id="acc-2")])
    erasures = Erasures(console.redis, console.references, (console.explanations, source))

    await note_erasure(console.redis, console.references.pseudonym("account", "acc-2"), console.now_ms)
    await erasures.look()
    assert console.explanations.known(named) is not None
    await note_erasure(console.redis, console.references.pseudonym("account", named.account_id), console.now_ms)
    await erasures.look()
    assert console.explanations.known(named) is None
    assert (await source.find(CASE, 0, ["a1", "b1"], 1.0, lambda: None)).alerts == {}

    await settled(client, f"/cases/{CASE}/alerts/a1")  # the log has it still: see the retention of `payments`
    await erasures.look()
    assert console.explanations.known(named) is not None
    explain.prints("never", wait_s=60)
    other = Named(named.account_id, "e-2")
    ended = asyncio.Event()
    console.explanations.ask(other, ended.set)
    await note_erasure(console.redis, console.references.pseudonym("account", named.account_id), console.now_ms + 1)
    await erasures.look()
    await asyncio.wait_for(ended.wait(), 30)  # it was being made
    assert console.explanations.known(other) is None


async def test_the_page_of_a_payment_shows_every_rule(console: ConsoleUnderTest, explain: Explain) -> None:
    await put(console, alert("a1"))
    client = await console.logged_in("ann", "viewer")
    assert f'href="/cases/{CASE}/alerts/a1"' in (await client.get(f"/cases/{CASE}")).text
    page = await settled(client, f"/cases/{CASE}/alerts/a1")
    assert all(rule in page for rule in ("a/fired", "b/far", "c/near", "d/other"))
    assert "score <bdi>0.5000</bdi>, threshold <bdi>0.2500</bdi>" in page
    assert "byte for byte" in page
    assert DEVICE not in page  # a viewer sees no identifiers
    assert (await client.get(f"/cases/{CASE}/alerts/other")).status_code == 404
    assert (await client.get(f"/cases/{'d' * 32}/alerts/a1")).status_code == 404


async def test_a_payment_without_an_alert_is_found_by_its_event_and_account(
    console: ConsoleUnderTest, explain: Explain
) -> None:
    client = await console.logged_in("ann", "senior")
    page = await settled(client, payment_href(References(SECRET), Named("acc-1", "--p 1")))
    assert explain.calls() == [["explain", "--rules", "--json", "--event=--p 1", "--account=acc-1"]]
    assert DEVICE in page
    assert (await client.get("/payments/made-up")).status_code == 404
    viewed = [each.object or "" for each in console.audit.events if each.detail == "payment"]
    assert viewed[0].startswith("account:~")  # a pseudonym


@pytest.mark.parametrize(
    ("printed", "sentence"),
    [
        (json.dumps(explained(agrees=False)), "differs from what was sent"),
        ("fraudstream: 'alerts' has no alert a1.", "has no alert a1."),
        ('{"event_id": "p", "account_id": "a", "records": [], "decided": false}', "cannot be decided again"),
        ("", "cannot be decided again"),
    ],
)
async def test_a_re_run_that_is_not_what_was_decided_shows_no_near_miss(
    console: ConsoleUnderTest, explain: Explain, printed: str, sentence: str
) -> None:
    explain.prints(printed)
    await put(console, alert("a1"))
    client = await console.logged_in("ann", "senior")
    for path in (f"/cases/{CASE}?near=1", f"/cases/{CASE}/alerts/a1"):
        page = await settled(client, path)
        assert sentence in page
        assert "c/near" not in page


async def test_a_shortened_log_and_unknown_lists_are_said(console: ConsoleUnderTest, explain: Explain) -> None:
    explain.prints(json.dumps(explained(agrees=None, log_begins_at=7, lists_unknown=["stolen_devices"])))
    await put(console, alert("a1"))
    page = await settled(await console.logged_in("ann", "senior"), f"/cases/{CASE}/alerts/a1")
    assert "Retention has deleted the beginning of the log" in page
    assert "<bdi>stolen_devices</bdi>" in page
    assert "There is nothing to compare with" in page


async def test_only_so_many_payments_wait_to_be_decided_again(console: ConsoleUnderTest, explain: Explain) -> None:
    explain.prints("", wait_s=60)
    client = await console.logged_in("ann", "senior")
    pages = [
        (await client.get(payment_href(References(SECRET), Named("acc-1", f"p-{number}")))).text
        for number in range(WAITING_MAX + 2)
    ]
    assert ["Many payments" in page for page in pages] == [*[False] * (WAITING_MAX + 1), True]


async def test_a_page_that_asks_for_itself_again_does_not_try_again(
    console: ConsoleUnderTest, explain: Explain
) -> None:
    explain.prints("")
    await put(console, alert("a1"))
    client = await console.logged_in("ann", "senior")
    path = f"/cases/{CASE}?near=1"
    assert "Decide the payment again" in (await client.get(path, headers={"x-refresh": "1"})).text
    assert explain.calls() == []
    await settled(client, path)
    assert "cannot be decided again" in (await client.get(path)).text
    assert len(explain.calls()) == 1

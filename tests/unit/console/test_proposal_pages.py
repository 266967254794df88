"""Four eyes on rules: who proposes does not approve, and what was approved is activated by the command."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from fraudstream.console.rules.trials import TrialSettings
from tests.unit.console.console_app import ConsoleUnderTest, post

RULE = "/rules/takeover/new_device"
# Writes down how it was called, and the rule that it was called with.
ACTIVATE = """
import json, pathlib, sys
rules = pathlib.Path(sys.argv[sys.argv.index("--rules") + 1])
text = (rules / "takeover/new_device.yaml").read_text()
called = [sys.argv[1:3] + sys.argv[6:], text, len(list(rules.rglob("*.test.yaml")))]
pathlib.Path({out!r}).write_text(json.dumps(called))
print(json.dumps({{"rule_set": "d1", "by": "bob", "offsets": {{}}}}))
"""


@pytest.fixture
async def console(redis_url: str, unique_name: Callable[[str], str]):  # type: ignore[no-untyped-def]
    console = ConsoleUnderTest(redis_url, f"{unique_name('cases')}:", may_activate=True)
    yield console
    await console.close()


async def ended(client: httpx.AsyncClient, path: str) -> str:
    """The page of a trial once it has ended."""
    for _ in range(400):
        if "Running" not in (page := (await client.get(path)).text):
            return page
        await asyncio.sleep(0.05)
    raise TimeoutError(path)


async def proposed(console: ConsoleUnderTest, author: httpx.AsyncClient, limit: str = "100") -> str:
    """The path of the proposal of a draft with another limit."""
    text = console.rule_files["takeover/new_device.yaml"].replace("amount > 200", f"amount > {limit}")
    form = {"rule_text": text, "cases_text": "cases: []\n", "rule_set": "", "note": "less <b>fraud</b>"}
    answer = await post(author, f"{RULE}/draft/propose", **form)
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"])


async def test_another_person_approves_and_the_rule_is_activated(console: ConsoleUnderTest, tmp_path: Path) -> None:
    out = tmp_path / "called.json"
    console.trials.settings = TrialSettings([sys.executable, "-c", ACTIVATE.format(out=str(out))], {**os.environ})
    ann, bob = await console.logged_in("ann", "senior"), await console.logged_in("bob", "approver")
    path = await proposed(console, ann)
    assert path in (await bob.get("/rules")).text
    page = (await bob.get(path)).text
    assert "-when: amount &gt; 200\n+when: amount &gt; 100" in page
    assert "+cases: []" in page
    assert "less &lt;b&gt;fraud" in page
    assert (await post(ann, f"{path}/approve")).status_code == 409
    assert "Another person has to approve" in (await post(ann, f"{path}/approve")).text
    answer = await post(bob, f"{path}/approve")
    assert answer.status_code == 303
    assert "is in force." in await ended(bob, answer.headers["location"])
    words, text, cases = json.loads(out.read_text())
    note = "takeover/new_device, proposed by ann: less <b>fraud</b>"
    assert words == ["rules", "activate", "--by", "bob", f"--note={note}"]
    assert "amount > 100" in text
    assert cases == 1
    assert "decided by <bdi>bob</bdi>" in (await ann.get(path)).text
    assert (await post(ann, f"{path}/refuse")).status_code == 409  # it was approved
    acts = [(actor, outcome, detail) for actor, _, outcome, rule, detail in console.audit.of("act")]
    assert {rule for *_, rule, _ in console.audit.of("act")} == {"rule:takeover/new_device"}
    assert acts == [
        ("ann", "asked", "propose"),
        ("ann", "done", f"propose {path}"),
        *[("ann", outcome, f"approve {path}") for outcome in ("asked", "refused") * 2],
        ("bob", "asked", f"approve {path}"),
        ("bob", "done", f"approve {path}"),
        ("bob", "done", f"activate {path}"),
        ("ann", "asked", f"withdraw {path}"),
        ("ann", "refused", f"withdraw {path}"),
    ]
    ids = {
        event.request_id for event in console.audit.events if event.detail in (f"approve {path}", f"activate {path}")
    }
    assert len(ids) == 3  # the activation belongs to the request that approved it


async def test_an_activation_that_fails_is_in_the_audit_log(console: ConsoleUnderTest) -> None:
    console.trials.settings = TrialSettings([sys.executable, "-c", "import sys; sys.exit(1)"], {**os.environ})
    ann, bob = await console.logged_in("ann", "rule_author"), await console.logged_in("bob", "approver")
    path = await proposed(console, ann)
    page = await ended(bob, (await post(bob, f"{path}/approve")).headers["location"])
    assert "Failed" in page
    assert console.audit.of("act")[-1] == ("bob", "act", "failed", "rule:takeover/new_device", f"activate {path}")


async def test_nothing_is_decided_that_cannot_be_audited(console: ConsoleUnderTest) -> None:
    ann, bob = await console.logged_in("ann", "rule_author"), await console.logged_in("bob", "approver")
    path = await proposed(console, ann)
    console.audit.fails = True
    for client, action in ((bob, "approve"), (bob, "refuse"), (ann, "refuse"), (ann, "try")):
        assert (await post(client, f"{path}/{action}")).status_code == 503
    assert "waits for approval" in (await bob.get(path)).text
    assert console.trials.of_user("bob") == console.trials.of_user("ann") == []


async def test_an_author_does_not_decide_on_proposals_of_others(console: ConsoleUnderTest) -> None:
    ann, eve = await console.logged_in("ann", "rule_author"), await console.logged_in("eve", "rule_author")
    path = await proposed(console, ann)
    for action in ("approve", "refuse"):
        assert (await post(eve, f"{path}/{action}")).status_code == 403
    assert [(actor, object) for actor, *_, object, _ in console.audit.of("refuse")] == [
        ("eve", f"path:{path}/approve"),
        ("eve", f"path:{path}/refuse"),
    ]
    assert "waits for approval" in (await eve.get(path)).text


async def test_nothing_is_activated_that_nobody_looked_at(console: ConsoleUnderTest) -> None:
    ann, bob = await console.logged_in("ann", "senior"), await console.logged_in("bob", "senior")
    path = await proposed(console, ann)
    console.rule_files["takeover/busy.yaml"] += "tags: [typology.mule]\n"
    answer = await post(bob, f"{path}/approve")
    assert answer.status_code == 409
    assert "Something else is in force" in answer.text
    assert console.trials.of_user("bob") == []
    assert (await bob.get("/proposals/none")).status_code == 404


async def test_a_refused_or_withdrawn_proposal_stays_so(console: ConsoleUnderTest) -> None:
    ann, bob = await console.logged_in("ann", "senior"), await console.logged_in("bob", "senior")
    path = await proposed(console, ann)
    assert (await post(bob, f"{path}/refuse")).status_code == 303
    answer = await post(bob, f"{path}/approve")
    assert (answer.status_code, "has decided before you" in answer.text) == (409, True)
    own = await proposed(console, ann, "90")
    assert (await post(ann, f"{own}/refuse")).status_code == 303
    assert "refused" in (await bob.get(own)).text


async def test_without_the_setting_nothing_can_be_put_in_force(
    redis_url: str, unique_name: Callable[[str], str]
) -> None:
    console = ConsoleUnderTest(redis_url, f"{unique_name('cases')}:")
    try:
        ann = await console.logged_in("ann", "senior")
        assert "Ask for approval" not in (await ann.get(f"{RULE}/draft")).text
        text = console.rule_files["takeover/new_device.yaml"]
        assert (await post(ann, f"{RULE}/draft/propose", rule_text=text)).status_code == 404
    finally:
        await console.close()

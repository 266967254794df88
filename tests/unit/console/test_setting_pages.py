"""Thresholds, the status of rules, and models: changed without editing text, tried, approved, and rolled back."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest

from fraudstream.contracts import RuleSwitch
from fraudstream.engine.rule_set import compile_rule_set
from tests.unit.console.activating_console import Command, ended
from tests.unit.console.console_app import ConsoleUnderTest, post, token_of
from tests.unit.engine.trees_of_rules import model_bytes, with_models

RULE = "/rules/takeover/new_device"
ACTIVATED = {"rule_set": "d1", "by": "bob", "offsets": {}}


@pytest.fixture
async def console(redis_url: str, unique_name: Callable[[str], str]) -> AsyncIterator[ConsoleUnderTest]:
    console = ConsoleUnderTest(redis_url, f"{unique_name('cases')}:", may_activate=True)
    yield console
    await console.close()


@pytest.fixture
def command(console: ConsoleUnderTest, tmp_path: Path) -> Command:
    command = Command(tmp_path / "called.json")
    command.used_by(console, ACTIVATED)
    return command


def digest_of(console: ConsoleUnderTest) -> str:
    return compile_rule_set(console.rule_files, None, console.artefacts).digest


async def sent(client: httpx.AsyncClient, path: str, fields: list[tuple[str, str]]) -> httpx.Response:
    """A form whose fields may repeat."""
    token = token_of((await client.get("/")).text)
    content = httpx.QueryParams([("csrf", token), *fields])
    headers = {"content-type": "application/x-www-form-urlencoded"}
    return await client.post(path, content=str(content), headers=headers)


def use_models(console: ConsoleUnderTest) -> None:
    """A rule set with a score and two models, of which one decides."""
    models = {name: model_bytes(["amount"], (0, 100.0, low, 1.0)) for name, low in (("old", -1.0), ("new", -2.0))}
    rules = with_models(models, "champion: old\n")
    console.rule_files = dict(rules.files)
    console.artefacts = {each.digest: each.content for each in rules.artefacts.values()}


async def test_numbers_and_status_of_a_rule_become_a_draft(console: ConsoleUnderTest) -> None:
    ann, bob = await console.logged_in("ann", "rule_author"), await console.logged_in("bob", "approver")
    page = (await ann.get("/rules/thresholds")).text
    assert re.search(r'name="number" value="200"', page)
    assert 'name="number"' not in (await bob.get("/rules/thresholds")).text
    form = {"rule_set": digest_of(console), "number": "1_500", "status": "shadow"}
    answer = await post(ann, f"{RULE}/settings", **form)
    assert (answer.status_code, answer.headers["location"]) == (303, f"{RULE}/draft")
    draft = (await ann.get(f"{RULE}/draft")).text
    assert "when: amount &gt; 1_500\n" in draft
    assert "status: shadow\n" in draft
    assert "No faults." in draft
    again = await post(ann, f"{RULE}/settings", **form)
    assert (again.status_code, "You have a draft" in again.text) == (409, True)
    assert "You have a draft of it" in (await ann.get("/rules/thresholds")).text


async def test_a_condition_of_several_lines_is_shown_without_codes_for_their_ends(console: ConsoleUnderTest) -> None:
    text = console.rule_files["takeover/new_device.yaml"]
    console.rule_files["takeover/new_device.yaml"] = text.replace(
        "when: amount > 200", "when: >-\n  amount > 200\n  and amount < 900"
    )
    ann = await console.logged_in("ann", "rule_author")
    page = (await ann.get("/rules/thresholds")).text
    assert 'value="900"' in page
    assert "U+000A" not in page


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ([("number", "1 or true")], 400),
        ([("number", "-1")], 400),
        ([("number", "")], 400),
        ([], 400),
        ([("number", "1"), ("number", "2")], 400),
        ([("number", "1"), ("status", "retired")], 400),
        ([("number", "1"), ("rule_set", "another")], 409),
    ],
)
async def test_what_is_no_setting_of_the_rule_is_refused(
    console: ConsoleUnderTest, fields: list[tuple[str, str]], status: int
) -> None:
    client = await console.logged_in("ann", "rule_author")
    answer = await sent(client, f"{RULE}/settings", [("rule_set", digest_of(console)), *fields])
    assert answer.status_code == status
    assert (await sent(client, "/rules/takeover/unknown/settings", fields)).status_code == 404


async def test_the_threshold_of_the_score_is_tried_proposed_and_put_in_force(
    console: ConsoleUnderTest, command: Command
) -> None:
    use_models(console)
    ann, bob = await console.logged_in("ann", "rule_author"), await console.logged_in("bob", "approver")
    assert 'name="value" value="0.9"' in (await ann.get("/models")).text
    assert "/models/propose" not in (await bob.get("/models")).text
    answer = await post(ann, "/models/try", part="score", value="0.75")
    assert answer.headers["location"].startswith("/trials/")
    await ended(ann, answer.headers["location"])
    assert "threshold: 0.75" in command.files()["score.yaml"]
    answer = await post(ann, "/models/propose", part="score", value="0.75", note="too many alerts")
    path = answer.headers["location"]
    page = (await bob.get(path)).text
    assert "-threshold: 0.9\n+threshold: 0.75" in page
    await ended(bob, (await post(bob, f"{path}/approve")).headers["location"])
    assert command.words() == [
        "rules",
        "activate",
        "--json",
        "--by",
        "bob",
        "--note=score, proposed by ann: too many alerts",
    ]
    assert "threshold: 0.75" in command.files()["score.yaml"]
    assert ("bob", "act", "done", "file:score.yaml", f"activate {path}") in console.audit.of("act")


async def test_a_model_is_put_in_charge_and_the_other_beside_it(console: ConsoleUnderTest, command: Command) -> None:
    use_models(console)
    ann, bob = await console.logged_in("ann", "senior"), await console.logged_in("bob", "senior")
    fields = [
        ("part", "model"),
        ("champion", "new"),
        ("threshold", "0.4"),
        ("challenger", "old"),
        ("challenger", "new"),
    ]
    path = (await sent(ann, "/models/propose", fields)).headers["location"]
    assert "+champion: new\n+threshold: 0.4\n+challengers: [old]" in (await bob.get(path)).text
    await ended(bob, (await post(bob, f"{path}/approve")).headers["location"])
    assert command.files()["model.yaml"] == "champion: new\nthreshold: 0.4\nchallengers: [old]\n"
    none = (await sent(ann, "/models/propose", [("part", "model"), ("champion", "")])).headers["location"]
    assert "-champion: old\n+challengers: []" in (await bob.get(none)).text


@pytest.mark.parametrize(
    ("fields", "status", "sentence"),
    [
        ({"part": "score", "value": "0.9"}, 409, "in force already"),
        ({"part": "score", "value": "7"}, 409, "cannot be used so"),
        ({"part": "score", "value": "0.5 # and\nmore: 1"}, 400, "not a number"),
        ({"part": "model", "champion": "unknown"}, 400, "not a number"),
        ({"part": "model", "champion": "new", "threshold": "2"}, 409, "cannot be used so"),
    ],
)
async def test_settings_that_the_rules_cannot_have_are_refused(
    console: ConsoleUnderTest, fields: dict[str, str], status: int, sentence: str
) -> None:
    use_models(console)
    client = await console.logged_in("ann", "rule_author")
    for action in ("try", "propose"):
        answer = await post(client, f"/models/{action}", **fields)
        assert (answer.status_code, sentence in answer.text) == (status, True), answer.text


async def test_rules_are_rolled_back_to_those_that_were_in_force_before(
    console: ConsoleUnderTest, command: Command
) -> None:
    old_files, old_digest = dict(console.rule_files), digest_of(console)
    ann, bob = await console.logged_in("ann", "rule_author"), await console.logged_in("bob", "approver")
    text = console.rule_files["takeover/new_device.yaml"].replace("amount > 200", "amount > 100")
    path = (await post(ann, f"{RULE}/draft/propose", rule_text=text, cases_text="")).headers["location"]
    await ended(bob, (await post(bob, f"{path}/approve")).headers["location"])
    console.rule_files["takeover/new_device.yaml"] = text
    console.stored[old_digest] = old_files
    console.switches = [RuleSwitch(old_digest, "carl", console.now_ms - 5, "by hand")]
    page = (await ann.get("/changes")).text
    assert old_digest in page
    assert "by hand" in page
    for fields in ({"proposal": path.rpartition("/")[2]}, {"rule_set": old_digest}):
        answer = await post(ann, "/changes/restore", note="too many alerts", **fields)
        back = answer.headers["location"]
        assert "-when: amount &gt; 100\n+when: amount &gt; 200" in (await bob.get(back)).text
        await ended(bob, (await post(bob, f"{back}/approve")).headers["location"])
        assert command.words()[:2] == ["rules", "activate"]
        assert command.files() == old_files
        assert ("bob", "act", "done", f"rule-set:{old_digest}", f"activate {back}") in console.audit.of("act")
    for fields in ({"rule_set": "0" * 16}, {"proposal": "unknown"}, {}):
        assert (await post(ann, "/changes/restore", note="x", **fields)).status_code == 404


async def test_what_is_put_in_force_waits_for_what_is_being_put_in_force(console: ConsoleUnderTest) -> None:
    """Both would be made of the rules in force now: the second one would undo the first."""
    console.trials.settings = console.trials.settings._replace(
        command=[console.trials.settings.command[0], "-c", "import sys; sys.stdin.read(); import time; time.sleep(60)"]
    )
    ann, bob = await console.logged_in("ann", "senior"), await console.logged_in("bob", "senior")
    paths = []
    for limit in ("100", "90"):
        text = console.rule_files["takeover/new_device.yaml"].replace("amount > 200", f"amount > {limit}")
        paths.append((await post(ann, f"{RULE}/draft/propose", rule_text=text)).headers["location"])
    assert (await post(ann, f"{RULE}/draft/try", rule_text=text)).status_code == 303  # a trial is not in the way
    assert (await post(bob, f"{paths[0]}/approve")).status_code == 303
    assert (await post(bob, f"{paths[1]}/approve")).status_code == 409

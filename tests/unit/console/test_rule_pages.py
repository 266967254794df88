"""The pages of rules: what is in force, drafts with their faults, and trials in processes of their own."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path

import httpx
import msgspec
import pytest
from starlette.requests import Request
from starlette.types import Message

from fraudstream.cli.main import main
from fraudstream.console.access.masking import masked
from fraudstream.console.access.roles import Role
from fraudstream.console.access.teams import Team
from fraudstream.console.erasures import Erasures, note_erasure
from fraudstream.console.rules.trials import TrialSettings
from fraudstream.console.web.errors import PageError
from fraudstream.console.web.forms import form_of
from fraudstream.contracts import Payment
from tests.unit.console.console_app import ConsoleUnderTest, case, post

BEGIN_MS = 1_772_625_600_000
RULE = "/rules/takeover/new_device"
OF_RULE = "rule:takeover/new_device"
ACCOUNT, DEVICE = "DE02120300000000202051", "device-77aa88bb"
HOSTILE = "<script>alert(1)</script>\u202e"
CASES = """
defaults: {currency: EUR, direction: debit}
cases:
  - {name: above the limit, shows: firing, expect: fires, payment: {amount: 150}}
  - {name: at the limit, shows: near_miss, expect: fires, payment: {amount: 100}}
"""


@pytest.fixture
async def author(console: ConsoleUnderTest) -> httpx.AsyncClient:
    return await console.logged_in("ann", "senior")


def drafted(console: ConsoleUnderTest, limit: str = "100", cases: str = "") -> dict[str, str]:
    """The form of a draft with another limit."""
    text = console.rule_files["takeover/new_device.yaml"].replace("amount > 200", f"amount > {limit}")
    return {"rule_text": text.replace("\n", "\r\n"), "cases_text": cases.replace("\n", "\r\n"), "rule_set": "d"}


def runs(console: ConsoleUnderTest, script: str) -> None:
    """Trials run a script in place of `fraudstream`."""
    console.trials.settings = TrialSettings([sys.executable, "-c", script], {**os.environ})


async def ended(client: httpx.AsyncClient, path: str) -> str:
    """The page of a trial once it has ended."""
    for _ in range(2_400):
        if "Running" not in (page := (await client.get(path)).text):
            return page
        await asyncio.sleep(0.05)
    raise TimeoutError(path)


def plain(page: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", page).split())


async def test_rules_in_force_are_listed_with_what_they_have_done(
    console: ConsoleUnderTest, author: httpx.AsyncClient
) -> None:
    await console.put(
        case("a" * 32, opened_at_ms=console.now_ms - 1),
        case("b" * 32, status="closed", disposition="confirmed_fraud", opened_at_ms=console.now_ms - 1),
        case("c" * 32, status="closed", disposition="genuine_but_risky", opened_at_ms=console.now_ms - 30 * 86_400_000),
        case("d" * 32, status="closed", disposition="inconclusive", rules=("other/rule",)),
    )
    page = plain((await author.get("/rules")).text)
    assert "takeover/new_device live high New device 2 1 0 100 %" in page
    longer = plain((await author.get("/rules?days=90")).text)
    assert "takeover/new_device live high New device 3 1 1 50 %" in longer
    assert "takeover/busy shadow low Busy account – – – –" in page
    of_rule = (await author.get(RULE)).text
    assert "when: <mark>amount &gt; 200</mark>\n" in of_rule
    assert f'href="/cases/{"a" * 32}"' in of_rule
    assert (await author.get("/rules/takeover/unknown")).status_code == 404
    assert (await author.get("/rules/..%2f/x")).status_code == 404


async def test_a_team_sees_what_rules_have_done_among_its_cases(console: ConsoleUnderTest) -> None:
    await console.add_team(Team("cards", typologies=("card_testing",)))
    await console.put(case("a" * 32), case("b" * 32, rules=("takeover/new_device", "card_testing/many")))
    client = await console.logged_in("ann", "rule_author", team="cards")
    assert "New device 1 0 0 –" in plain((await client.get("/rules")).text)
    page = (await client.get(RULE)).text
    assert ("a" * 32 in page, "b" * 32 in page) == (False, True)


async def test_who_looked_at_and_changed_what_is_in_the_audit_log(console: ConsoleUnderTest) -> None:
    client = await console.logged_in("ann", "rule_author")
    runs(console, "")
    await client.get("/rules")
    await client.get(RULE)
    for _ in range(2):
        await post(client, f"{RULE}/draft/check", **drafted(console))
    await post(client, f"{RULE}/draft/save", **drafted(console))
    await post(client, f"{RULE}/draft/try", **drafted(console, "1h"))
    path = (await post(client, f"{RULE}/draft/try", **drafted(console))).headers["location"]
    await ended(client, path)
    await post(client, f"{path}/cancel")
    await post(client, f"{RULE}/draft/discard")
    assert [each[1:] for each in console.audit.of("view", "act")] == [
        ("view", "done", "path:/rules", None),
        ("view", "done", OF_RULE, None),
        ("view", "done", OF_RULE, "draft"),  # once in a while, as it is checked at every pause of typing
        ("act", "asked", OF_RULE, "save"),
        ("act", "done", OF_RULE, f"save {RULE}/draft"),
        ("act", "asked", OF_RULE, "try"),
        ("act", "refused", OF_RULE, "try"),
        ("act", "asked", OF_RULE, "try"),
        ("act", "done", OF_RULE, f"try {path}"),
        ("view", "done", f"trial:{path.rpartition('/')[2]}", "takeover/new_device"),
        ("act", "asked", OF_RULE, f"cancel {path}"),
        ("act", "done", OF_RULE, f"cancel {path}"),
        ("act", "asked", OF_RULE, "discard"),
        ("act", "done", OF_RULE, "discard /rules"),
    ]


async def test_without_the_audit_log_no_draft_changes_and_no_trial_begins(console: ConsoleUnderTest) -> None:
    client = await console.logged_in("ann", "rule_author")
    await post(client, f"{RULE}/draft/save", **drafted(console, "100"))
    console.audit.fails = True
    for action in ("save", "try", "test", "discard"):
        assert (await post(client, f"{RULE}/draft/{action}", **drafted(console, "90"))).status_code == 503
    assert "amount &gt; 100\n" in (await client.get(f"{RULE}/draft")).text
    assert console.trials.of_user("ann") == []
    console.audit.is_full = True
    other = await console.logged_in("bob", "approver")
    for path in ("/rules", RULE):
        assert (await other.get(path)).status_code == 503


async def test_a_draft_is_checked_without_being_saved(console: ConsoleUnderTest, author: httpx.AsyncClient) -> None:
    form = drafted(console, "1h")
    answer = await post(author, f"{RULE}/draft/check", **form)
    assert re.search(r'data-line="5" data-field="rule_text">Line <bdi>5</bdi>, column <bdi>\d+</bdi>', answer.text)
    assert "not saved yet" in (await author.get(f"{RULE}/draft")).text
    sound = await post(author, f"{RULE}/draft/check", **drafted(console, cases="cases: [\n"))
    assert 'data-field="cases_text"' in sound.text
    assert "No faults." in plain((await post(author, f"{RULE}/draft/check", **drafted(console))).text)
    taken = form["rule_text"].replace("1h", "1").replace("id: 1", "id: 2")
    answer = await post(author, f"{RULE}/draft/check", rule_text=taken)
    assert "is that of takeover/busy.yaml" in plain(answer.text)


async def test_a_draft_is_kept_for_its_author(console: ConsoleUnderTest, author: httpx.AsyncClient) -> None:
    answer = await post(author, f"{RULE}/draft/save", **drafted(console, "100", cases=HOSTILE))
    assert (answer.status_code, answer.headers["location"]) == (303, f"{RULE}/draft")
    page = (await author.get(f"{RULE}/draft")).text
    assert "amount &gt; 100\n" in page  # without the line breaks of forms
    assert "<script>alert" not in page
    assert f'href="{RULE}/draft"' in (await author.get("/rules")).text
    other = await console.logged_in("bob", "admin")
    assert "amount &gt; 200" in (await other.get(f"{RULE}/draft")).text
    assert (await post(author, f"{RULE}/draft/discard")).status_code == 303
    assert "amount &gt; 200" in (await author.get(f"{RULE}/draft")).text
    assert (await post(author, f"{RULE}/draft/activate")).status_code == 404


async def test_a_new_rule_begins_with_a_text_that_is_sound(author: httpx.AsyncClient) -> None:
    answer = await author.get("/rules/new", params={"name": "mule/at_night"})
    assert answer.headers["location"] == "/rules/mule/at_night/draft"
    page = (await author.get("/rules/mule/at_night/draft")).text
    assert "No faults." in page
    assert "title: At night" in page
    assert (await author.get("/rules/new", params={"name": "../x"})).status_code == 404


async def test_a_faulty_draft_is_not_tried(console: ConsoleUnderTest, author: httpx.AsyncClient) -> None:
    answer = await post(author, f"{RULE}/draft/try", **drafted(console, "1h"))
    assert answer.status_code == 409
    assert "The draft has a fault" in plain(answer.text)


async def test_a_draft_is_tried_on_payments(
    console: ConsoleUnderTest, author: httpx.AsyncClient, tmp_path: Path
) -> None:
    file = tmp_path / "payments.jsonl"
    payments = [
        Payment(f"p{n}", BEGIN_MS + n, ACCOUNT, amount, "EUR", "debit", device_id=DEVICE)
        for n, amount in enumerate(("150", "250", "5"))
    ]
    file.write_bytes(b"\n".join(map(msgspec.json.encode, payments)))
    console.trials.settings = TrialSettings(
        [sys.executable, "-m", "fraudstream.cli.main"], {**os.environ}, file=str(file)
    )
    form = drafted(console)
    form["rule_text"] = form["rule_text"].replace('"{amount}"', '"{amount} from {account_id} on {device_id}"')
    answer = await post(author, f"{RULE}/draft/try", **form)
    assert answer.status_code == 303
    page = plain(await ended(author, answer.headers["location"]))
    assert "The last 50 results are in" in page
    assert "Alerts gained: 1 , lost: 0 , unchanged: 1 , on 3 payments." in page
    assert "takeover/new_device changed: when, message" in page
    example = "p0 150 EUR – allowed → review takeover/new_device: 150.00 EUR from"
    assert f"{example} {ACCOUNT} on {DEVICE}" in page
    roles: tuple[Role, ...] = ("rule_author", "approver", "admin")  # the author is `senior`
    for role in roles:
        other = await console.logged_in(f"user-{role}", role)
        shown = plain((await other.get(answer.headers["location"])).text)
        assert f"{example} {masked(ACCOUNT)} on {masked(DEVICE)}" in shown
        assert ACCOUNT not in shown
    erasures = Erasures(console.redis, console.references, (console.trials,))
    for account in ("somebody else", ACCOUNT):
        assert (await author.get(answer.headers["location"])).status_code == 200
        await note_erasure(console.redis, console.references.pseudonym("account", account), console.now_ms)
        await erasures.look()
    assert (await author.get(answer.headers["location"])).status_code == 404


async def test_a_drafts_test_cases_are_run(
    console: ConsoleUnderTest, author: httpx.AsyncClient, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    drafts = drafted(console, cases=CASES)
    files = console.rule_files | {
        "takeover/new_device.yaml": drafts["rule_text"], "takeover/new_device.test.yaml": drafts["cases_text"]
    }  # fmt: skip
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text.replace("\r\n", "\n"))
    assert main(["rules", "test", "--rules", str(tmp_path), "--json"]) == 1
    runs(console, f"import sys; print({capsys.readouterr().out!r}); sys.exit(sys.argv[1:3] != ['rules', 'test'])")
    tested = await post(author, f"{RULE}/draft/test", **drafts)
    page = plain(await ended(author, tested.headers["location"]))
    assert "1 of 2 test cases passed" in page
    assert "Expected fires , found silent . amount 100.00 EUR" in page


async def test_progress_reaches_the_page_and_a_trial_can_be_cancelled(
    console: ConsoleUnderTest, author: httpx.AsyncClient
) -> None:
    runs(
        console,
        'import json,sys,time; print(json.dumps({"progress": {"payments": 4000, "differing": 2, "share": 0.25}}), '
        "file=sys.stderr, flush=True); time.sleep(60)",
    )
    events = console.live.events(lambda: asyncio.sleep(0, True))
    await anext(events)
    path = (await post(author, f"{RULE}/draft/try", **drafted(console))).headers["location"]
    async with asyncio.timeout(30):
        async for event in events:
            if path.rpartition("/")[2] in event:
                break
    page = await author.get(path)
    assert "4,000 payments, 2 alerts differ" in plain(page.text)
    assert 'value="0.250"' in page.text
    assert (await post(author, f"{RULE}/draft/try", **drafted(console))).status_code == 409  # one at a time
    other = await console.logged_in("bob", "admin")
    assert (await post(other, f"{path}/cancel")).status_code == 404  # it is not theirs
    assert (await post(author, f"{path}/cancel")).status_code == 303
    assert "Cancelled" in plain(await ended(author, path))


async def test_a_trial_that_fails_says_why(console: ConsoleUnderTest, author: httpx.AsyncClient) -> None:
    runs(console, 'import sys; print(f"fraudstream: {sys.argv[4]}/x.yaml: no broker answers <b>"); sys.exit(1)')
    path = (await post(author, f"{RULE}/draft/try", **drafted(console))).headers["location"]
    page = await ended(author, path)
    assert '"source">x.yaml: no broker answers &lt;b&gt;<' in page  # without the directory of the trial
    assert "Failed" in plain(page)


async def test_why_a_trial_failed_quotes_rows_and_names_files_to_those_alone_who_see_identifiers(
    console: ConsoleUnderTest, author: httpx.AsyncClient
) -> None:
    said = "fraudstream: /data/of-ann-example.csv: row 17: account_id 'acc-ann-77' paid to DE89370400440532013000 twice"
    runs(console, f"import sys; print({said!r}); sys.exit(1)")
    console.trials.settings = console.trials.settings._replace(file="/data/of-ann-example.csv")
    path = (await post(author, f"{RULE}/draft/try", **drafted(console))).headers["location"]
    assert "row 17: account_id &#39;acc-ann-77&#39; paid to DE89370400440532013000" in await ended(author, path)
    page = await ended(await console.logged_in("bob", "rule_author"), path)
    assert "••••.csv: row 17: account_id &#39;••••n-77&#39; paid to ••••3000 twice" in page
    for hidden in ("acc-ann", "ann-example", "DE89"):
        assert hidden not in page


async def test_a_form_that_is_no_longer_wanted_is_no_error() -> None:
    async def receive() -> Message:
        return {"type": "http.disconnect"}

    headers = [(b"content-type", b"application/x-www-form-urlencoded")]
    with pytest.raises(PageError):
        await form_of(Request({"type": "http", "method": "POST", "headers": headers}, receive))

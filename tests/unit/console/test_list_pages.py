"""Lists in the console: who sees which values; entries are proposed, approved, put in force and rolled back."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from fraudstream.console.access.roles import Role
from fraudstream.console.past import PastDesk
from fraudstream.contracts import ListEntry
from fraudstream.contracts.timestamps import utc_text
from fraudstream.history.reader import HistoryReader
from tests.unit.console.activating_console import Command, ended
from tests.unit.console.console_app import ConsoleUnderTest, post
from tests.unit.history.filled_store import fill
from tests.unit.history.log_records import DAY, T0, payment

LIST = "/lists/stolen_devices"
DEVICE, OTHER = "device-77aa88bb", "device-00cc11dd"
SET = {"entries": [], "offsets": {"0": 17}}


@pytest.fixture
async def console(redis_url: str, unique_name: Callable[[str], str]) -> AsyncIterator[ConsoleUnderTest]:
    console = ConsoleUnderTest(redis_url, f"{unique_name('cases')}:", may_activate=True)
    yield console
    await console.close()


@pytest.fixture
def command(console: ConsoleUnderTest, tmp_path: Path) -> Command:
    command = Command(tmp_path / "called.json")
    command.used_by(console, SET)
    return command


def entry(console: ConsoleUnderTest, value: str = DEVICE, **fields: Any) -> ListEntry:
    """An entry that the list has now."""
    values: dict[str, Any] = {"list": "stolen_devices", "value": value, "by": "carl", "issued_at_ms": console.now_ms}
    made = ListEntry(**(values | fields))
    console.entries.append(made)
    return made


async def proposed(author: httpx.AsyncClient, action: str = "add", **fields: str) -> str:
    """The path of the proposal."""
    given = {"values": DEVICE, "note": "reported stolen"} if action == "add" else {"note": "found again"}
    answer = await post(author, f"{LIST}/{action}", **(given | fields))
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"])


def reference_in(page: str) -> str:
    """What stands for the value of the first entry of a page."""
    found = re.search(r'name="entry" value="([^"]+)"', page)
    assert found is not None, page
    return found[1]


@pytest.mark.parametrize("role", ["viewer", "analyst", "rule_author", "approver", "senior"])
async def test_who_does_not_see_identifiers_sees_masked_values(console: ConsoleUnderTest, role: Role) -> None:
    entry(console, note=f"see {DEVICE}")
    console.entries.append(ListEntry("known_shops", "shop-12345678", "carl", console.now_ms))
    client = await console.logged_in("ann", role)
    assert "stolen_devices" in (await client.get("/lists")).text
    page = (await client.get(LIST)).text
    assert (DEVICE in page) == (role == "senior")
    assert ("Ask for approval" in page) == (role in ("rule_author", "senior"))
    assert "shop-12345678" in (await client.get("/lists/known_shops")).text  # a merchant is nobody's secret
    assert (await client.get("/lists/unknown")).status_code == 404


async def test_entries_are_found_by_value_author_and_note(console: ConsoleUnderTest) -> None:
    entry(console, note="from the police")
    entry(console, OTHER, by="dora", expires_at_ms=console.now_ms - 1)
    senior, viewer = await console.logged_in("ann", "senior"), await console.logged_in("vic", "viewer")
    for text, found in (("police", (True, False)), ("dora", (False, True)), ("77aa", (True, False))):
        page = (await senior.get(LIST, params={"text": text})).text
        assert (DEVICE in page, OTHER in page) == found, text
    # A part of what is masked would tell what it is.
    assert "There is no such entry" in (await viewer.get(LIST, params={"text": "77aa"})).text
    assert "police" in (await viewer.get(LIST, params={"text": DEVICE})).text
    assert DEVICE not in str([each for each in console.audit.events if each.action == "search" and each.actor == "vic"])
    assert ">ended<" in (await senior.get(LIST)).text


async def test_another_person_approves_and_the_command_puts_the_value_on_the_list(
    console: ConsoleUnderTest, command: Command
) -> None:
    ann, bob = await console.logged_in("ann", "rule_author"), await console.logged_in("bob", "approver")
    path = await proposed(ann, **{"for": "30d"})
    assert (await post(ann, f"{path}/approve")).status_code == 403
    page = (await bob.get(path)).text
    assert DEVICE in page  # nobody can decide about a masked value
    assert ("bob", "unmask", "done", f"proposal:{path.rpartition('/')[2]}", "list:stolen_devices") in console.audit.of()
    assert not command.was_called
    answer = await post(bob, f"{path}/approve")
    assert "from offset <bdi>17</bdi> on" in await ended(bob, answer.headers["location"])
    end = utc_text(console.now_ms + 30 * DAY)
    note = "--note=stolen_devices, proposed by ann: reported stolen"
    assert command.words() == [
        "lists",
        "add",
        "--json",
        "--by",
        "bob",
        note,
        "--until",
        end,
        "--",
        "stolen_devices",
        DEVICE,
    ]
    assert command.files() == console.rule_files
    acts = [(actor, outcome, about, detail) for actor, _, outcome, about, detail in console.audit.of("act")]
    assert acts == [
        ("ann", "asked", "list:stolen_devices", "propose"),
        ("ann", "done", "list:stolen_devices", f"propose {path}"),
        ("bob", "asked", "list:stolen_devices", f"approve {path}"),
        ("bob", "done", "list:stolen_devices", f"approve {path}"),
        ("bob", "done", "list:stolen_devices", f"activate {path}"),
    ]


async def test_who_may_not_decide_about_a_value_sees_it_masked(console: ConsoleUnderTest) -> None:
    ann, eve = await console.logged_in("ann", "rule_author"), await console.logged_in("eve", "rule_author")
    path = await proposed(ann)
    assert DEVICE in (await ann.get(path)).text
    assert DEVICE not in (await eve.get(path)).text
    assert (await post(eve, f"{path}/try")).status_code == 404  # a list cannot be tried


async def test_nothing_is_approved_that_has_changed_since(console: ConsoleUnderTest, command: Command) -> None:
    ann, bob = await console.logged_in("ann", "senior"), await console.logged_in("bob", "senior")
    path = await proposed(ann)
    entry(console, expires_at_ms=console.now_ms + 1)
    answer = await post(bob, f"{path}/approve")
    assert (answer.status_code, "Something else is in force" in answer.text) == (409, True)
    assert not command.was_called


async def test_an_activation_that_ended_half_way_can_be_repeated(console: ConsoleUnderTest, command: Command) -> None:
    """The entry is on the topic of controls, and not yet in every partition of the log."""
    ann, bob = await console.logged_in("ann", "senior"), await console.logged_in("bob", "senior")
    path = await proposed(ann)
    await ended(bob, (await post(bob, f"{path}/approve")).headers["location"])
    entry(console)
    assert (await post(bob, f"{path}/approve")).status_code == 303
    await console.trials.close()
    console.entries.clear()
    entry(console, expires_at_ms=console.now_ms + 1)  # somebody has changed it since
    assert (await post(bob, f"{path}/approve")).status_code == 409


async def test_a_value_is_removed_and_the_removal_rolled_back(console: ConsoleUnderTest, command: Command) -> None:
    before = entry(console, expires_at_ms=console.now_ms + 7 * DAY)
    ann, bob = await console.logged_in("ann", "rule_author"), await console.logged_in("bob", "approver")
    path = await proposed(ann, "remove", entry=reference_in((await ann.get(LIST)).text))
    assert "Takes a value off" in (await bob.get(path)).text
    await ended(bob, (await post(bob, f"{path}/approve")).headers["location"])
    assert command.words()[:2] == ["lists", "remove"]
    assert command.words()[-3:] == ["--", "stolen_devices", DEVICE]
    console.entries.remove(before)
    page = (await ann.get("/changes")).text
    assert path in page
    proposal_id = path.rpartition("/")[2]
    assert (await post(ann, "/changes/restore", proposal=proposal_id)).status_code == 400  # without a reason
    answer = await post(ann, "/changes/restore", proposal=proposal_id, note="the wrong one")
    back = answer.headers["location"]
    await ended(bob, (await post(bob, f"{back}/approve")).headers["location"])
    assert command.words()[:2] == ["lists", "add"]
    assert command.words()[-5:] == ["--until", utc_text(before.expires_at_ms or 0), "--", "stolen_devices", DEVICE]


async def test_an_addition_is_rolled_back_by_a_removal(console: ConsoleUnderTest, command: Command) -> None:
    ann, bob = await console.logged_in("ann", "rule_author"), await console.logged_in("bob", "approver")
    path = await proposed(ann, values=f"{DEVICE}\r\n\r\n {OTHER} \r\n{DEVICE}")
    assert (await post(ann, "/changes/restore", proposal=path[11:], note="x")).status_code == 404  # it waits
    await ended(bob, (await post(bob, f"{path}/approve")).headers["location"])
    assert command.words()[-2:] == [DEVICE, OTHER]
    refused = await post(ann, "/changes/restore", proposal=path.rpartition("/")[2], note="too early")
    assert refused.status_code == 409  # the values are not on the list
    entry(console)
    entry(console, OTHER)
    console.now_ms += 20_000
    answer = await post(ann, "/changes/restore", proposal=path.rpartition("/")[2], note="a mistake")
    assert "Takes <bdi>2</bdi> values off" in (await bob.get(answer.headers["location"])).text


@pytest.mark.parametrize(
    ("fields", "status", "sentence"),
    [
        ({"values": ""}, 409, "Give 1 to 50 values"),
        ({"values": "\n".join(map(str, range(51)))}, 409, "Give 1 to 50 values"),
        ({"values": f"{DEVICE}\n{OTHER}"}, 409, "are on the list already"),
        ({"values": "x" * 129}, 409, "must have 1 to 128 characters"),
        ({"note": " "}, 400, ""),
        ({"for": "3d"}, 400, ""),
    ],
)
async def test_what_cannot_be_on_a_list_is_not_proposed(
    console: ConsoleUnderTest, fields: dict[str, str], status: int, sentence: str
) -> None:
    entry(console)
    client = await console.logged_in("ann", "rule_author")
    answer = await post(client, f"{LIST}/add", **({"values": DEVICE, "note": "n"} | fields))
    assert (answer.status_code, sentence in answer.text) == (status, True)
    assert (await post(client, f"{LIST}/remove", entry="made-up", note="n")).status_code == 409
    assert "waits for approval" not in (await client.get("/changes")).text


async def test_an_end_is_changed_by_putting_the_value_on_the_list_again(
    console: ConsoleUnderTest, command: Command
) -> None:
    entry(console)
    ann, bob = await console.logged_in("ann", "rule_author"), await console.logged_in("bob", "approver")
    path = await proposed(ann, **{"for": "1d"})
    assert "on the list since" in (await bob.get(path)).text
    await ended(bob, (await post(bob, f"{path}/approve")).headers["location"])
    assert "--until" in command.words()


async def test_where_the_settings_do_not_ask_for_four_eyes_an_approver_decides_alone(
    redis_url: str, unique_name: Callable[[str], str], tmp_path: Path
) -> None:
    console = ConsoleUnderTest(redis_url, f"{unique_name('cases')}:", may_activate=True, four_eyes=("rules",))
    try:
        command = Command(tmp_path / "called.json")
        command.used_by(console, SET)
        ann, eve = await console.logged_in("ann", "senior"), await console.logged_in("eve", "rule_author")
        path = await proposed(ann)
        await ended(ann, (await post(ann, f"{path}/approve")).headers["location"])
        assert "ann" in command.words()
        own = await proposed(eve)
        assert (await post(eve, f"{own}/approve")).status_code == 403  # who may not approve may not approve their own
    finally:
        await console.close()


async def test_a_proposal_says_how_many_payments_carry_the_value(console: ConsoleUnderTest, tmp_path: Path) -> None:
    fill(
        tmp_path,
        [
            payment(0, "acc-1", device_id=DEVICE),
            payment(1, "acc-1", at_ms=T0 + 2 * DAY, device_id=DEVICE),
            payment(2, "acc-2", at_ms=T0 + 2 * DAY + 1, device_id=DEVICE),
            payment(3, "acc-3", at_ms=T0 + 2 * DAY, device_id=OTHER),
        ],
    )
    empty, reader = HistoryReader(tmp_path / "empty"), HistoryReader(tmp_path)
    desk = PastDesk(reader)
    client = await console.logged_in("ann", "senior")
    path = await proposed(client)
    assert "has no history store" in (await client.get(path)).text
    console.use_past(PastDesk(empty))
    assert "The history has no payments yet." in (await client.get(path)).text
    console.use_past(desk)
    page = re.sub(r"<[^>]*>", "", (await client.get(path)).text)
    assert "On the newest day of the history (2026-03-06 00:00:00): 2. Accounts: 2." in page
    assert "(2026-02-05 00:00:00)" not in page
    assert "Since 2026-02-05 00:00:00: 3. Accounts: 2." in page
    await desk.close()
    reader.close()
    empty.close()

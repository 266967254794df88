"""An administrator gives a user another role or team; it counts at once, and nobody does it to themselves."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from fraudstream.console.access.roles import Role
from fraudstream.console.access.teams import Team
from fraudstream.contracts import AuditEvent
from tests.unit.console.console_app import ConsoleUnderTest, case, post


async def test_a_change_counts_at_once_ends_the_sessions_and_is_audited(console: ConsoleUnderTest) -> None:
    await console.put(case())
    await console.teams.put(Team("cards", queues=("cards",)), AuditEvent(0, "change_user", "done", "command line"))
    ann = await console.logged_in("ann", "analyst")
    admin = await console.logged_in("adm", "admin")
    assert (await ann.get("/")).status_code == 200
    page = await post(admin, "/users/change", name="ann", role="viewer", team="cards")
    assert page.status_code == 200
    assert "<bdi>ann</bdi> was changed. Sessions ended: <bdi>1</bdi>" in page.text
    assert (await ann.get("/")).status_code == 303, "the session has ended"
    user = await console.users.find("ann")
    assert user is not None
    assert (user.role, user.team) == ("viewer", "cards")
    assert console.audit.of("change_user") == [
        ("adm", "change_user", "done", "user:ann", "role analyst to viewer, team - to cards")
    ]
    await post(admin, "/users/change", name="ann", role="viewer", team="")
    user = await console.users.find("ann")
    assert user is not None
    assert user.team is None


@pytest.mark.parametrize(
    "form",
    [
        {"name": "nobody", "role": "viewer"},
        {"name": "ann", "role": "owner"},
        {"name": "ann", "role": "viewer", "team": "none-of-this-name"},
        {"name": "sso", "role": "admin"},  # the provider decides
    ],
)
async def test_a_change_that_makes_no_sense_is_refused(console: ConsoleUnderTest, form: dict[str, str]) -> None:
    await console.add_user("ann", "analyst")
    await console.add_user("sso", "analyst")
    user = await console.users.find("sso")
    assert user is not None
    await console.users.put(replace(user, subject="https://sso.example 17"))
    admin = await console.logged_in("adm", "admin")
    assert (await post(admin, "/users/change", **form)).status_code == 400
    assert [each.role for each in await console.users.all()] == ["admin", "analyst", "analyst"]
    assert console.audit.of("change_user") == []


async def test_nobody_changes_themselves(console: ConsoleUnderTest) -> None:
    admin = await console.logged_in("adm", "admin")
    assert (await post(admin, "/users/change", name="adm", role="senior")).status_code == 403
    user = await console.users.find("adm")
    assert user is not None
    assert user.role == "admin"
    assert 'name="name" value="adm"><button>Change' not in (await admin.get("/users")).text


async def test_a_change_that_cannot_be_audited_does_not_take_place(console: ConsoleUnderTest) -> None:
    await console.add_user("ann", "viewer")
    admin = await console.logged_in("adm", "admin")
    console.audit.fails = True
    assert (await post(admin, "/users/change", name="ann", role="admin")).status_code == 503
    role: Role | None = next((each.role for each in await console.users.all() if each.name == "ann"), None)
    assert role == "viewer"

"""Who may call which route: every route by every role, and by nobody."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from fastapi.routing import APIRoute

from fraudstream.console.access.references import References
from fraudstream.console.access.roles import ROLES, Role
from fraudstream.console.app import PAGES
from tests.unit.console.console_app import SECRET, ConsoleUnderTest, case, post
from tests.unit.console.evidence_files import upload

CASE = "c" * 32
EVERYBODY = frozenset(ROLES)
ACTING = frozenset({"analyst", "senior", "admin"})
LEADING = frozenset({"senior", "auditor", "admin"})
SEEING_FIGURES = frozenset({"senior", "rule_author", "approver", "auditor", "admin"})
SEEING_RULES = frozenset({"senior", "rule_author", "approver", "admin"})
DRAFTING = SEEING_RULES - {"approver"}
APPROVING = SEEING_RULES - {"rule_author"}

# Method and path: the roles that may call it, the status that they get, and whether somebody without a session may too.
ROUTES: dict[tuple[str, str], tuple[frozenset[str], int, bool]] = {
    ("GET", "/"): (EVERYBODY, 200, False),
    ("POST", "/next"): (ACTING, 303, False),
    ("POST", "/cases"): (ACTING, 303, False),
    ("POST", "/cases/close"): (ACTING, 200, False),
    ("GET", "/cases/{case_id}"): (EVERYBODY, 200, False),
    ("POST", "/cases/{case_id}/files"): (ACTING, 200, False),
    ("GET", "/cases/{case_id}/files/{sha256}"): (frozenset({"senior"}), 404, False),  # it has none
    ("GET", "/cases/{case_id}/report"): (ACTING | {"auditor"}, 200, False),
    ("POST", "/views"): (EVERYBODY, 303, False),
    ("POST", "/views/remove"): (EVERYBODY, 404, False),  # there is none
    ("POST", "/cases/{case_id}/{action}"): (ACTING, 200, False),
    ("POST", "/cases/{case_id}/unmask"): (ACTING, 303, False),
    ("GET", "/overview"): (LEADING, 200, False),
    ("GET", "/partners"): (SEEING_FIGURES, 200, False),
    ("GET", "/models"): (SEEING_FIGURES, 200, False),
    ("GET", "/history/{kind}/{reference}"): (EVERYBODY, 200, False),
    ("GET", "/rules"): (SEEING_RULES, 200, False),
    ("GET", "/rules/new"): (DRAFTING, 404, False),  # no name is given
    ("GET", "/rules/{typology}/{rule}"): (SEEING_RULES, 200, False),
    ("GET", "/rules/{typology}/{rule}/draft"): (DRAFTING, 200, False),
    ("POST", "/rules/{typology}/{rule}/draft/{action}"): (DRAFTING, 200, False),
    ("GET", "/rules/thresholds"): (SEEING_RULES, 200, False),
    ("POST", "/rules/{typology}/{rule}/settings"): (DRAFTING, 409, False),  # no rule set is named
    ("POST", "/models/{action}"): (DRAFTING, 404, False),  # the rules have no score
    ("GET", "/lists"): (EVERYBODY, 200, False),
    ("GET", "/lists/{name}"): (EVERYBODY, 200, False),
    ("POST", "/lists/{name}/{action}"): (DRAFTING, 404, False),  # the settings do not permit it
    ("GET", "/changes"): (SEEING_RULES, 200, False),
    ("POST", "/changes/restore"): (DRAFTING, 404, False),
    ("GET", "/payments/{reference}"): (EVERYBODY, 200, False),
    ("GET", "/cases/{case_id}/alerts/{alert_id}"): (EVERYBODY, 404, False),  # it has none
    ("GET", "/proposals/{proposal_id}"): (SEEING_RULES, 404, False),
    ("POST", "/proposals/{proposal_id}/refuse"): (SEEING_RULES, 404, False),
    ("POST", "/proposals/{proposal_id}/try"): (DRAFTING, 404, False),
    ("POST", "/proposals/{proposal_id}/approve"): (APPROVING, 404, False),
    ("GET", "/trials/{trial_id}"): (SEEING_RULES, 404, False),
    ("POST", "/trials/{trial_id}/cancel"): (DRAFTING, 404, False),
    ("GET", "/users"): (frozenset({"auditor", "admin"}), 200, False),
    ("POST", "/users/change"): (frozenset({"admin"}), 200, False),
    ("POST", "/users/end-sessions"): (frozenset({"admin"}), 200, False),
    ("GET", "/absences"): (frozenset({"senior", "admin"}), 200, False),
    ("POST", "/absences"): (frozenset({"senior", "admin"}), 200, False),
    ("POST", "/absences/end"): (frozenset({"senior", "admin"}), 200, False),
    ("GET", "/audit"): (frozenset({"auditor", "admin"}), 200, False),
    ("GET", "/audit/export"): (frozenset({"auditor", "admin"}), 200, False),
    ("GET", "/live"): (EVERYBODY, 200, False),
    ("GET", "/password"): (EVERYBODY, 200, False),
    ("POST", "/password"): (EVERYBODY, 400, False),  # the new password is too short
    ("POST", "/logout"): (EVERYBODY, 303, False),
    ("GET", "/login"): (EVERYBODY, 303, True),
    ("GET", "/login/openid"): (EVERYBODY, 404, True),  # there is no provider
    ("GET", "/login/openid/callback"): (EVERYBODY, 404, True),
    ("POST", "/login"): (EVERYBODY, 403, True),  # without the token of a log-in form
    ("GET", "/healthz"): (EVERYBODY, 200, True),
    ("GET", "/readyz"): (EVERYBODY, 200, True),
}
FIELDS = {
    "/cases": {"account_id": "acc-9", "severity": "high", "note": "called"},
    "/cases/close": {"case": f"{'d' * 32}~1", "disposition": "inconclusive"},
    "/absences": {"name": "colleague", "last_day": "2026-03-05"},
    "/absences/end": {"name": "colleague"},
    "/views": {"name": "mine"},
    "/cases/{case_id}/{action}": {"note": "called"},
    "/cases/{case_id}/unmask": {"reason": "the customer called"},
    "/users/change": {"name": "colleague", "role": "viewer"},
    "/users/end-sessions": {"name": "colleague"},
}


def path_of(template: str) -> str:
    if template.startswith("/rules"):
        return template.format(typology="takeover", rule="new_device", action="check")
    kind = "payment" if template.startswith("/payments") else "account"
    ids = {
        "sha256": "f" * 64,
        "case_id": CASE,
        "kind": kind,
        "reference": References(SECRET).reference(kind, "acc-1\np-1\n" if kind == "payment" else "acc-1"),
        "trial_id": "t1",
        "proposal_id": "p1",
        "name": "stolen_devices",
        "alert_id": "a1",
    }
    return template.format(action="note", **ids)


def test_the_table_has_every_route() -> None:
    routes = [route for router in PAGES for route in router.routes]
    found = [(method, route.path) for route in routes if isinstance(route, APIRoute) for method in route.methods or ()]
    assert sorted(found) == sorted(ROUTES)
    assert len(routes) == len(ROUTES)


def table() -> str:
    """Each route by each role, as Markdown."""
    lines = [f"| route | {' | '.join(f'`{role}`' for role in ROLES)} |", f"| --- |{' --- |' * len(ROLES)}"]
    for (method, path), (allowed, _, is_open) in sorted(ROUTES.items(), key=lambda each: (each[0][1], each[0][0])):
        marks = ["all" if is_open else "yes" if role in allowed else "" for role in ROLES]
        lines.append(f"| `{method} {path}` | {' | '.join(marks)} |".replace("  ", " "))
    return "\n".join(lines) + "\n"


def test_the_documentation_has_the_table() -> None:
    """Print `table()` into it when this fails."""
    assert table() in (Path(__file__).parents[3] / "docs" / "roles.md").read_text(encoding="utf-8")


async def call(client: httpx.AsyncClient, console: ConsoleUnderTest, method: str, template: str) -> int:
    if template == "/live":
        console.live.close()  # so that the stream ends
    if method == "GET":
        return (await client.get(path_of(template))).status_code
    if template == "/cases/{case_id}/files":
        return (await upload(client)).status_code
    return (await post(client, path_of(template), **FIELDS.get(template, {}))).status_code


@pytest.mark.parametrize("role", ROLES)
async def test_a_role_may_call_what_the_table_says(
    console: ConsoleUnderTest, role: Role, caplog: pytest.LogCaptureFixture
) -> None:
    await console.put(case(CASE))
    await console.add_user("colleague", "viewer")
    client = await console.logged_in("ann", role)
    expected = {route: status if role in allowed else 403 for route, (allowed, status, _) in ROUTES.items()}
    # The log-out comes last: after it there is no session.
    order = sorted(ROUTES, key=lambda route: route[1] == "/logout")
    assert {route: await call(client, console, *route) for route in order} == expected
    refused = [record.__dict__ for record in caplog.records if record.message.startswith(f"refused: role {role}")]
    not_allowed = [path_of(route[1]).partition("?")[0] for route in order if role not in ROUTES[route][0]]
    assert [(each["user"], each["path"]) for each in refused] == [("ann", path) for path in not_allowed]


@pytest.mark.parametrize(("method", "template"), list(ROUTES))
async def test_nobody_may_call_more_than_the_log_in(console: ConsoleUnderTest, method: str, template: str) -> None:
    await console.put(case(CASE))
    answer = await console.client().request(method, path_of(template), data={"note": "x"} if method == "POST" else None)
    _, status, is_open = ROUTES[method, template]
    if is_open:
        assert answer.status_code in (status, 200)
    elif method == "GET":
        assert (answer.status_code, answer.headers["location"][:6]) == (303, "/login")
    else:
        assert answer.status_code == 401
    assert console.published == []


async def test_who_must_choose_a_password_can_do_nothing_else(console: ConsoleUnderTest) -> None:
    await console.put(case(CASE))
    client = await console.logged_in("ann", "admin")
    await console.add_user("ann", "admin", must_change=True)
    for path in ("/", f"/cases/{CASE}", "/users", "/live"):
        answer = await client.get(path)
        assert (answer.status_code, answer.headers["location"]) == (303, "/password")


async def test_a_changed_role_counts_at_once(console: ConsoleUnderTest) -> None:
    client = await console.logged_in("ann", "admin")
    assert (await client.get("/users")).status_code == 200
    await console.add_user("ann", "viewer")
    assert (await client.get("/users")).status_code == 403


async def test_a_removed_user_is_logged_out(console: ConsoleUnderTest) -> None:
    client = await console.logged_in("ann", "analyst")
    await console.users.remove("ann")
    assert (await client.get("/")).status_code == 303

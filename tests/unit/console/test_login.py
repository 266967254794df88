"""Logging in and out: sessions, limits, tokens of forms, where the log-in leads."""

from __future__ import annotations

import asyncio

import pytest

from fraudstream.console.access.login import Login, LoginRefusedError
from fraudstream.console.access.login_limits import OF_ADDRESS_MAX, OF_NAME_AND_ADDRESS_MAX, WINDOW_S, LoginLimits
from fraudstream.console.access.sessions import SessionStore
from tests.unit.console.console_app import ORIGIN, PASSWORD, ConsoleUnderTest, log_in, post, token_of

COOKIE = "fraudstream-session"


async def test_a_log_in_leads_back_to_the_page_that_was_asked_for(console: ConsoleUnderTest) -> None:
    await console.add_user("ann", "analyst")
    client = console.client()
    wanted = await client.get("/cases/abcd?order=score")
    assert wanted.headers["location"] == "/login?next=%2Fcases%2Fabcd%3Forder%3Dscore"
    form = await client.get(wanted.headers["location"])
    assert 'name="next" value="/cases/abcd?order=score"' in form.text
    answer = await log_in(client, "ann", next="/cases/abcd?order=score")
    assert (answer.status_code, answer.headers["location"]) == (303, "/cases/abcd?order=score")


@pytest.mark.parametrize(
    "elsewhere", ["https://evil.example/", "//evil.example/", "/\\evil.example", "/\n/evil.example", "javascript:x"]
)
async def test_a_log_in_never_leads_to_another_site(console: ConsoleUnderTest, elsewhere: str) -> None:
    await console.add_user("ann", "analyst")
    answer = await log_in(console.client(), "ann", next=elsewhere)
    assert answer.headers["location"] == "/"


async def test_the_cookie_is_hidden_from_scripts_and_other_sites(console: ConsoleUnderTest) -> None:
    await console.add_user("ann", "analyst")
    answer = await log_in(console.client(), "ann")
    cookie = next(each for each in answer.headers.get_list("set-cookie") if each.startswith(COOKIE))
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Path=/" in cookie


async def test_over_https_the_cookie_is_of_this_host_alone(redis_url: str) -> None:
    console = ConsoleUnderTest(redis_url, "cases-of-https:", https=True)
    try:
        await console.add_user("ann", "analyst")
        answer = await log_in(console.client("https://console.test"), "ann")
        cookie = next(each for each in answer.headers.get_list("set-cookie") if "session" in each)
        assert cookie.startswith("__Host-fraudstream-session=")
        assert "Secure" in cookie
        assert answer.headers["strict-transport-security"].startswith("max-age=")
    finally:
        await console.close()


async def test_a_session_id_that_was_known_before_the_log_in_is_worth_nothing(console: ConsoleUnderTest) -> None:
    await console.add_user("ann", "analyst")
    client = console.client()
    client.cookies.set(COOKIE, "planted")
    await log_in(client, "ann")
    planted = console.client()
    planted.cookies.set(COOKIE, "planted")
    assert (await planted.get("/")).status_code == 303


async def test_logging_in_again_ends_the_session_before(console: ConsoleUnderTest) -> None:
    client = await console.logged_in("ann", "analyst")
    await console.add_user("bob", "analyst")
    before = client.cookies[COOKIE]
    other = console.client()
    form = await other.get("/login")
    other.cookies.set(COOKIE, before)
    data = {"csrf": token_of(form.text), "name": "bob", "password": PASSWORD}
    await other.post("/login", data=data)
    assert await console.sessions.find(before) is None


async def test_logging_out_ends_the_session(console: ConsoleUnderTest) -> None:
    client = await console.logged_in("ann", "analyst")
    session_id = client.cookies[COOKIE]
    assert (await post(client, "/logout")).headers["location"] == "/login"
    assert await console.sessions.find(session_id) is None


async def test_redis_does_not_hold_session_ids(console: ConsoleUnderTest) -> None:
    client = await console.logged_in("ann", "analyst")
    keys = [key async for key in console.redis.scan_iter(match="fraudstream:console:*session*")]
    assert keys
    assert not any(client.cookies[COOKIE] in key for key in keys)


async def test_a_session_ends_without_use_and_at_the_end_of_its_life(console: ConsoleUnderTest) -> None:
    sessions = SessionStore(console.redis, idle_s=100, life_s=150, now_ms=lambda: console.now_ms)
    session = await sessions.create("ann")
    (key,) = [key async for key in console.redis.scan_iter(match="fraudstream:console:session:*")]
    assert 95 < await console.redis.ttl(key) <= 100
    console.now_ms += 90_000
    assert await sessions.find(session.id) is not None
    assert 50 < await console.redis.ttl(key) <= 60  # no longer than its life
    console.now_ms += 60_000
    assert await sessions.find(session.id) is None


async def test_a_page_that_refreshes_itself_does_not_use_the_session(console: ConsoleUnderTest) -> None:
    client = await console.logged_in("ann", "analyst")
    (key,) = [key async for key in console.redis.scan_iter(match="fraudstream:console:session:*")]
    await console.redis.expire(key, 100)
    assert (await client.get("/", headers={"x-refresh": "1"})).status_code == 200
    assert await console.redis.ttl(key) <= 100
    await client.get("/")
    assert await console.redis.ttl(key) > 100


async def test_ending_the_sessions_of_a_user_ends_all_of_them(console: ConsoleUnderTest) -> None:
    admin = await console.logged_in("adm", "admin")
    first, second = await console.logged_in("ann", "analyst"), console.client()
    await log_in(second, "ann")
    answer = await post(admin, "/users/end-sessions", name="ann")
    assert "Ended: <bdi>2</bdi> of <bdi>ann</bdi>" in answer.text
    for client in (first, second):
        assert (await client.get("/")).status_code == 303
    assert (await admin.get("/")).status_code == 200


async def test_the_right_password_does_not_help_once_too_many_were_wrong(console: ConsoleUnderTest) -> None:
    await console.add_user("ann", "analyst")
    client = console.client()
    for _ in range(OF_NAME_AND_ADDRESS_MAX):
        assert (await log_in(client, "ann", "wrong")).status_code == 401
    locked = await log_in(client, "ann")
    assert locked.status_code == 429
    assert f"{WINDOW_S // 60} minutes" in locked.text


async def test_attempts_at_the_same_time_are_counted_before_they_are_checked(console: ConsoleUnderTest) -> None:
    await console.add_user("ann", "analyst")
    login = Login(console.users, console.sessions, LoginLimits(console.redis), console.passwords)
    tries = [login.log_in("ann", "wrong", "203.0.113.9") for _ in range(OF_NAME_AND_ADDRESS_MAX + 3)]
    errors = await asyncio.gather(*tries, return_exceptions=True)
    codes = sorted(error.code for error in errors if isinstance(error, LoginRefusedError))
    assert codes == ["locked"] * 3 + ["wrong"] * OF_NAME_AND_ADDRESS_MAX


async def test_a_stranger_does_not_lock_out_an_analyst_elsewhere(console: ConsoleUnderTest) -> None:
    limits = LoginLimits(console.redis)
    for _ in range(OF_NAME_AND_ADDRESS_MAX + 1):
        await limits.count_attempt("ann", "203.0.113.9")
    assert await limits.count_attempt("ann", "203.0.113.9") > 0
    assert await limits.count_attempt("ann", "198.51.100.1") == 0


async def test_an_address_that_tries_many_names_is_locked(console: ConsoleUnderTest) -> None:
    limits = LoginLimits(console.redis)
    waits = [await limits.count_attempt(f"name-{number}", "203.0.113.9") for number in range(OF_ADDRESS_MAX + 1)]
    assert waits[:-1] == [0] * OF_ADDRESS_MAX
    assert waits[-1] > 0


async def test_a_log_in_form_of_another_browser_is_refused(console: ConsoleUnderTest) -> None:
    await console.add_user("ann", "analyst")
    token = token_of((await console.client().get("/login")).text)
    victim = console.client()
    await victim.get("/login")
    answer = await victim.post("/login", data={"csrf": token, "name": "ann", "password": PASSWORD})
    assert answer.status_code == 403
    assert COOKIE not in victim.cookies


async def test_a_new_password_ends_the_other_sessions(console: ConsoleUnderTest) -> None:
    client, other = await console.logged_in("ann", "analyst"), console.client()
    await log_in(other, "ann")
    new = "another long password"
    answer = await post(client, "/password", current=PASSWORD, new=new, again=new)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert (await client.get("/")).status_code == 200
    assert (await other.get("/")).status_code == 303
    assert (await log_in(console.client(), "ann", new)).status_code == 303
    assert (await log_in(console.client(), "ann", PASSWORD)).status_code == 401


@pytest.mark.parametrize(
    ("current", "new", "again", "sentence"),
    [
        (PASSWORD, "short", "short", "must have 12 to 256 characters"),
        (PASSWORD, "another long password", "a different password", "The two new passwords differ."),
        (PASSWORD, PASSWORD, PASSWORD, "The new password is the current one."),
        ("wrong", "another long password", "another long password", "The current password is wrong."),
    ],
)
async def test_a_password_that_cannot_be_taken_is_explained(
    console: ConsoleUnderTest, current: str, new: str, again: str, sentence: str
) -> None:
    client = await console.logged_in("ann", "analyst")
    answer = await post(client, "/password", current=current, new=new, again=again)
    assert sentence in answer.text
    assert (await log_in(console.client(), "ann")).status_code == 303


@pytest.mark.parametrize(
    "headers",
    [{"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"}, {"origin": "https://evil.example"}],
)
async def test_a_form_of_another_site_is_refused(console: ConsoleUnderTest, headers: dict[str, str]) -> None:
    client = await console.logged_in("ann", "analyst")
    token = token_of((await client.get("/")).text)
    answer = await client.post("/logout", data={"csrf": token}, headers=headers)
    assert answer.status_code == 403
    assert (await client.get("/")).status_code == 200


async def test_a_form_of_our_own_is_taken(console: ConsoleUnderTest) -> None:
    client = await console.logged_in("ann", "analyst")
    token = token_of((await client.get("/")).text)
    headers = {"sec-fetch-site": "same-origin", "origin": ORIGIN}
    assert (await client.post("/logout", data={"csrf": token}, headers=headers)).status_code == 303


@pytest.mark.parametrize("token", ["", "x", "é", "A" * 88])
async def test_a_form_without_the_sessions_token_is_refused(console: ConsoleUnderTest, token: str) -> None:
    client = await console.logged_in("ann", "analyst")
    assert (await client.post("/logout", data={"csrf": token})).status_code == 403


async def test_the_token_of_one_session_is_worth_nothing_in_another(console: ConsoleUnderTest) -> None:
    ann, bob = await console.logged_in("ann", "analyst"), await console.logged_in("bob", "analyst")
    token = token_of((await ann.get("/")).text)
    assert (await bob.post("/logout", data={"csrf": token})).status_code == 403


async def test_every_page_has_another_token(console: ConsoleUnderTest) -> None:
    client = await console.logged_in("ann", "analyst")
    first, second = [token_of((await client.get("/")).text) for _ in range(2)]
    assert first != second
    assert (await client.post("/logout", data={"csrf": first})).status_code == 303

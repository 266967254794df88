"""`fraudstream console user …` on a real Redis, and the settings that `fraudstream console` refuses."""

from __future__ import annotations

import asyncio
import io
import json
import socket
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from redis import Redis as SyncRedis
from redis.asyncio import Redis

from fraudstream.cli import console as command
from fraudstream.cli.console_settings import ConsoleSettings
from fraudstream.cli.failure import Failure
from fraudstream.cli.listener import listener_at
from fraudstream.cli.main import main
from fraudstream.cli.time_flags import now_ms
from fraudstream.console.access.passwords import Passwords
from fraudstream.console.access.roles import ROLES
from fraudstream.console.access.sessions import SessionStore
from fraudstream.console.access.tokens import SCOPES, TokenStore
from fraudstream.console.access.users import UserStore

Result = TypeVar("Result")
SESSION_S = 1000


class Command:
    """`fraudstream console user` or `token`: exit code, standard output and standard error of one call."""

    def __init__(self, redis_url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self._url, self._capsys, self._monkeypatch = redis_url, capsys, monkeypatch

    def __call__(self, *args: str, stdin: str = "", what: str = "user") -> tuple[int, str, str]:
        self._monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        self._capsys.readouterr()
        code = main(["console", what, *args, "--redis-url", self._url])
        shown = self._capsys.readouterr()
        return code, shown.out, shown.err

    def on_redis(self, work: Callable[[Redis], Awaitable[Result]]) -> Result:
        async def connected() -> Result:
            redis = Redis.from_url(self._url, decode_responses=True)
            try:
                return await work(redis)
            finally:
                await redis.aclose()

        return asyncio.run(connected())

    def accepts(self, name: str, password: str) -> bool:
        async def check(redis: Redis) -> bool:
            user = await UserStore(redis).find(name)
            return user is not None and await Passwords().matches(user.password_hash, password)

        return self.on_redis(check)

    def sessions_of(self, name: str, new: int = 0) -> int:
        """How many sessions a user has, after `new` log-ins."""

        async def count(redis: Redis) -> int:
            sessions = SessionStore(redis, SESSION_S, SESSION_S, lambda: 0)
            for _ in range(new):
                await sessions.create(name)
            return await sessions.count(name)

        return self.on_redis(count)


@pytest.fixture
def user(
    redis_url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Command]:
    monkeypatch.chdir(tmp_path)
    yield Command(redis_url, capsys, monkeypatch)
    with SyncRedis.from_url(redis_url) as redis:
        for key in redis.scan_iter(match="fraudstream:console:*"):
            redis.delete(key)


def test_a_new_user_has_a_password_to_replace_at_the_first_log_in(user: Command) -> None:
    code, out, err = user("add", "ann", "--role", "analyst")
    first, second = out.splitlines()
    assert (code, first, err) == (0, "user ann, analyst", "")
    password = second.removeprefix("password for the first log-in: ")
    assert user.accepts("ann", password)
    found = user.on_redis(lambda redis: UserStore(redis).find("ann"))
    assert found is not None
    assert (found.role, found.must_change) == ("analyst", True)


def test_a_password_of_standard_input_is_not_printed_and_stays(user: Command) -> None:
    code, out, _ = user("add", "ann", "--role", "viewer", "--password-stdin", "--json", stdin="correct horse battery\n")
    assert (code, json.loads(out)) == (0, {"name": "ann", "role": "viewer"})
    assert user.accepts("ann", "correct horse battery")
    found = user.on_redis(lambda redis: UserStore(redis).find("ann"))
    assert found is not None
    assert not found.must_change


@pytest.mark.parametrize(
    ("args", "stdin", "sentence"),
    [
        (("add", "ann", "--role", "viewer"), "", "there is a user ann already"),
        (("add", "bob", "--role", "viewer", "--password-stdin"), "short\n", "must have 12 to 256 characters, not 5"),
        (("add", "b\nb", "--role", "viewer"), "", "no control characters"),
        (("add", "api:core", "--role", "viewer"), "", "is that of a program"),
        (("password", "bob"), "", "there is no user bob"),
        (("remove", "bob"), "", "there is no user bob"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(user: Command, args: tuple[str, ...], stdin: str, sentence: str) -> None:
    user("add", "ann", "--role", "analyst")
    code, out, err = user(*args, stdin=stdin)
    assert (code, out) == (1, "")
    assert sentence in err


def test_a_new_password_ends_the_sessions(user: Command) -> None:
    user("add", "ann", "--role", "analyst", "--password-stdin", stdin="correct horse battery\n")
    assert user.sessions_of("ann", new=2) == 2
    code, out, _ = user("password", "ann")
    assert code == 0
    assert user.accepts("ann", out.splitlines()[1].removeprefix("password for the first log-in: "))
    assert not user.accepts("ann", "correct horse battery")
    assert user.sessions_of("ann") == 0


def test_users_are_listed_and_removed(user: Command) -> None:
    assert user("list")[1] == "no users\n"
    user("add", "bob", "--role", "senior")
    user("add", "ann", "--role", "analyst")
    user.sessions_of("ann", new=1)
    assert user("list")[1] == "ann  analyst      1 session\nbob  senior       0 sessions\n"
    assert user("remove", "ann")[:2] == (0, "removed user ann\n")
    assert user.sessions_of("ann") == 0
    assert json.loads(user("list", "--json")[1]) == [{"name": "bob", "role": "senior", "sessions": 0}]


def test_a_token_is_shown_once_listed_and_revoked(user: Command) -> None:
    assert user("list", what="token")[1] == "no tokens\n"
    code, out, _ = user("add", "core", "--scope", "cases:read", "--scope", "cases:act", "--for", "1d", what="token")
    first, second = out.splitlines()
    assert (code, first.split()[2:4]) == (0, ["of", "core,"])
    text = second.removeprefix("it is not shown again: ")
    found = user.on_redis(lambda redis: TokenStore(redis, now_ms).find(text))
    assert found is not None
    assert (found.scopes, found.expires_at_ms - found.created_at_ms < 86_400_001) == (("cases:read", "cases:act"), True)
    code, out, _ = user("list", what="token")
    assert out.startswith(f"{found.id}  core  cases:read cases:act  until ")
    assert text not in out
    assert user("revoke", found.id, what="token")[:2] == (0, f"revoked token {found.id}\n")
    assert user.on_redis(lambda redis: TokenStore(redis, now_ms).find(text)) is None
    assert "there is no token" in user("revoke", found.id, what="token")[2]


def test_teams_are_set_listed_and_removed_when_they_have_no_members(user: Command) -> None:
    assert "give --queue, --typology or --partner" in user("set", "cards", what="team")[2]
    assert "there is no team cards" in user("add", "ann", "--role", "analyst", "--team", "cards")[2]
    assert user("set", "cards", "--queue", "urgent", "--typology", "card_testing", what="team")[0] == 0
    assert user("list", what="team")[1] == "cards  queues: urgent  typologies: card_testing  partners: -\n"
    assert user("add", "ann", "--role", "analyst", "--team", "cards")[0] == 0
    assert "has members (ann)" in user("remove", "cards", what="team")[2]
    user("remove", "ann")
    assert user("remove", "cards", what="team")[1] == "removed team cards\n"
    assert user("list", what="team")[1] == "no teams\n"


def test_changes_of_users_and_tokens_wait_for_the_audit_log(user: Command) -> None:
    user("add", "ann", "--role", "analyst")
    user("password", "ann")
    user("remove", "ann")
    user("add", "core", "--scope", "users:read", what="token")
    kept = user.on_redis(lambda redis: redis.lrange("fraudstream:console:audit-events", 0, -1))
    events = [json.loads(each) for each in kept]
    assert [(each["action"], each["object"][:8]) for each in events] == [
        *[("change_user", "user:ann")] * 3,
        ("change_token", "token:" + events[3]["object"][6:8]),
    ]
    assert [each["detail"] for each in events[:3]] == ["added as analyst", "new password", "removed"]
    assert {each["address"] for each in events} == {"command line"}


def test_without_redis_it_is_one_sentence(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["console", "user", "list", "--redis-url", "redis://127.0.0.1:1/0"]) == 1
    assert "fraudstream: the users cannot be read or written: " in capsys.readouterr().err


def test_without_its_packages_the_command_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "find_spec", lambda name: None if name == "fastapi" else object())
    assert main(["console"]) == 1
    assert capsys.readouterr().err == (
        "fraudstream: the console needs more packages (fastapi): pip install 'fraudstream[console]'.\n"
    )


def test_the_command_offers_the_roles_and_scopes_that_there_are() -> None:
    assert (command.ROLES, command.SCOPES) == (ROLES, SCOPES)


def test_answers_leave_at_once() -> None:
    """asyncio turns Nagle's delay off only for connections that name their protocol: pages took 40 ms more."""
    with listener_at("127.0.0.1", 0, "console") as listener, socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.proto == socket.IPPROTO_TCP


def test_a_port_in_use_is_one_sentence() -> None:
    with listener_at("127.0.0.1", 0, "console") as listener:
        port = listener.getsockname()[1]
        with pytest.raises(Failure, match=f"the console cannot listen at 127.0.0.1:{port}: Address already in use"):
            listener_at("127.0.0.1", port, "console")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_on_loopback_https_is_not_required(host: str) -> None:
    assert not ConsoleSettings(host=host).server_settings().https


@pytest.mark.parametrize("host", ["0.0.0.0", "10.0.0.1", "::", "console.bank.example"])
def test_beyond_loopback_https_is_required(host: str) -> None:
    with pytest.raises(Failure, match="is not loopback: passwords would cross the network unencrypted"):
        ConsoleSettings(host=host).server_settings()
    assert ConsoleSettings(host=host, https=True).server_settings().https


def test_half_a_certificate_and_an_unknown_zone_are_refused() -> None:
    with pytest.raises(Failure, match="set both, or neither"):
        ConsoleSettings(tls_certificate_file="c.pem").server_settings()
    with pytest.raises(Failure, match="there is no such time zone"):
        ConsoleSettings(time_zone="Mars/Olympus").server_settings()


def test_the_changes_that_need_a_second_person_are_named_by_their_kind() -> None:
    found = {
        text: ConsoleSettings(four_eyes=text).server_settings().four_eyes for text in ("", " lists", "lists,rules")
    }
    assert found == {"": (), " lists": ("lists",), "lists,rules": ("rules", "lists")}
    assert ConsoleSettings().server_settings().four_eyes == ("rules", "lists")
    with pytest.raises(Failure, match=r"there is no 'models'\. Choose from: rules, lists"):
        ConsoleSettings(four_eyes="rules, models").server_settings()


def test_a_user_gets_another_role_and_team_and_their_sessions_end(user: Command) -> None:
    user("add", "ann", "--role", "analyst")
    user("set", "cards", "--queue", "cards", what="team")
    assert user.sessions_of("ann", new=2) == 2
    code, out, err = user("change", "ann", "--role", "senior", "--team", "cards")
    assert (code, err) == (0, "")
    assert out == "user ann: role analyst to senior, team - to cards; their sessions have ended\n"
    assert user.sessions_of("ann") == 0
    assert json.loads(user("change", "ann", "--no-team", "--json")[1]) == {
        "name": "ann",
        "role": "senior",
        "team": None,
    }
    for refused, sentence in (
        (("change", "ann"), "give --role, --team or --no-team"),
        (("change", "bob", "--role", "viewer"), "there is no user bob"),
        (("change", "ann", "--team", "nowhere"), "there is no team nowhere"),
    ):
        code, _, err = user(*refused)
        assert (code, sentence in err) == (1, True), err

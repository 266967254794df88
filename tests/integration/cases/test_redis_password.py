"""`cases list` on a Redis that asks for a password."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from redis import Redis

from fraudstream.cli.main import main
from fraudstream.embedded import embedded_redis

PASSWORD = "p@ss/wörd:1"


@pytest.fixture(scope="module")
def guarded_redis() -> Iterator[str]:
    """The URL, without the password, of a Redis that requires `PASSWORD`."""
    with embedded_redis() as url:
        Redis.from_url(url).config_set("requirepass", PASSWORD)
        yield url


@pytest.fixture
def password_file(tmp_path: Path) -> Path:
    path = tmp_path / "password"
    path.write_text(f"{PASSWORD}\n", encoding="utf-8")
    return path


def test_the_password_comes_from_a_file(
    guarded_redis: str, password_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    listing = ["cases", "list", "--redis-url", guarded_redis]
    assert main([*listing, "--set", f"redis.password_file={password_file}"]) == 0
    assert capsys.readouterr().out == "no cases\n"
    assert main(listing) == 1
    assert "the view cannot be read: authentication failed: set redis.password_file" in capsys.readouterr().err


def test_a_user_in_the_url_keeps_its_name(
    guarded_redis: str, password_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    address = urlsplit(guarded_redis)
    with Redis.from_url(guarded_redis, password=PASSWORD) as redis:
        redis.execute_command("ACL", "SETUSER", "analyst", "on", f">{PASSWORD}", "~*", "&*", "+@all")
    url = address._replace(netloc=f"analyst@{address.netloc}").geturl()
    assert main(["cases", "list", "--redis-url", url, "--set", f"redis.password_file={password_file}"]) == 0
    assert capsys.readouterr().out == "no cases\n"


def test_two_passwords_are_refused(password_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    url = "redis://:other@127.0.0.1:1/0"
    assert main(["cases", "list", "--redis-url", url, "--set", f"redis.password_file={password_file}"]) == 1
    assert "redis.url has a password and redis.password_file names one" in capsys.readouterr().err

"""`fraudstream cases absent` and `present` on a real Redis."""

from __future__ import annotations

import json

import pytest

from fraudstream.cli.main import main


def run(redis_url: str, *argv: str) -> int:
    return main(["cases", *argv, "--redis-url", redis_url])


def test_an_absence_is_marked_listed_and_ended(redis_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(redis_url, "absent", "bob-of-this-test", "--for", "2d", "--as", "sue") == 0
    assert "bob-of-this-test is absent until" in capsys.readouterr().out
    assert run(redis_url, "absent", "--json") == 0
    found = {each["name"]: each["marked_by"] for each in json.loads(capsys.readouterr().out)}
    assert found["bob-of-this-test"] == "sue"
    assert run(redis_url, "present", "bob-of-this-test") == 0
    assert run(redis_url, "present", "bob-of-this-test") == 0
    assert capsys.readouterr().out == "bob-of-this-test is back\nbob-of-this-test was not marked absent\n"
    assert run(redis_url, "absent") == 0
    assert "bob-of-this-test" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "argv", [["absent", "bob"], ["absent", "bob", "--for", "2d", "--to", "bob"], ["absent", "b\nb", "--for", "1d"]]
)
def test_an_absence_that_is_none_is_refused(
    redis_url: str, argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(redis_url, *argv) == 1
    assert capsys.readouterr().err.startswith("fraudstream: ")
    run(redis_url, "absent", "--json")
    assert not [each for each in json.loads(capsys.readouterr().out) if each["name"].startswith("b")]

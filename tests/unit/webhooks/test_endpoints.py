"""The file of endpoints: what it may name, and that a fault in it is told with its place."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from fraudstream.cli.main import main
from fraudstream.supervision import exit_codes
from fraudstream.webhooks.endpoints import EndpointsError, read_endpoints
from tests.unit.webhooks.webhook_server import SECRET, SECRET_TEXT, webhook_server

TEXT = """
version: 1
endpoints:
  - name: tool
    url: https://hooks.bank.example/fraud
    events: [case.opened, alert]
    secret_file: secret
"""


def written(directory: Path, text: str = TEXT, secret: str = SECRET_TEXT) -> Path:
    (directory / "secret").write_text(secret)
    path = directory / "webhooks.yaml"
    path.write_text(text)
    return path


def said_of(path: Path) -> str:
    with pytest.raises(EndpointsError) as caught:
        read_endpoints(path)
    return str(caught.value)


def test_an_endpoint_has_its_secret_from_a_file_beside_it(tmp_path: Path) -> None:
    (signed,) = read_endpoints(written(tmp_path))
    assert (signed.endpoint.events, signed.secrets) == (("case.opened", "alert"), (SECRET,))
    assert SECRET_TEXT[6:] not in repr(signed)
    assert repr(SECRET) not in repr(signed)


def test_a_secret_that_is_replaced_has_a_second_line(tmp_path: Path) -> None:
    (signed,) = read_endpoints(written(tmp_path, secret=f"whsec_{'QUJD' * 8}\n{SECRET_TEXT}\n"))
    assert signed.secrets == (b"ABC" * 8, SECRET)


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.bank.example/",
        "https://user:pass@hooks.bank.example/",
        "https://hooks.bank.example/#x",
        "ftp://hooks.bank.example/",
        "https:///x",
        "https://10.0.0.1/",
        "https://169.254.169.254/latest/meta-data",
        "https://[fe80::1]/",
    ],
)
def test_a_url_that_webhooks_may_not_go_to_is_refused(tmp_path: Path, url: str) -> None:
    said = said_of(written(tmp_path, TEXT.replace("https://hooks.bank.example/fraud", f'"{url}"')))
    assert "`url` of tool" in said


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8080/x", "http://localhost:1/", "http://[::1]:1/", "https://8.8.8.8/"]
)
def test_http_is_permitted_to_this_machine_alone(tmp_path: Path, url: str) -> None:
    assert read_endpoints(written(tmp_path, TEXT.replace("https://hooks.bank.example/fraud", f'"{url}"')))


def test_private_addresses_are_permitted_by_name(tmp_path: Path) -> None:
    text = TEXT.replace("https://hooks.bank.example/fraud", "https://10.0.0.1/") + "    private: true\n"
    assert read_endpoints(written(tmp_path, text))
    said_of(written(tmp_path, text.replace("10.0.0.1", "169.254.169.254")))


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("alert]", "alerts]", "Invalid enum value 'alerts' - at `$.endpoints[0].events[1]`."),
        ("[case.opened, alert]", "[]", "Expected `array` of length >= 1 - at `$.endpoints[0].events`."),
        ("name: tool", "name: Tool!", "matching regex"),
        ("secret_file", "secret-file", "unknown field `secret-file`"),
        ("version: 1", "version: 2", "Invalid enum value 2"),
        ("endpoints:", "endpoints: [", "is not YAML"),
    ],
)
def test_a_fault_is_told_with_its_place(tmp_path: Path, old: str, new: str, sentence: str) -> None:
    said = said_of(written(tmp_path, TEXT.replace(old, new)))
    assert said.startswith(f"{tmp_path / 'webhooks.yaml'}: ")
    assert sentence in said


def test_a_name_is_given_once(tmp_path: Path) -> None:
    assert "an endpoint is named twice: tool, tool" in said_of(written(tmp_path, TEXT + TEXT[TEXT.index("  - name") :]))


@pytest.mark.parametrize(
    ("secret", "sentence"),
    [
        ("", "has 0 secrets"),
        (f"{SECRET_TEXT}\n" * 3, "has 3 secrets"),
        ("whsec_!!", "a secret is whsec_ and base64."),
        ("whsec_QUJD", "a secret has 24 to 64 bytes, not 3."),
    ],
)
def test_a_secret_that_cannot_be_used_is_told_without_it(tmp_path: Path, secret: str, sentence: str) -> None:
    said = said_of(written(tmp_path, secret=secret))
    assert sentence in said
    assert not secret.strip() or secret.strip().splitlines()[0] not in said


def test_the_command_refuses_a_file_with_a_fault(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, TEXT.replace("https", "http"))
    assert main(["webhooks", "--file", str(path)]) == exit_codes.REFUSED
    assert "must be https://" in capsys.readouterr().err
    assert main(["webhooks", "check"]) == 1
    assert "set webhooks.file" in capsys.readouterr().err


def test_a_file_is_checked_without_sending(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["webhooks", "check", "--file", str(written(tmp_path))]) == 0
    assert capsys.readouterr().out == "tool  https://hooks.bank.example/fraud  case.opened alert\n"


async def test_an_endpoint_is_tried(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with webhook_server() as server:
        path = written(tmp_path, TEXT.replace("https://hooks.bank.example/fraud", server.url))
        assert await asyncio.to_thread(main, ["webhooks", "try", "tool", "--file", str(path)]) == 0
        (taken,) = server.taken
        assert (taken.type, taken.is_signed_by(SECRET)) == ("test", True)
    assert capsys.readouterr().out.startswith("tool: delivered: HTTP 204, ")
    assert await asyncio.to_thread(main, ["webhooks", "try", "tool", "--file", str(path)]) == 1
    assert "tool: not delivered: " in capsys.readouterr().out
    assert await asyncio.to_thread(main, ["webhooks", "try", "other", "--file", str(path)]) == 1

"""The identifier secret in the settings: 32 hex digits, in a setting or in a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from fraudstream.cli.case_agent import agent_settings
from fraudstream.cli.failure import Failure
from fraudstream.cli.settings import load_settings
from fraudstream.cli.worker import stream_settings
from fraudstream.console.access.openid_settings import OpenIdSettings
from fraudstream.console.settings import ServerSettings

SECRET = bytes.fromhex("5e" * 16)


def test_without_a_setting_no_secret_is_given() -> None:
    assert stream_settings(load_settings()).identifier_secret is None


def test_the_secret_is_read_from_the_environment_or_a_file(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(SECRET.hex().upper() + "\n")
    for environment in (
        {"FRAUDSTREAM_IDENTIFIERS_SECRET": SECRET.hex()},
        {"FRAUDSTREAM_IDENTIFIERS_SECRET_FILE": str(file)},
    ):
        assert stream_settings(load_settings(environment=environment)).identifier_secret == SECRET


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"SECRET": "5e" * 16, "SECRET_FILE": "FILE"}, "identifiers.secret and identifiers.secret_file are both set"),
        ({"SECRET": "5e" * 15}, "identifiers.secret: an identifier secret is 32 hex digits; this has 30 characters"),
        ({"SECRET_FILE": "FILE"}, "identifiers.secret_file FILE: the file is empty"),
        ({"SECRET_FILE": "FILE.missing"}, "FILE.missing: cannot be read: No such file or directory"),
    ],
)
def test_a_wrong_secret_is_refused_with_its_origin(settings: dict[str, str], sentence: str, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_bytes(b"")
    environment = {
        f"FRAUDSTREAM_IDENTIFIERS_{name}": value.replace("FILE", str(file)) for name, value in settings.items()
    }
    with pytest.raises(Failure) as caught:
        load_settings(environment=environment).identifiers.given()
    assert sentence.replace("FILE", str(file)) in caught.value.sentence


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_bytes(b"\xff" * 16)  # the secret itself, not as hex digits
    environment = {"FRAUDSTREAM_IDENTIFIERS_SECRET_FILE": str(file)}
    with pytest.raises(Failure, match=r"identifiers.secret_file .*: cannot be read: "):
        load_settings(environment=environment).identifiers.given()


def test_no_settings_show_a_secret_where_they_are_printed() -> None:
    """They end up in log lines and tracebacks."""
    secret = "5e" * 16
    environment = {
        "FRAUDSTREAM_IDENTIFIERS_SECRET": secret,
        "FRAUDSTREAM_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "FRAUDSTREAM_KAFKA_SASL_USERNAME": "worker",
        "FRAUDSTREAM_KAFKA_SASL_PASSWORD": secret,
        "FRAUDSTREAM_REDIS_URL": f"redis://reader:{secret}@cache:6379/1",
    }
    settings = load_settings(environment=environment)
    openid = OpenIdSettings(issuer="i", client_id="c", redirect_uri="r", roles={}, client_secret=secret)
    printed = (
        *(settings, stream_settings(settings), agent_settings(settings), openid),
        ServerSettings(reference_secret=secret.encode(), openid=openid),
    )
    for each in printed:
        assert secret not in repr(each)
        assert repr(bytes.fromhex(secret)) not in repr(each)
    assert "identifier_secret=<hidden>" in repr(stream_settings(settings))
    assert "identifier_secret=None" in repr(stream_settings(load_settings()))

"""`fraudstream gateway`: unsafe settings are refused with the setting to change; a key is shown once."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from fraudstream.cli.failure import Failure
from fraudstream.cli.gateway_settings import GatewaySettings
from fraudstream.cli.listener import listener_at
from fraudstream.cli.main import main
from fraudstream.cli.settings import load_settings
from fraudstream.cli.up.web_gateway import HOST, free_port
from fraudstream.cli.worker import stream_settings
from fraudstream.gateway.access.clients import key_digest, read_clients


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        (GatewaySettings(host="0.0.0.0"), "gateway.clients_file"),
        (GatewaySettings(host="0.0.0.0", clients_file="c.yaml"), "gateway.tls_certificate_file"),
        (GatewaySettings(host="::", https=True), "gateway.clients_file"),
        (GatewaySettings(tls_key_file="k.pem"), "gateway.tls_certificate_file"),
        (GatewaySettings(client_ca_file="ca.pem"), "gateway.tls_certificate_file"),
        (
            GatewaySettings(tls_certificate_file="c", tls_key_file="k", require_client_certificate=True),
            "gateway.client_ca_file",
        ),
        (GatewaySettings(deadline_ms=300, deadline_ms_max=200), "gateway.deadline_ms_max"),
    ],
    ids=str,
)
def test_settings_that_are_unsafe_or_contradict_each_other_are_refused(settings: GatewaySettings, named: str) -> None:
    with pytest.raises(Failure, match=re.escape(named)):
        settings.check()


@pytest.mark.parametrize(
    "settings",
    [
        GatewaySettings(),
        GatewaySettings(host="::1"),
        GatewaySettings(host="0.0.0.0", clients_file="c", https=True),
        GatewaySettings(host="0.0.0.0", clients_file="c", tls_certificate_file="c", tls_key_file="k"),
    ],
    ids=str,
)
def test_loopback_needs_nothing_and_other_addresses_clients_and_tls(settings: GatewaySettings) -> None:
    settings.check()  # raises nothing


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        (GatewaySettings(token_issuer="https://id.example"), "gateway.token_audience"),
        (
            GatewaySettings(
                token_issuer="https://id.example", token_audience="g", token_keys_url="https://id.example/k"
            ),
            "gateway.clients_file",
        ),
        (
            GatewaySettings(
                token_issuer="https://id.example",
                token_audience="g",
                token_keys_url="http://id.example/k",
                clients_file="c",
            ),
            "gateway.token_keys_url",
        ),
    ],
    ids=str,
)
def test_a_provider_is_named_completely_and_reached_by_https(settings: GatewaySettings, named: str) -> None:
    with pytest.raises(Failure, match=re.escape(named)):
        settings.provider()


def test_the_outcome_without_a_decision_is_read_from_the_settings_or_their_file(tmp_path: Path) -> None:
    assert GatewaySettings(timeout_outcome="block").fallback().otherwise == "block"
    (tmp_path / "rules.yaml").write_text("otherwise: allow\n")
    assert GatewaySettings(timeout_rules=str(tmp_path / "rules.yaml")).fallback().otherwise == "allow"
    with pytest.raises(Failure, match=r"gateway\.timeout_rules"):
        GatewaySettings(timeout_rules=str(tmp_path / "missing.yaml")).fallback()


def test_a_new_key_is_shown_once_beside_the_entry_with_its_digest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gateway", "new-key", "checkout", "--scope", "decide"]) == 0
    shown = capsys.readouterr().out
    found = re.search(r"fsg_[A-Za-z0-9_-]{43}", shown)
    assert found is not None
    entry = shown.partition("'clients:':\n")[2]
    clients = read_clients(f"clients:\n{entry}", "clients.yaml")
    assert found[0] not in entry
    client = clients.by_key(found[0], 0)
    assert client is not None
    assert (client.name, client.scopes) == ("checkout", ("decide",))
    assert main(["gateway", "new-key", "checkout", "--json"]) == 0
    as_json = json.loads(capsys.readouterr().out)
    assert as_json["sha256"] == key_digest(as_json["key"])


def test_a_name_that_no_client_can_have_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gateway", "new-key", "check out"]) == 1
    assert "clients" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["*", "a b", "replies-**", "a,*", "ä"])
def test_a_reply_topic_is_a_name_or_a_beginning_of_one(text: str) -> None:
    with pytest.raises(Failure, match=r"worker\.reply_topics"):
        stream_settings(load_settings(None, {"FRAUDSTREAM_WORKER_REPLY_TOPICS": text}))


def test_the_reply_topics_of_a_worker_are_that_of_the_gateways_and_those_that_are_allowed() -> None:
    given = {"FRAUDSTREAM_WORKER_REPLY_TOPICS": " answers , java-*,", "FRAUDSTREAM_TOPICS_REPLIES": "r"}
    settings = stream_settings(load_settings(None, given))
    assert settings.reply_topics == ("r", "answers", "java-*")
    allowed = [
        topic
        for topic in ("r", "rr", "answers", "java-1", "java-", "java", "payments")
        if settings.is_reply_topic(topic)
    ]
    assert allowed == ["r", "answers", "java-1", "java-"]


def test_a_run_takes_another_port_where_the_usual_one_is_taken() -> None:
    with listener_at(HOST, 0, "gateway") as listener:
        taken = listener.getsockname()[1]
        assert free_port(taken) == 0
    assert free_port(taken) == taken

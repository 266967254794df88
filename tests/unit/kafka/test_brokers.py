import ssl
from pathlib import Path

import pytest

from fraudstream.kafka import Brokers, BrokersError


def test_a_plaintext_listener_needs_only_an_address() -> None:
    assert Brokers("a:1,b:2").options() == {"bootstrap_servers": "a:1,b:2", "security_protocol": "PLAINTEXT"}


def test_sasl_over_tls_has_user_password_and_the_systems_authorities() -> None:
    options = Brokers("a:1", "SASL_SSL", "SCRAM-SHA-256", "worker", "geheim").options()
    context = options.pop("ssl_context")
    assert options == {
        "bootstrap_servers": "a:1",
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-256",
        "sasl_plain_username": "worker",
        "sasl_plain_password": "geheim",
    }
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


def test_neither_text_nor_repr_shows_the_password() -> None:
    brokers = Brokers("a:1", "SASL_SSL", username="worker", password="geheim")
    assert str(brokers) == "a:1"
    assert "geheim" not in f"{brokers!r} {brokers}"


@pytest.mark.parametrize(("content", "why"), [(None, "No such file or directory"), ("no certificate", "certificate")])
def test_an_authority_that_cannot_be_read_is_named(tmp_path: Path, content: str | None, why: str) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    with pytest.raises(BrokersError, match=f"^kafka.ssl_cafile {file}: no PEM file of certificates .*{why}"):
        Brokers("a:1", "SSL", cafile=str(file)).options()


def test_a_client_certificate_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(BrokersError, match=r"^kafka.ssl_certfile .*me.pem, kafka.ssl_keyfile .*key.pem: no PEM"):
        Brokers("a:1", "SSL", certfile=str(tmp_path / "me.pem"), keyfile=str(tmp_path / "key.pem")).options()

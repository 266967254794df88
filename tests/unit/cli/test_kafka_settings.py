from pathlib import Path

import pytest

from fraudstream.cli.failure import Failure
from fraudstream.cli.settings import load_settings
from fraudstream.cli.up.run_settings import RunBroker, settings_for
from fraudstream.kafka import Brokers

SASL = {
    "FRAUDSTREAM_KAFKA_BOOTSTRAP_SERVERS": "kafka-1:9093",
    "FRAUDSTREAM_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
    "FRAUDSTREAM_KAFKA_SASL_USERNAME": "worker",
}
PASSWORD = {"FRAUDSTREAM_KAFKA_SASL_PASSWORD": "geheim"}


def brokers(environment: dict[str, str]) -> Brokers:
    return load_settings(environment=environment).kafka.brokers()


def test_a_password_comes_from_the_environment() -> None:
    assert brokers(SASL | PASSWORD) == Brokers("kafka-1:9093", "SASL_SSL", username="worker", password="geheim")


def test_a_password_comes_from_a_file_without_its_line_end(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(" ge heim \n")
    assert brokers(SASL | {"FRAUDSTREAM_KAFKA_SASL_PASSWORD_FILE": str(file)}).password == " ge heim "


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        (SASL, "SASL_SSL needs kafka.sasl_username and one of kafka.sasl_password and kafka.sasl_password_file"),
        (SASL | PASSWORD | {"FRAUDSTREAM_KAFKA_SASL_PASSWORD_FILE": "f"}, "needs kafka.sasl_username and one of"),
        (PASSWORD, "not used with kafka.security_protocol PLAINTEXT"),
        ({"FRAUDSTREAM_KAFKA_SSL_CAFILE": "ca.pem"}, "not used with kafka.security_protocol PLAINTEXT"),
        (
            {"FRAUDSTREAM_KAFKA_SECURITY_PROTOCOL": "SSL", "FRAUDSTREAM_KAFKA_SSL_CERTFILE": "me.pem"},
            "kafka.ssl_certfile and kafka.ssl_keyfile go together",
        ),
        (
            {"FRAUDSTREAM_KAFKA_SECURITY_PROTOCOL": "SSL", "FRAUDSTREAM_KAFKA_SSL_CAFILE": "/nowhere/ca.pem"},
            "kafka.ssl_cafile /nowhere/ca.pem: no PEM file of certificates can be read: No such file or directory",
        ),
        (SASL | {"FRAUDSTREAM_KAFKA_SASL_PASSWORD_FILE": "/nowhere"}, "/nowhere: cannot be read: No such file"),
    ],
)
def test_settings_that_cannot_be_meant_are_told(environment: dict[str, str], sentence: str) -> None:
    with pytest.raises(Failure, match=sentence):
        brokers(environment)


def test_an_empty_password_file_is_told(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("\n")
    with pytest.raises(Failure, match="the file is empty"):
        brokers(SASL | {"FRAUDSTREAM_KAFKA_SASL_PASSWORD_FILE": str(file)})


def test_a_refused_password_is_not_shown() -> None:
    with pytest.raises(Failure, match=r"kafka.sasl_password = \*\*\*: "):
        load_settings(environment={"FRAUDSTREAM_KAFKA_SASL_PASSWORD": ""})


def test_up_talks_to_its_own_broker_whatever_the_cluster_s_settings_are() -> None:
    broker = RunBroker("embedded broker", "127.0.0.1:1", "batch")
    settings = settings_for(load_settings(environment=SASL | PASSWORD), broker, "redis://127.0.0.1:2", 4, Path("up"))
    assert settings.kafka.brokers() == Brokers("127.0.0.1:1")

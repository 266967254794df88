"""One Apache Kafka broker with TLS, authentication and ACLs (deploy/kafka/secure.sh)."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec

from fraudstream.kafka import Brokers
from tests.integration.own_kafka import REPOSITORY, SCRIPT, free_ports


class SecureCluster(NamedTuple):
    """`port`: of the SASL_SSL listener; the next port requires a client certificate. `files`: keys and certificates."""

    port: int
    files: Path

    def brokers(self, user: str, password: str | None = None) -> Brokers:
        """Connect as `user`, by SCRAM-SHA-512."""
        return Brokers(
            f"127.0.0.1:{self.port}",
            "SASL_SSL",
            username=user,
            password=password or f"{user}-secret",
            cafile=str(self.files / "ca.pem"),
        )

    def certified(self) -> Brokers:
        """Connect as `worker`, by client certificate."""
        worker, key = self.files / "worker.pem", self.files / "worker-key.pem"
        return Brokers(
            f"127.0.0.1:{self.port + 1}",
            "SSL",
            cafile=str(self.files / "ca.pem"),
            certfile=str(worker),
            keyfile=str(key),
        )

    def trusting_another(self) -> Brokers:
        """Connect with the certificate of another authority as the trusted one."""
        return msgspec.structs.replace(self.brokers("worker"), cafile=str(self.files / "other-ca.pem"))


def environment_of(brokers: Brokers) -> dict[str, str]:
    """These settings as environment variables of a fraudstream process."""
    values = {
        "BOOTSTRAP_SERVERS": brokers.servers,
        "SECURITY_PROTOCOL": brokers.protocol,
        "SASL_MECHANISM": brokers.mechanism,
        "SASL_USERNAME": brokers.username,
        "SASL_PASSWORD": brokers.password,
        "SSL_CAFILE": brokers.cafile,
        "SSL_CERTFILE": brokers.certfile,
        "SSL_KEYFILE": brokers.keyfile,
    }
    return {f"FRAUDSTREAM_KAFKA_{name}": value for name, value in values.items() if value is not None}


@contextmanager
def secure_cluster(directory: Path) -> Iterator[SecureCluster]:
    """Start a broker in `directory`, with the jars that `make kafka` has fetched; stop it when the block ends."""
    port = free_ports(4)
    home = Path(os.environ.get("KAFKA_HOME_DIR", REPOSITORY / ".kafka"))
    environment = os.environ | {"KAFKA_HOME_DIR": str(directory), "KAFKA_LIBS_DIR": str(home / "libs")}
    subprocess.run([SCRIPT, "start", "--secure", str(port)], check=True, env=environment)
    try:
        yield SecureCluster(port, directory / "secure")
    finally:
        subprocess.run([SCRIPT, "stop"], check=True, env=environment)

"""Certificates: the gateway's own, and those that prove clients."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.integration.gateway.gateway_cluster import GatewayCluster, post
from tests.integration.stream.payments import payment

CLIENTS = """
clients:
  - {name: checkout, scopes: [decide, read], certificates: ["O=Example Bank,CN=checkout"]}
"""


def certificate(directory: Path, name: str, subject: str, ca: str = "ca") -> tuple[str, str]:
    """The files of a certificate by an authority, and of its key."""

    def run(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=directory, check=True, capture_output=True)

    if not (directory / f"{ca}.pem").exists():
        flags = ["-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-addext", "keyUsage=critical,keyCertSign"]
        run("req", *flags, "-subj", f"/CN={ca}", "-keyout", f"{ca}-key.pem", "-out", f"{ca}.pem")
    (directory / "san").write_text("subjectAltName=IP:127.0.0.1\n")
    run("req", "-newkey", "rsa:2048", "-nodes", "-subj", subject, "-keyout", f"{name}-key.pem", "-out", f"{name}.csr")
    signer = ["-CA", f"{ca}.pem", "-CAkey", f"{ca}-key.pem", "-CAcreateserial", "-days", "2", "-extfile", "san"]
    run("x509", "-req", "-in", f"{name}.csr", *signer, "-out", f"{name}.pem")
    return str(directory / f"{name}.pem"), str(directory / f"{name}-key.pem")


def client(directory: Path, certificate: tuple[str, str] | None = None) -> httpx.AsyncClient:
    context = ssl.create_default_context(cafile=str(directory / "ca.pem"))
    if certificate is not None:
        context.load_cert_chain(*certificate)
    return httpx.AsyncClient(verify=context)


@pytest.mark.parametrize("required", ["true", "false"])
async def test_a_certificate_proves_its_client(cluster: GatewayCluster, tmp_path: Path, required: str) -> None:
    own = certificate(tmp_path, "gateway", "/CN=gateway")
    checkout = certificate(tmp_path, "checkout", "/O=Example Bank/CN=checkout")
    stranger = certificate(tmp_path, "stranger", "/O=Example Bank/CN=stranger")
    forged = certificate(tmp_path, "forged", "/O=Example Bank/CN=checkout", ca="other-ca")
    (tmp_path / "clients.yaml").write_text(CLIENTS)
    settings = {
        "gateway.tls_certificate_file": own[0],
        "gateway.tls_key_file": own[1],
        "gateway.client_ca_file": str(tmp_path / "ca.pem"),
        "gateway.require_client_certificate": required,
        "gateway.clients_file": str(tmp_path / "clients.yaml"),
    }
    async with cluster.stream.worker():
        url = await cluster.url_of(cluster.start("gateway-0", settings))
        assert url.startswith("https://")
        async with client(tmp_path, checkout) as known:
            assert (await post(known, url, payment(1, "a"))).json()["outcome"] == "allow"
        async with client(tmp_path, stranger) as unknown:
            assert (await post(unknown, url, payment(2, "a"))).status_code == 401
        async with client(tmp_path, forged) as other:
            with pytest.raises(httpx.TransportError):
                await post(other, url, payment(3, "a"))
        async with client(tmp_path) as without:
            if required == "true":
                with pytest.raises(httpx.TransportError):
                    await post(without, url, payment(4, "a"))
            else:
                assert (await post(without, url, payment(4, "a"))).status_code == 401


async def test_a_head_without_an_end_closes_the_connection(cluster: GatewayCluster) -> None:
    url = await cluster.url_of(cluster.start("gateway-0"))
    host, _, port = url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    assert await until_closed(reader, writer) < 10_000


async def until_closed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int:
    """How many headers were sent until the other side closed the connection."""
    writer.write(b"POST /v1/decisions HTTP/1.1\r\n")
    try:
        for number in range(10_000):
            writer.write(b"X-Header-%d: %b\r\n" % (number, b"x" * 200))
            await writer.drain()
            await asyncio.sleep(0)
            if reader.at_eof():
                return number
    except ConnectionError:
        return number
    finally:
        writer.close()
    return 10_000

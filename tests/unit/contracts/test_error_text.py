"""Errors of the system in words: no number, and no words of a number that is none of the system's."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

import pytest

from fraudstream.contracts.error_text import system_error_text


def test_a_certificate_that_cannot_be_read_is_not_called_by_the_name_of_a_system_error(tmp_path: Path) -> None:
    file = tmp_path / "no.pem"
    file.write_text("no certificate")
    with pytest.raises(ssl.SSLError) as raised:
        ssl.create_default_context().load_cert_chain(file)
    assert system_error_text(raised.value) == "TLS: PEM lib"


def test_an_unknown_host_is_said_to_be_unknown() -> None:
    error = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    assert system_error_text(error) == "Name or service not known"


def test_of_a_host_with_two_addresses_the_first_reason_is_told() -> None:
    each = "[Errno 111] Connect call failed"
    error = OSError(f"Multiple exceptions: {each} ('::1', 1, 0, 0), {each} ('127.0.0.1', 1)")
    assert system_error_text(error) == "Connection refused"

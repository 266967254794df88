"""A connection of a client: uvicorn's, with a limit on the head of a request, and the subject of its certificate."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_BYTES_MAX: Final = 32 * 1024  # of the first line and the headers: the parser itself has no limit
CERTIFICATE: Final = "certificate"  # in `scope["state"]`

_SHORT: Final[Mapping[str, str]] = {
    "commonName": "CN",
    "organizationName": "O",
    "organizationalUnitName": "OU",
    "countryName": "C",
    "localityName": "L",
    "stateOrProvinceName": "ST",
}


class Connection(HttpToolsProtocol):
    """`scope["state"]` of each request has the subject of the client's certificate, if it has one."""

    _in_head, _head_bytes = False, 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Read the certificate, which the handshake has verified."""
        super().connection_made(transport)
        ssl_object = transport.get_extra_info("ssl_object")
        certificate = None if ssl_object is None else ssl_object.getpeercert()
        if certificate:
            self.app_state = {**self.app_state, CERTIFICATE: subject_of(certificate)}

    def data_received(self, data: bytes) -> None:
        """Close the connection where the head of a request does not end."""
        super().data_received(data)
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES_MAX:
                self.transport.close()

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._in_head, self._head_bytes = True, 0

    def on_headers_complete(self) -> None:
        """Its head has ended."""
        self._in_head = False
        super().on_headers_complete()


def subject_of(certificate: Mapping[str, Any]) -> str:
    """The subject of a certificate, as Python's `getpeercert` has it, in the order of the certificate.

    >>> subject_of({"subject": ((("organizationName", "Example Bank"),), (("commonName", "checkout"),))})
    'O=Example Bank,CN=checkout'
    """
    names: Sequence[Sequence[tuple[str, str]]] = certificate.get("subject", ())
    return ",".join(f"{_SHORT.get(name, name)}={value}" for part in names for name, value in part)

"""A file of a case as an answer: to be saved and never shown, under a name that no header can be broken with."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote

from fastapi import Request
from fastapi.responses import Response

from fraudstream.console.shown_text import is_hidden

# For the case that a browser shows it all the same: in an origin of its own, without scripts and without requests.
CONTENT_POLICY: Final = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox"
_SEPARATORS: Final = frozenset('/\\:*?"<>|')
_NOT_PLAIN: Final = re.compile(r"[^A-Za-z0-9._ -]")


def saved_name(file_name: str) -> str:
    """The name under which a file is saved: without separators of paths, hidden characters, and dots at its ends.

    >>> saved_name("../../etc/passwd"), saved_name("bank statement.pdf")
    ('_.._etc_passwd', 'bank statement.pdf')
    """
    cleaned = "".join("_" if each in _SEPARATORS or is_hidden(each) else each for each in file_name)
    return cleaned.strip(" .") or "file"


def disposition_of(file_name: str) -> str:
    """The header `Content-Disposition` (RFC 6266): a plain name, and the whole one encoded as RFC 8187 says.

    >>> disposition_of("Auszug März.pdf")
    'attachment; filename="Auszug M_rz.pdf"; filename*=UTF-8\\'\\'Auszug%20M%C3%A4rz.pdf'
    """
    name = saved_name(file_name)
    return f"attachment; filename=\"{_NOT_PLAIN.sub('_', name)}\"; filename*=UTF-8''{quote(name, safe='')}"


def file_answer(request: Request, content: bytes, file_name: str) -> Response:
    """The answer with a file. Whatever type its sender has stated, it is bytes to be saved."""
    request.state.content_policy = CONTENT_POLICY
    return Response(content, 200, {"content-disposition": disposition_of(file_name)}, "application/octet-stream")

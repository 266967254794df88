"""Compression of answers, but for files of cases: they are large, mostly compressed, and would hold everybody up."""

from __future__ import annotations

from typing import Final

from starlette.middleware.gzip import GZipMiddleware
from starlette.types import Receive, Scope, Send

_FILES: Final = "/files/"


class Compression(GZipMiddleware):
    """Compresses what a browser takes compressed."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http" and _FILES in scope["path"]:
            await self.app(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)

"""The event stream that tells a browser what has changed, and the health of the process."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import PlainTextResponse, Response, StreamingResponse

from fraudstream.console.web.console import console_of
from fraudstream.console.web.visitors import Visitor, permitted

router = APIRouter()


@router.get("/live")
async def live(request: Request, visitor: Annotated[Visitor, Depends(permitted("see_cases"))]) -> Response:
    """Changes as server-sent events, until the session ends. See `live.LiveChanges`."""
    console = console_of(request)
    events = console.live.events(lambda: console.sessions.is_valid(visitor.session))
    return StreamingResponse(events, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})


@router.get("/healthz")
async def healthz() -> Response:
    """200: the process serves."""
    return PlainTextResponse("ok\n")


@router.get("/readyz")
async def readyz(request: Request) -> Response:
    """200 once the queue is up to date; else 503 with the state."""
    state = console_of(request).live.state
    return PlainTextResponse(f"{state}\n", 200 if state == "live" else 503)

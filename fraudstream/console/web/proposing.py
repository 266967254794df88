"""Asks for the approval of a change, from whatever page it was made on."""

from __future__ import annotations

from typing import Final

from fastapi import Request

from fraudstream.console.rules.changes import Change, object_of
from fraudstream.console.web.auditing import audited, note_result
from fraudstream.console.web.console import Console, console_of
from fraudstream.console.web.errors import PageError
from fraudstream.operations.errors import OperationError

NOTE_CHARACTERS_MAX: Final = 1_000  # of a proposal


async def proposed(request: Request, actor: str, change: Change, note: str) -> str:
    """The path of a new proposal, which is in the audit log. Raises `PageError`."""
    console = may_activate(request)
    about = {"object": object_of(change)}
    await audited(request, actor, "act", "asked", **about, detail="propose")
    try:
        proposal = await console.approval.propose(change, actor, note.strip()[:NOTE_CHARACTERS_MAX])
    except OperationError as error:
        note_result(request, actor, "act", "failed", **about, detail="propose")
        raise PageError(503, "rules", sentence=error.sentence) from error
    path = f"/proposals/{proposal.proposal_id}"
    note_result(request, actor, "act", "done", **about, detail=f"propose {path}")
    return path


def may_activate(request: Request) -> Console:
    """The console, if its settings let it put changes in force. Raises `PageError`."""
    console = console_of(request)
    if not console.settings.may_activate:
        raise PageError(404, "not_found")
    return console

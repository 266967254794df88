"""One of several actions that a form asks for: whatever becomes of it, the others go on, and the page tells it."""

from __future__ import annotations

import logging
from typing import NamedTuple, Unpack

from fastapi import Request
from markupsafe import Markup
from redis import RedisError

from fraudstream.cases.redis_error_text import redis_error_text
from fraudstream.console.web.action_results import done_text, outcome_of, refused_text, status_of
from fraudstream.console.web.auditing import audited, note_result
from fraudstream.console.web.console import console_of
from fraudstream.console.web.errors import PageError
from fraudstream.console.web.rendering import words_for
from fraudstream.console.web.visitors import Visitor
from fraudstream.contracts.case_values import ActionName
from fraudstream.operations.case_actions import ActionDetails
from fraudstream.operations.errors import OperationError

log = logging.getLogger(__name__)


class Attempt(NamedTuple):
    """What came of an action on a case: whether it was done, and a sentence."""

    is_done: bool
    message: Markup


async def attempted(
    request: Request, visitor: Visitor, case_id: str, name: ActionName, **details: Unpack[ActionDetails]
) -> Attempt:
    """Act on a case that the visitor sees, and audit it. Raises nothing that is about this case alone."""
    words, actor = words_for(request), visitor.user.name
    about = {"object": f"case:{case_id}", "detail": name}
    try:
        await audited(request, actor, "act", "asked", **about)
    except PageError as error:
        return Attempt(False, words.markup(f"error.{error.code}"))
    status = 200
    try:
        message = done_text(words, name, await console_of(request).desk.act(case_id, name, actor=actor, **details))
    except OperationError as error:
        status, message = status_of(error), refused_text(words, error)
    except (RedisError, OSError) as error:
        log.error("case %s: %s failed: %s", case_id, name, redis_error_text(error))
        status, message = 503, words.markup("error.unavailable")
    note_result(request, actor, "act", outcome_of(status), **about)
    return Attempt(status == 200, message)

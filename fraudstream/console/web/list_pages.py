"""Allow, deny and watch lists: their entries, and proposals to put values on a list or take them off it."""

from __future__ import annotations

from typing import Annotated, Any, Final, NamedTuple

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response
from markupsafe import Markup

from fraudstream.console.access.masking import Masking
from fraudstream.console.rules.changes import ListChange
from fraudstream.console.rules.entries import VALUES_MAX, ListPage, is_expired, is_identifying_field
from fraudstream.console.web.auditing import note_view
from fraudstream.console.web.console import console_of
from fraudstream.console.web.errors import PageError
from fraudstream.console.web.forms import form_of
from fraudstream.console.web.proposing import NOTE_CHARACTERS_MAX, may_activate, proposed
from fraudstream.console.web.rendering import page, words_for
from fraudstream.console.web.rules_readable import rules_readable
from fraudstream.console.web.visitors import Visitor, permitted
from fraudstream.contracts import ListEntry
from fraudstream.contracts.duration import parse_duration
from fraudstream.operations.errors import InvalidValueError, OperationError
from fraudstream.operations.lists import UnknownListError

router = APIRouter()
ENDS: Final = ("1d", "7d", "30d", "90d", "365d")  # after which an entry may end
_TEXT_CHARACTERS_MAX: Final = 128
_REFERENCE: Final = "list-entry"  # kind of the references to values


class EntryRow(NamedTuple):
    """An entry as it is shown: `value` and `note` masked, if they have to be. `reference`: stands for the value."""

    entry: ListEntry
    value: str
    note: str
    reference: str
    is_expired: bool


@router.get("/lists")
async def lists_page(request: Request, visitor: Annotated[Visitor, Depends(permitted("see_lists"))]) -> Response:
    """Every list that the rules in force declare."""
    note_view(request, visitor.session, "view", "path:/lists")
    with rules_readable():
        lists = await console_of(request).lists.overview()
    return page(request, "lists.html", visitor, {"lists": lists})


@router.get("/lists/{name}")
async def list_page(
    request: Request, name: str, visitor: Annotated[Visitor, Depends(permitted("see_lists"))], text: str = ""
) -> Response:
    """A list with its entries, or with those that a search finds."""
    return await _page(request, visitor, name, text.strip()[:_TEXT_CHARACTERS_MAX], None, 200)


@router.post("/lists/{name}/{action}")
async def change_list(
    request: Request, name: str, action: str, visitor: Annotated[Visitor, Depends(permitted("draft_rules"))]
) -> Response:
    """`add`: ask for the approval of values, one a line, that end after the time `for`. `remove`: of the removal of the
    value that `entry` stands for. Both need a reason."""
    form, desk = await form_of(request), may_activate(request).lists
    note = form.get("note", "").strip()
    if action not in ("add", "remove") or not note:
        raise PageError(404 if note else 400, "not_found" if note else "invalid")
    try:
        change: ListChange
        if action == "add":
            values = [line.strip() for line in form.get("values", "").splitlines() if line.strip()]
            change = await desk.addition(name, values, _end_ms(request, form.get("for", "")))
        else:
            value = console_of(request).references.value(_REFERENCE, form.get("entry", ""))
            change = await desk.removal(name, [] if value is None else [value])
    except UnknownListError:
        raise PageError(404, "no_list", name=name[:64]) from None
    except InvalidValueError as error:
        message = words_for(request).markup("list.refused", sentence=error.sentence)
        return await _page(request, visitor, name, "", message, 409)
    except OperationError as error:
        raise PageError(503, "rules", sentence=error.sentence) from error
    return RedirectResponse(await proposed(request, visitor.user.name, change, note), 303)


def shown_values(visitor: Visitor, found: ListPage, values: tuple[str, ...]) -> tuple[str, ...]:
    """Values of a list as the visitor sees them."""
    visible = visitor.may("see_identifiers") or not is_identifying_field(found.summary.declared)
    return tuple(map(Masking(visible).identifier, values))


def _end_ms(request: Request, text: str) -> int | None:
    if not text:
        return None
    if text not in ENDS:
        raise PageError(400, "invalid")
    return console_of(request).now_ms() + parse_duration(text)


async def _page(
    request: Request, visitor: Visitor, name: str, text: str, message: Markup | None, status: int
) -> Response:
    """The page of a list; `message`: why a change was refused. Raises `PageError`."""
    console = console_of(request)
    visible = visitor.may("see_identifiers")
    try:
        found = await console.lists.open_list(name, text, parts=visible)
    except UnknownListError:
        raise PageError(404, "no_list", name=name[:64]) from None
    except OperationError as error:
        raise PageError(503, "rules", sentence=error.sentence) from error
    if text:
        note_view(request, visitor.session, "search", f"list:{name}", console.references.search(text))
    else:
        note_view(request, visitor.session, "view", f"list:{name}")
    masking, now_ms = Masking(visible, [entry.value for entry in found.rows]), console.now_ms()
    shown = shown_values(visitor, found, tuple(entry.value for entry in found.rows))
    rows = [
        EntryRow(
            entry,
            value,
            masking.written(entry.note or ""),
            console.references.reference(_REFERENCE, entry.value),
            is_expired(entry, now_ms),
        )
        for entry, value in zip(found.rows, shown, strict=True)
    ]
    values: dict[str, Any] = {"summary": found.summary, "found": found.found, "rows": rows, "text": text}
    values |= {"message": message, "ends": ENDS, "values_max": VALUES_MAX, "note_characters_max": NOTE_CHARACTERS_MAX}
    values |= {"may_change": console.settings.may_activate and visitor.may("draft_rules")}
    return page(request, "list.html", visitor, values, status)

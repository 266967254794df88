"""A payment decided again: which rules fired, which nearly did, and what each compared."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from fraudstream.console.access.masking import Masking
from fraudstream.console.explanations import Explanation, Named
from fraudstream.console.web.auditing import note_view
from fraudstream.console.web.case_files import file_for
from fraudstream.console.web.console import console_of
from fraudstream.console.web.entity_address import named_by
from fraudstream.console.web.entity_pages import entity_object
from fraudstream.console.web.errors import PageError
from fraudstream.console.web.identifier_pages import is_revealed
from fraudstream.console.web.rendering import page
from fraudstream.console.web.visitors import REFRESH_HEADER, Visitor, permitted
from fraudstream.contracts import Case
from fraudstream.contracts.payment_identifiers import identifiers_of

router = APIRouter()


@router.get("/payments/{reference}")
async def payment_page(
    request: Request, reference: str, visitor: Annotated[Visitor, Depends(permitted("see_cases"))]
) -> Response:
    """A payment of the history. Its address is a reference, which nobody can make up."""
    named = named_by(console_of(request).references, reference)
    if named is None:
        raise PageError(404, "not_found")
    note_view(request, visitor.session, "view", entity_object(request, "account", named.account_id), "payment")
    return _page(request, visitor, named, visible=visitor.may("see_identifiers"))


@router.get("/cases/{case_id}/alerts/{alert_id}")
async def alert_page(
    request: Request, case_id: str, alert_id: str, visitor: Annotated[Visitor, Depends(permitted("see_cases"))]
) -> Response:
    """The payment of an alert of a case."""
    file = await file_for(request, visitor.user.name, visitor.team, case_id)
    named = None if file is None else named_alert(file.case, alert_id)
    if named is None:
        raise PageError(404, "no_case", case=case_id[:64])
    note_view(request, visitor.session, "view", f"case:{case_id}", "payment")
    visible = visitor.may("see_identifiers") or await is_revealed(request, visitor, case_id)
    return _page(request, visitor, named, visible=visible, case_id=case_id)


def named_alert(case: Case, alert_id: str) -> Named | None:
    """The payment of an alert of the case; None if it has no such alert."""
    line = next((each for each in case.alerts if each.alert_id == alert_id), None)
    return None if line is None else Named(line.account_id or case.account_id, line.event_id, line.alert_id)


def explanation_for(request: Request, named: Named, on_end: Callable[[], None]) -> Explanation | None:
    """The explanation of a payment, which is begun if there is none yet, but not by a page that asks for itself again:
    nobody may be there. None if there is none."""
    explanations = console_of(request).explanations
    return explanations.known(named) if REFRESH_HEADER in request.headers else explanations.ask(named, on_end)


def shown_explanation(found: Explanation, *, visible: bool) -> Explanation:
    """An explanation as it is shown to somebody to whom identifiers are `visible`, or not."""
    if found.found is None:
        return found._replace(sentence=Masking(visible).written(found.sentence))
    masking = Masking(visible, identifiers_of(found.found.trial.payment))
    return found._replace(found=masking.shown(found.found))


def _page(request: Request, visitor: Visitor, named: Named, *, visible: bool, case_id: str | None = None) -> Response:
    """The page, which asks for itself again once the payment is decided again."""
    console = console_of(request)
    name = hashlib.blake2b(request.url.path.encode(), digest_size=8).hexdigest()  # every browser hears it
    found = explanation_for(request, named, lambda: console.live.on_page(name)) or Explanation("busy")
    masking = Masking(visible, named[:1])
    values: dict[str, Any] = {"case_id": case_id, "live_page": name, "event_id": named.event_id}
    values |= {
        "account_id": masking.identifier(named.account_id),
        "explained": shown_explanation(found, visible=visible),
    }
    return page(request, "explained.html", visitor, values)

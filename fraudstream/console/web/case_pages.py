"""The page of one case, and the actions on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final, cast, get_args

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response
from markupsafe import Markup

from fraudstream.cases.refusal import own_alerts
from fraudstream.console.access.roles import Permission
from fraudstream.console.case_buttons import APPROVALS, allowed_actions, buttons_of
from fraudstream.console.case_row import row_of, typology_of
from fraudstream.console.desk import CaseFile
from fraudstream.console.explanations import Explanation
from fraudstream.console.plots.comparison_plot import comparison_plot
from fraudstream.console.plots.score_bars import score_bars
from fraudstream.console.queue_query import QueueQuery
from fraudstream.console.reasons import CaseReasons, Measured, ScoreReason
from fraudstream.console.shown_text import plain_value
from fraudstream.console.web.action_forms import details_of
from fraudstream.console.web.action_results import done_text, outcome_of, refused_text, status_of
from fraudstream.console.web.auditing import audited, note_result, note_view
from fraudstream.console.web.case_files import file_for, seen_by
from fraudstream.console.web.case_past import past_of_case
from fraudstream.console.web.console import console_of
from fraudstream.console.web.entity_address import EntityAddresses
from fraudstream.console.web.errors import PageError
from fraudstream.console.web.explained_pages import explanation_for, named_alert, shown_explanation
from fraudstream.console.web.forms import form_of, values_of
from fraudstream.console.web.identifier_pages import is_revealed, query_for, shown_case
from fraudstream.console.web.rendering import page, words_for
from fraudstream.console.web.visitors import Visitor, log_refusal, permitted
from fraudstream.console.words.catalogue import Words
from fraudstream.contracts import Case
from fraudstream.contracts.case_typologies import TYPOLOGIES, Typology
from fraudstream.contracts.case_values import ActionName, Disposition, WaitingFor
from fraudstream.operations.case_actions import ActionDetails
from fraudstream.operations.errors import OperationError

router = APIRouter()
_ACTIONS: Final = get_args(ActionName)
_PARTS_NAMED: Final = 3
NEEDED: Final[Mapping[ActionName, Permission]] = {
    **dict.fromkeys(APPROVALS, "approve_cases"),
    "detach": "remove_files",
}
SPANS: Final = ("4h", "1d", "2d", "3d", "1w", "2w")  # for how long a case can be put aside


@router.get("/cases/{case_id}")
async def case_page(
    request: Request, case_id: str, visitor: Annotated[Visitor, Depends(permitted("see_cases"))]
) -> Response:
    """A case. A prefix that only one id has leads to that case."""
    file = await file_for(request, visitor.user.name, visitor.team, case_id)
    whole = await console_of(request).desk.case_id_of(case_id) if file is None else None
    if whole not in (None, case_id) and await file_for(request, visitor.user.name, visitor.team, whole) is not None:
        return RedirectResponse(f"/cases/{whole}", 303)
    return await case_page_of(request, visitor, case_id, file, None, 200)


@router.post("/cases/{case_id}/{action}")
async def act(
    request: Request,
    case_id: str,
    action: str,
    visitor: Annotated[Visitor, Depends(permitted("act_on_cases"))],
) -> Response:
    """Act on a case and wait for the case agent's answer. The page says what came of it; the status is 409 if the agent
    has refused, 504 if none has answered."""
    form = await form_of(request)
    if action not in _ACTIONS or action == "attach":  # which `evidence_pages` has
        raise PageError(404, "not_found")
    name = cast(ActionName, action)
    needed = NEEDED.get(name, "act_on_cases")
    if not visitor.may(needed):
        log_refusal(request, visitor.user.name, f"role {visitor.user.role} does not permit {needed}")
        raise PageError(403, "forbidden", role=visitor.user.role)
    details = details_of(name, form, await values_of(request, "alert_ids"), console_of(request).now_ms())
    if await file_for(request, visitor.user.name, visitor.team, case_id) is None:
        raise PageError(404, "no_case", case=case_id[:64])
    told = f"detach sha256:{details.get('sha256')}" if name == "detach" else name
    return await acted_page(request, visitor, case_id, name, told, details)


async def acted_page(
    request: Request, visitor: Visitor, case_id: str, name: ActionName, told: str, details: ActionDetails
) -> Response:
    """The page of a case after an action on it, which says what came of it. `told`: the action, for the audit log."""
    words, desk, status = words_for(request), console_of(request).desk, 200
    about = {"object": f"case:{case_id}", "detail": told}
    await audited(request, visitor.user.name, "act", "asked", **about)
    try:
        sees = seen_by(request, visitor.user.name, visitor.team)
        case = await desk.act(case_id, name, actor=visitor.user.name, sees=sees, **details)
        message = done_text(words, name, case)
    except OperationError as error:
        status, message = status_of(error), refused_text(words, error)
    note_result(request, visitor.user.name, "act", outcome_of(status), **about)
    file = await file_for(request, visitor.user.name, visitor.team, case_id)
    return await case_page_of(request, visitor, case_id, file, message, status)


async def case_page_of(
    request: Request,
    visitor: Visitor,
    case_id: str,
    file: CaseFile | None,
    message: Markup | None,
    status: int,
) -> Response:
    """The page. Raises `PageError` if there is no such case."""
    if file is None:
        raise PageError(404, "no_case", case=case_id[:64])
    note_view(request, visitor.session, "view", f"case:{case_id}")
    revealed = await is_revealed(request, visitor, case_id)
    visible = revealed or visitor.may("see_identifiers")
    past = await past_of_case(request, file.case, visible=visible)
    near = _near(request, file.case, visible=visible)
    address = EntityAddresses(console_of(request).references).href
    account_hrefs = [address("account", account_id) for account_id in file.case.accounts]
    file, reasons = shown_case(file, visible=visible)
    words, query = words_for(request), query_for(request, visitor)
    console = console_of(request)
    before, behind = await console.desk.neighbours(case_id, query)
    may_act = visitor.may("act_on_cases")
    values = {
        "case": file.case,
        "file": file,
        "reasons": reasons,
        "first_reason": _first_reason(words, reasons, file.case),
        "bars": None if reasons.score is None else score_bars(reasons.score, _bar_title(words, reasons.score)),
        "plot": lambda measured: comparison_plot(measured, _plot_title(words, measured)),
        "before": before,
        "behind": behind,
        "parameters": query.parameters(),
        "is_revealed": revealed,
        "message": message,
        "is_refused": status != 200,
        "allowed": allowed_actions(file.case, visitor.user.name, may_approve=visitor.may("approve_cases")),
        "tag_parameters": lambda tag: QueueQuery(tag=tag).parameters(),
        "buttons": buttons_of(file.case, visitor.user.name, may_approve=visitor.may("approve_cases"))
        if may_act
        else [],
        "users": [user.name for user in await console.users.all()] if may_act else [],
        "waiting_for": get_args(WaitingFor),
        "spans": SPANS,
        "asked_payments": list(own_alerts(file.case))[::-1],
        "row": row_of(file.case, 0),
        "dispositions": get_args(Disposition),
        "typologies": TYPOLOGIES,
        "typology": _likely_typology(file.case),
        "past": past,
        "near": near,
        "near_parameters": query.parameters(near="1"),
        "account_hrefs": account_hrefs,
        "identifiers_visible": visible,
        "size_text": size_text,
        "file_bytes_max": None if console.evidence is None else console.evidence.bytes_max,
    }
    return page(request, "case.html", visitor, values, status)


def size_text(size_bytes: int) -> str:
    """A size in kB, rounded up, with a comma between thousands.

    >>> size_text(1), size_text(48_211), size_text(10_000_000)
    ('1', '49', '10,000')
    """
    return f"{-(-size_bytes // 1000):,}"


def _near(request: Request, case: Case, *, visible: bool) -> Explanation | None:
    """The payment of the newest alert decided again, if it was, or if the page asks for it; the page asks for itself
    again once it is. None if it was not asked for, or there is no alert."""
    console = console_of(request)
    newest = max(case.alerts, key=lambda each: each.occurred_at_ms, default=None)
    named = None if newest is None else named_alert(case, newest.alert_id)
    if named is None:
        return None
    if request.query_params.get("near") == "1":
        found = explanation_for(request, named, lambda: console.live.on_case(case.case_id))
    else:
        found = console.explanations.known(named)
    return None if found is None else shown_explanation(found, visible=visible)


def _first_reason(words: Words, reasons: CaseReasons, case: Case) -> str:
    """The message of the most severe rule; without one, the parts that raised the score most; without the alerts, the
    names of the rules."""
    if reasons.rules:
        first = reasons.rules[0]
        return f"{first.title}: {first.message}" if first.message else first.title
    raising = [] if reasons.score is None else [part.part for part in reasons.score.parts if part.points > 0]
    if raising and not case.rules:
        return words.text("case.why_parts", parts=", ".join(raising[:_PARTS_NAMED]))
    return ", ".join(case.rules) or words.text("case.why_score")


def _likely_typology(case: Case) -> Typology:
    """The typology of the case's first rule, if cases are closed with it."""
    named = [typology_of(rule) for rule in case.rules]
    return next((each for each in TYPOLOGIES if named and each == named[0]), "other")


def _plot_title(words: Words, measured: Measured) -> str:
    values = {"value": measured.value, "threshold": measured.threshold}
    if measured.normal is None:
        return plain_value(words.text("case.plot", **values))
    return plain_value(words.text("case.plot_normal", **values, normal=measured.normal[1]))


def _bar_title(words: Words, score: ScoreReason) -> str:
    key = "case.bar_bits" if score.in_bits else "case.bar"
    return words.text(key, points="{points}", threshold="{threshold}")

"""What the page of a case shows of the past of its accounts: one timeline, one network, one map of all of them."""

from __future__ import annotations

from typing import NamedTuple

from fastapi import Request

from fraudstream.console.access.past_masking import PastMasking
from fraudstream.console.past import DAYS, CasePast, Missing
from fraudstream.console.web.console import console_of
from fraudstream.console.web.entity_pages import Drawings, drawings_of
from fraudstream.contracts import Case


class ShownPast(NamedTuple):
    """What a case page shows; `past` and `drawings` are None where it is `missing`. `accounts`: of how many accounts of
    the case."""

    missing: Missing | None
    past: CasePast | None
    drawings: Drawings | None
    days: int
    accounts: int


async def past_of_case(request: Request, case: Case, *, visible: bool) -> ShownPast:
    """What the page of `case` shows. `visible`: its identifiers are. The page asks for itself again once an answer that
    took too long is there."""
    console = console_of(request)
    found = await console.past.of_case(case.accounts, lambda: console.live.on_case(case.case_id))
    if isinstance(found, str):
        return ShownPast(found, None, None, DAYS, 0)
    masking = PastMasking(visible, found.recent)
    return ShownPast(None, found, drawings_of(request, found, masking), DAYS, len(found.accounts))

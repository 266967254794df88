"""Cases that a visitor or a program may see: of all, or of their team. A case of another team is not there for them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastapi import Request

from fraudstream.console.access.teams import Team
from fraudstream.console.case_row import CaseRow, row_of
from fraudstream.console.desk import CaseFile
from fraudstream.console.web.console import console_of
from fraudstream.console.web.visitors import log_refusal


async def file_for(request: Request, actor: str, team: Team | None, case_id: str) -> CaseFile | None:
    """The case, without other cases of its account that the team does not see. None if there is no such case for the
    team, which the audit log is told."""
    file = await console_of(request).desk.open_case(case_id)
    if file is None or team is None:
        return file
    if not _sees(team, row_of(file.case, 0)):
        log_refusal(request, actor, f"case {file.case.case_id} is not for the team {team.name}")
        return None
    return file._replace(others=[row for row in file.others if _sees(team, row)])


def seen_by(request: Request, actor: str, team: Team | None) -> Callable[[str], Awaitable[bool]]:
    """Whether the team sees a case: for the other case that an action names."""

    async def sees(case_id: str) -> bool:
        return team is None or await file_for(request, actor, team, case_id) is not None

    return sees


def _sees(team: Team, row: CaseRow) -> bool:
    return team.sees(row)

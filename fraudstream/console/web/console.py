"""What the routes work with, passed in once: `console_of(request)`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, cast

from fastapi import Request

from fraudstream.audit.recent_events import RecentEvents
from fraudstream.audit.source import AuditSource
from fraudstream.audit.writer import AuditLog
from fraudstream.cases.absences import AbsenceStore
from fraudstream.console.access.idempotency import KeptAnswers
from fraudstream.console.access.login import Login
from fraudstream.console.access.openid_login import OpenIdLogin
from fraudstream.console.access.references import References
from fraudstream.console.access.request_limits import RequestLimits
from fraudstream.console.access.sessions import SessionStore
from fraudstream.console.access.teams import TeamStore
from fraudstream.console.access.tokens import TokenStore
from fraudstream.console.access.users import UserStore
from fraudstream.console.desk import CaseDesk
from fraudstream.console.evidence import EvidenceDesk
from fraudstream.console.explanations import Explanations
from fraudstream.console.live import LiveChanges
from fraudstream.console.overview.desk import OverviewDesk
from fraudstream.console.overview.figures_desk import FiguresDesk
from fraudstream.console.past import PastDesk
from fraudstream.console.rules.approval import Approval
from fraudstream.console.rules.desk import RuleDesk
from fraudstream.console.rules.entries import ListDesk
from fraudstream.console.saved_views import SavedViewStore
from fraudstream.console.settings import ServerSettings
from fraudstream.console.web.queue_rows import QueueRows

RENDERING_AT_ONCE_MAX: Final = 2  # a PDF of 200 payments takes a second of CPU


@dataclass(frozen=True)
class Console:
    """The collaborators of the routes. `audit`: takes events; `audit_source`: reads them. `recent_events`: those
    that need not be recorded again. `tokens`, `request_limits`, `kept_answers`: of the API. `rendering`: held while
    a PDF is made. `evidence`: files of cases; None where they cannot be kept. `references`: what stands for
    identifiers in addresses and in the audit log. `past`: without a history store, unless one is given. `now_ms`:
    the clock, ms since the epoch, UTC."""

    settings: ServerSettings
    desk: CaseDesk
    overview: OverviewDesk
    figures: FiguresDesk
    rules: RuleDesk
    lists: ListDesk
    approval: Approval
    explanations: Explanations
    live: LiveChanges
    users: UserStore
    teams: TeamStore
    sessions: SessionStore
    login: Login
    openid: OpenIdLogin | None
    audit: AuditLog
    audit_source: AuditSource
    recent_events: RecentEvents
    tokens: TokenStore
    request_limits: RequestLimits
    kept_answers: KeptAnswers
    views: SavedViewStore
    references: References
    absences: AbsenceStore
    now_ms: Callable[[], int]
    rendering: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(RENDERING_AT_ONCE_MAX))
    past: PastDesk = field(default_factory=lambda: PastDesk(None))
    evidence: EvidenceDesk | None = None
    queue_rows: QueueRows = field(default_factory=QueueRows)


def console_of(request: Request) -> Console:
    """The console that the application of `request` was made with."""
    return cast(Console, request.app.state.console)


def address_of(request: Request) -> str:
    """The address of the browser; that of the proxy, unless `trusted_proxies` names it."""
    return request.client.host if request.client is not None else "unknown"

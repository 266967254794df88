"""The web application: routes, middleware and static files around a `Console`."""

from __future__ import annotations

from typing import Final

from fastapi import FastAPI
from starlette.staticfiles import StaticFiles

from fraudstream.console.web import (
    absence_pages,
    audit_pages,
    bulk_pages,
    case_pages,
    change_pages,
    draft_pages,
    entity_pages,
    evidence_pages,
    explained_pages,
    figure_pages,
    identifier_pages,
    list_pages,
    live_stream,
    login_pages,
    model_pages,
    openid_pages,
    overview_pages,
    proposal_pages,
    queue_pages,
    report_pages,
    rule_pages,
    threshold_pages,
    trial_pages,
    user_pages,
    view_pages,
)
from fraudstream.console.web.api.app import create_api
from fraudstream.console.web.api.openapi import BASE
from fraudstream.console.web.compression import Compression
from fraudstream.console.web.console import Console
from fraudstream.console.web.error_pages import add_error_pages
from fraudstream.console.web.rendering import STATIC_DIRECTORY, STATIC_PATH
from fraudstream.console.web.security_headers import SecurityHeaders
from fraudstream.console.web.unforeseen_errors import UnforeseenErrors

PAGES: Final = tuple(
    module.router
    # `identifier_pages` and `evidence_pages` are before `case_pages`, which has a route for every action.
    for module in (
        *(login_pages, openid_pages, queue_pages, bulk_pages, view_pages, identifier_pages, report_pages),
        evidence_pages,
        *(case_pages, entity_pages, explained_pages, overview_pages, figure_pages, model_pages),
        *(rule_pages, threshold_pages, draft_pages, trial_pages, proposal_pages, list_pages, change_pages),
        *(audit_pages, user_pages, absence_pages, live_stream),
    )
)


def create_app(console: Console) -> FastAPI:
    """The application. Its pages share `console`."""
    app = FastAPI(title="fraudstream console", openapi_url=None, docs_url=None, redoc_url=None)
    app.state.console = console
    for router in PAGES:
        app.include_router(router)
    add_error_pages(app)
    app.mount(BASE, create_api(console))
    app.mount(STATIC_PATH, StaticFiles(directory=STATIC_DIRECTORY))
    app.add_middleware(Compression, minimum_size=800, compresslevel=5)
    app.add_middleware(UnforeseenErrors)
    app.add_middleware(SecurityHeaders, https=console.settings.https)
    return app

"""The application of the API, mounted at `openapi.BASE`."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, FastAPI
from fastapi.responses import JSONResponse, Response

from fraudstream.console.web.api import case_routes, evidence_routes, record_routes, report_routes
from fraudstream.console.web.api.openapi import description
from fraudstream.console.web.api.problems import add_problems
from fraudstream.console.web.console import Console
from fraudstream.console.web.unforeseen_errors import api_answer

_described = APIRouter()
ROUTERS: Final = (case_routes.router, evidence_routes.router, record_routes.router, report_routes.router, _described)


@_described.get("/openapi.json")
async def openapi() -> Response:
    """The description of the API."""
    return JSONResponse(description())


def create_api(console: Console) -> FastAPI:
    """The application. Its routes share `console`."""
    app = FastAPI(title="fraudstream console API", openapi_url=None, docs_url=None, redoc_url=None)
    app.state.console = console
    for router in ROUTERS:
        app.include_router(router)
    add_problems(app)
    app.add_exception_handler(Exception, api_answer)
    return app

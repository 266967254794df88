"""What a route raises instead of answering; `web.error_pages` turns each into a page."""

from __future__ import annotations

from typing import Literal

ErrorCode = Literal[
    "forbidden",
    "own_user",
    "token",
    "origin",
    "not_found",
    "no_case",
    "no_next",
    "none_chosen",
    "not_opened",
    "no_rule",
    "no_trial",
    "no_proposal",
    "no_list",
    "no_way_back",
    "no_number",
    "has_draft",
    "rules_changed",
    "too_many_drafts",
    "rules",
    "no_view",
    "view_of_other",
    "too_many_views",
    "too_large",
    "invalid",
    "unavailable",
    "audit",
    "no_evidence",
    "no_file",
    "masked_file",
    "damaged_file",
]


class PageError(Exception):
    """The request is answered with `status` and the sentence `error.<code>` of the words, with `values` in it."""

    def __init__(self, status: int, code: ErrorCode, **values: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.values = values


class NotLoggedInError(Exception):
    """The request has no session, or one that has ended."""


class MustChangePasswordError(Exception):
    """The user has to choose a password first."""

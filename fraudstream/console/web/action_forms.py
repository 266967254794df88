"""The forms of actions on a case: what their fields say of the action."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from fraudstream.console.web.errors import PageError
from fraudstream.contracts.case_action import REQUIRED_FIELDS
from fraudstream.contracts.case_values import ActionName
from fraudstream.contracts.duration import parse_duration
from fraudstream.operations.case_actions import ActionDetails

_OPTIONAL: Final = ("note", "expected_version")


def details_of(name: ActionName, form: Mapping[str, str], alert_ids: tuple[str, ...], now_ms: int) -> ActionDetails:
    """The details of the action `name` in a form, in which the alerts `alert_ids` are chosen. Fields of other actions,
    and empty ones, are left out.

    The field `for` says for how long; an action says until when. Raises `PageError` for a value that its field cannot
    have."""
    fields = {*_OPTIONAL, *REQUIRED_FIELDS.get(name, ())}
    if form.get("disposition") == "confirmed_fraud":
        fields.add("typology")
    given: dict[str, Any] = {field: text for field in fields if (text := form.get(field, "").strip())}
    given.pop("until", None)
    if "alert_ids" in fields:
        given["alert_ids"] = alert_ids
    given.pop("notice_id", None)  # a new one is drawn
    given.pop("file", None)  # it comes as a body of its own
    if name == "note":
        given.pop("expected_version", None)  # a note is right whatever else has changed
    try:
        if form.get("for") and name in ("snooze", "wait", "ask"):
            given["until"] = str(now_ms + parse_duration(form["for"]))
        return msgspec.convert(given, ActionDetails, strict=False)
    except ValueError:  # a msgspec.ValidationError is one
        raise PageError(400, "invalid") from None

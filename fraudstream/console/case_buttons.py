"""The buttons of a case's page: the actions that its status allows, with their keys and what they ask for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

from fraudstream.cases.transitions import BY_ASSIGNEE, WHILE_PROPOSED, actions_in
from fraudstream.contracts import Case
from fraudstream.contracts.case_values import ActionName, Disposition

Dialog = Literal["note", "assign", "wait", "ask", "snooze", "escalate", "link", "tag", "merge", "close", "reject"]

ACTION_KEYS: Final[Mapping[ActionName, str]] = {
    "approve": "v",
    "reject": "x",
    "claim": "c",
    "start": "s",
    "resume": "u",
    "wait": "w",
    "ask": "W",
    "snooze": "z",
    "wake": "b",
    "note": "m",
    "assign": "a",
    "escalate": "e",
    "release": "r",
    "link": "l",
    "tag": "h",
    "merge": "J",
    "reopen": "o",
}
DISPOSITION_KEYS: Final[Mapping[Disposition, str]] = {
    "confirmed_fraud": "f",
    "false_positive": "g",
    "genuine_but_risky": "y",
    "inconclusive": "i",
}
KEYS: Final[Mapping[str, str]] = dict([*ACTION_KEYS.items(), *DISPOSITION_KEYS.items()])
_DIALOGS: Final[Mapping[ActionName, Dialog]] = {
    "note": "note",
    "assign": "assign",
    "wait": "wait",
    "ask": "ask",
    "snooze": "snooze",
    "escalate": "escalate",
    "link": "link",
    "tag": "tag",
    "merge": "merge",
    "reject": "reject",
}


APPROVALS: Final[frozenset[ActionName]] = frozenset(("approve", "reject"))


class Button(NamedTuple):
    """`name`: an action, or a disposition to close with. `dialog`: what opens to ask for more; None: the action is sent
    at once."""

    name: ActionName | Disposition
    key: str
    dialog: Dialog | None


def allowed_actions(case: Case, user: str, *, may_approve: bool) -> list[ActionName]:
    """The actions that `user` may send: without what only the assignee may do, and what a proposed closing excludes."""
    if case.merged_into is not None:
        return []
    is_others = case.assignee not in (None, user)
    allowed = [name for name in actions_in(case.status) if not (is_others and name in BY_ASSIGNEE)]
    if case.proposal is not None:
        allowed = [name for name in allowed if name in WHILE_PROPOSED]
    if case.proposal is None or case.proposal.actor == user or not may_approve:
        allowed = [name for name in allowed if name not in APPROVALS]
    return allowed


def buttons_of(case: Case, user: str, *, may_approve: bool) -> list[Button]:
    """The buttons for `user`: first what to do with the case, then how to close it. What would be refused is left
    out."""
    allowed = allowed_actions(case, user, may_approve=may_approve)
    buttons = [Button(name, key, _DIALOGS.get(name)) for name, key in ACTION_KEYS.items() if name in allowed]
    if case.status == "assigned" and case.assignee == user:  # to claim it is the same as to start it
        buttons = [button for button in buttons if button.name != "claim"]
    done = "snooze" if case.snooze is not None else "wake"
    buttons = [button for button in buttons if button.name != done]
    if "close" in allowed:
        buttons += [Button(disposition, key, "close") for disposition, key in DISPOSITION_KEYS.items()]
    return buttons

"""What can be proposed and put in force: another text of a rule or score, an earlier rule set, entries of a list."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from fraudstream.console.rules.drafts import Draft
from fraudstream.contracts import ListEntry

FourEyes = Literal["rules", "lists"]  # kinds of changes that a second person may have to approve

SCORE_FILE, MODEL_FILE = "score", "model"  # names of drafts that are of no rule
SETTINGS: Final = (SCORE_FILE, MODEL_FILE)


class RestoredRules(msgspec.Struct, frozen=True, tag="rule_set"):
    """The rule set `rule_set` (its digest), which is stored on the topic of controls, with its score and models."""

    rule_set: str

    @property
    def name(self) -> str:
        """What pages call it."""
        return self.rule_set


class ListChange(msgspec.Struct, frozen=True, tag="list"):
    """`values` are put on the list `list`, or `removed` from it. An entry ends at `expires_at_ms` (ms since the epoch,
    UTC); None: never. `before`: the entry of each value when the change was made; None if it was not on the list."""

    list: str
    values: tuple[str, ...]
    before: tuple[ListEntry | None, ...]
    removed: bool = False
    expires_at_ms: int | None = None

    @property
    def name(self) -> str:
        """What pages call it."""
        return self.list


Change = Draft | RestoredRules | ListChange


def object_of(change: Change) -> str:
    """What the audit log calls that which changes."""
    match change:
        case ListChange():
            return f"list:{change.list}"
        case RestoredRules():
            return f"rule-set:{change.rule_set}"
        case _ if change.name in SETTINGS:
            return f"file:{change.path}"
        case _:
            return f"rule:{change.name}"


def kind_of(change: Change) -> Literal["rule", "setting", "rule_set", "list"]:
    """What kind of change it is, for the words of pages."""
    match change:
        case ListChange():
            return "list"
        case RestoredRules():
            return "rule_set"
        case _:
            return "setting" if change.name in SETTINGS else "rule"


def eyes_of(change: Change) -> FourEyes:
    """The kind of changes by which settings say whether a second person has to approve."""
    return "lists" if isinstance(change, ListChange) else "rules"

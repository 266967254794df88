"""A case action: what an analyst did to a case, on the topic `case-actions`.

Keyed by `account_id` and published to the partition number of `cases` that holds the case, so that one processor
receives both the actions and the alerts of an account.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final

import msgspec
from msgspec import Meta
from msgspec.structs import force_setattr

from fraudstream.contracts.attached_file import FileDescription
from fraudstream.contracts.case_notices import NoticeId
from fraudstream.contracts.case_timers import TimerName
from fraudstream.contracts.case_typologies import Typology
from fraudstream.contracts.case_values import SentAction, StoredDisposition, WaitingFor, present_disposition
from fraudstream.contracts.fields import Identifier, Moment, Severity, Sha256, Tag, Text

ALERT_IDS_MAX: Final = 200  # as many alerts as a case lists
REQUIRED_FIELDS: Final[Mapping[SentAction, tuple[str, ...]]] = {
    "assign": ("assignee",),
    "wait": ("waiting_for", "note"),
    "ask": ("event_id", "until", "notice_id"),
    "escalate": ("escalate_to", "note"),
    "note": ("note",),
    "snooze": ("until", "note"),
    "link": ("other_case_id",),
    "unlink": ("other_case_id",),
    "tag": ("tag",),
    "untag": ("tag",),
    "attach": ("file",),
    "detach": ("sha256", "note"),
    "merge": ("other_case_id",),
    "split": ("alert_ids", "note"),
    "close": ("disposition",),
    "reject": ("note",),
    "open": ("severity", "note"),
    "expire": ("timer",),
}


class CaseAction(msgspec.Struct, frozen=True, omit_defaults=True):
    """`action_id`: idempotency key. `expected_version`: of the case as the analyst saw it; if it has another one by
    then, the action is refused.

    `until`: when a snooze ends, or a wait (not required). `timer`: of `expire`, by which a timer of the case takes
    effect at `acted_at`; the case agent alone sends it.

    `absent`: of the timer `assignment`, who of the queue's analysts is absent and gets no case.
    `ask` sends the customer a notice about the payment `event_id` of a listed alert, which ends at `until`.
    `notice_id`: 128 random bits of the sender, of which the case keeps a digest.

    `attach` adds a file, whose bytes the evidence store has by then. `detach` removes that with the digest `sha256`.

    `open` makes a case of `severity`, whose `case_id` is that of `cases.grouping.case_id_of`, with the action's id in
    place of an alert's.

    `erase` removes the case from the topic `cases` and from all views; `note` is then the reason why a case under legal
    hold (not closed, or a confirmed fraud) is erased all the same.

    `merge` moves the alerts and notes of the case into the case `other_case_id`, and closes it. `split` moves the
    alerts `alert_ids`, all of one account, into a new case of that account, whose id is that of
    `cases.grouping.case_id_of` with the action's id in place of an alert's.

    An action requires the fields that `REQUIRED_FIELDS` names; `note` is then its reason. The disposition
    confirmed_fraud requires `typology`; fraud and genuine are former names of confirmed_fraud and false_positive.
    """

    action_id: Identifier
    case_id: Identifier
    account_id: Identifier
    action: SentAction
    actor: Identifier
    acted_at: Moment
    disposition: StoredDisposition | None = None
    note: Text | None = None
    schema_version: int = 1
    typology: Typology | None = None
    assignee: Identifier | None = None
    waiting_for: WaitingFor | None = None
    until: Moment | None = None
    escalate_to: Identifier | None = None
    other_case_id: Identifier | None = None
    expected_version: int | None = None
    timer: TimerName | None = None
    severity: Severity | None = None
    tag: Tag | None = None
    alert_ids: Annotated[tuple[Identifier, ...], Meta(max_length=ALERT_IDS_MAX)] = ()
    absent: tuple[Identifier, ...] = ()
    event_id: Identifier | None = None
    notice_id: NoticeId | None = None
    file: FileDescription | None = None
    sha256: Sha256 | None = None

    def __post_init__(self) -> None:
        for field in REQUIRED_FIELDS.get(self.action, ()):
            if not getattr(self, field):
                raise ValueError(f"Action '{self.action}' requires field `{field}`")
        if self.disposition is not None:
            if self.disposition == "confirmed_fraud" and self.typology is None:
                raise ValueError("Disposition 'confirmed_fraud' requires field `typology`")
            force_setattr(self, "disposition", present_disposition(self.disposition))

"""The times at which something becomes of a case by itself. Times are ms since the epoch, UTC."""

from __future__ import annotations

from typing import Literal

import msgspec

from fraudstream.contracts.fields import Identifier, Text

TimerName = Literal[
    "first_action_warning",
    "first_action_breach",
    "closing_warning",
    "closing_breach",
    "waiting_end",
    "snooze_end",
    "assignment",
    "notice_end",
]


class CaseTimer(msgspec.Struct, frozen=True, omit_defaults=True):
    """What becomes due at `due_at_ms`. `escalate_to`: of a breach, the queue or role that the case is escalated to."""

    name: TimerName
    due_at_ms: int
    escalate_to: Identifier | None = None


class CaseClock(msgspec.Struct, frozen=True, omit_defaults=True):
    """The service level's clock. `started_ms`: when the case came to be worked. `paused_ms`: how long it has stood
    still since, `paused_at_ms`: since when it stands still, because the case waits. `acted`: an analyst has acted."""

    started_ms: int
    paused_ms: int = 0
    paused_at_ms: int | None = None
    acted: bool = False


class CaseSnooze(msgspec.Struct, frozen=True, omit_defaults=True):
    """A case that is put aside until a time. `alert_count`: how many alerts it had, so that later ones can be told."""

    until_ms: int
    actor: Identifier
    since_ms: int
    reason: Text
    alert_count: int

"""What a processor of cases reads and writes in tests: records of alerts and actions, and a stand-in for Kafka."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import msgspec

from fraudstream.cases.record import CaseRecord
from fraudstream.contracts import Alert, CaseAction, NoticeAnswer


class Emission:
    def __init__(self) -> None:
        self.sent: list[CaseRecord] = []
        self.answers: list[CaseRecord] = []
        self.notices: list[CaseRecord] = []

    async def send(self, records: Any) -> None:
        self.sent += records

    async def emit(self, partition: int, cases: Any, answers: Any, notices: Any) -> int:
        self.answers += answers
        self.notices += notices
        return len(cases) - 1


TOPICS = {Alert: "alerts", CaseAction: "case-actions", NoticeAnswer: "notice-answers"}


def record_of(
    event: Alert | CaseAction | NoticeAnswer, offset: int, headers: Any = (), timestamp_ms: int = 30_000
) -> Any:
    return SimpleNamespace(
        topic=TOPICS[type(event)],
        partition=0,
        offset=offset,
        timestamp=timestamp_ms,
        key=event.account_id.encode(),
        value=msgspec.json.encode(event),
        headers=headers,
    )

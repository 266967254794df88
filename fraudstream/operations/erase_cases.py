"""Erases the cases of an account: asks the case agent to remove each from the topic `cases`, and waits for its answer.

The topic has all cases, also those that the view in Redis has forgotten. So it is read from its start. Repeating is
safe: a case that is gone is not asked for again.

A case that the account's was merged into has its alerts and notes, in the middle of those of other accounts. So it is
one of the account's cases, and goes as a whole.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Final, NamedTuple

from fraudstream.cases.case_log import CaseLog
from fraudstream.cases.settings import AgentSettings
from fraudstream.contracts import Case, CaseAction
from fraudstream.kafka.topic_reader import ReportProgress, TopicReader
from fraudstream.operations.case_action_client import CaseActionClient
from fraudstream.operations.errors import OperationError

ANSWER_S_MAX: Final = 30.0  # an agent answers within milliseconds


class AccountCase(NamedTuple):
    """A case on the topic, and its partition."""

    case: Case
    partition: int

    @property
    def hold(self) -> str | None:
        """Why the case may not be erased without a reason; None if it may."""
        if self.case.status != "closed":
            return f"case {self.case.case_id} is {self.case.status}"
        if self.case.disposition == "confirmed_fraud":
            return f"case {self.case.case_id} is evidence of a confirmed fraud"
        return None


class LegalHoldError(OperationError):
    """Cases of the account are under legal hold. `holds`: why, one of each."""

    def __init__(self, holds: Sequence[str]) -> None:
        super().__init__(
            f"Nothing was erased: {'; '.join(holds)}. Close what is open, wait until the retention of closed cases "
            "ends, or give the reason for an override: --override REASON."
        )
        self.holds = holds


async def cases_of_account(
    settings: AgentSettings, account_id: str, progress: ReportProgress | None = None
) -> list[AccountCase]:
    """The cases of an account that the topic has now: its own, and those that have alerts or notes of it by a merge.

    A case comes before those that were merged into it: it is found by them if all alerts of the account have been split
    off from it again. Raises `NoTopicError`, `StalledError`, aiokafka's errors.
    """
    case_log = CaseLog(
        settings.brokers,
        settings.cases_topic,
        settings.fetch_wait_ms,
        settings.fenced,
        open_reader=lambda report: TopicReader(settings.brokers, committed_only=settings.fenced, progress=progress),
    )
    async with TopicReader(settings.brokers, committed_only=settings.fenced) as reader:
        partitions = await reader.partitions(settings.cases_topic)
    found: dict[str, AccountCase] = {}
    has_merged: set[str] = set()  # ids of cases that one of the account's was merged into
    for partition in partitions:
        async for record in case_log.read(partition):
            if record.held is None:
                if record.position is None:
                    found.pop(record.case_id, None)
                continue
            case = record.held.case
            found.pop(case.case_id, None)  # to keep the order of the newest records
            if account_id in case.accounts or case.case_id in has_merged:
                found[case.case_id] = AccountCase(case, partition)
                if case.merged_into is not None:  # whose newest record comes later: nothing changes a merged case
                    has_merged.add(case.merged_into)
    return list(reversed(found.values()))


def check_holds(cases: Sequence[AccountCase]) -> None:
    """Raises `LegalHoldError` if a case may not be erased without a reason."""
    if holds := [each.hold for each in cases if each.hold is not None]:
        raise LegalHoldError(holds)


async def erase_cases(
    settings: AgentSettings, cases: Sequence[AccountCase], *, actor: str, acted_at_ms: int, reason: str | None
) -> None:
    """Have the case agent remove cases. `reason`: why those under legal hold are erased. Raises `RejectedActionError`,
    `NoAnswerError`, `MissingTopicError`, and aiokafka's errors; those before are erased then."""
    if not cases:
        return
    async with CaseActionClient(settings) as client:
        for case, partition in cases:
            action = CaseAction(
                action_id=secrets.token_hex(16),
                case_id=case.case_id,
                account_id=case.account_id,
                action="erase",
                actor=actor,
                acted_at=acted_at_ms,
                note=reason,
            )
            await client.act(case, partition, action, answer_s_max=ANSWER_S_MAX)

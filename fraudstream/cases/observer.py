"""Events of the case agent, for metrics and tests.

All methods are called in the agent's event loop and must return at once. An observer never influences the agent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from fraudstream.kafka.open_transactions import OpenTransaction


class Observer(Protocol):
    """Receives the events of an agent."""

    def on_brokers(self, *, answer: bool) -> None:
        """Whether a broker answered; reported every few seconds from the start on."""

    def on_revoked(self) -> None:
        """A rebalance began: no record is handled until `on_assigned` and recovery."""

    def on_assigned(self, partitions: Sequence[int]) -> None:
        """All partitions that are assigned now; they replace those of the last call."""

    def on_recovering(self, partitions: int, *, of: int, share: float) -> None:
        """`partitions` of the `of` assigned ones are still being recovered; `share` of all is done, 0 to 1."""

    def on_recovery(self, partition: int, *, seconds: float, cases: int) -> None:
        """The partition's cases have been recovered from the topic `cases`."""

    def on_step(self, partition: int) -> None:
        """The records that were fetched of the partition are handled and their results durable."""

    def on_alert(self, partition: int, *, severity: str, opened: bool) -> None:
        """An alert joined a case, or opened one. `severity`: the alert's."""

    def on_action(self, partition: int, *, action: str) -> None:
        """An action changed a case."""

    def on_repeat(self, partition: int, *, kind: str) -> None:
        """An input was handled before and changed nothing. `kind`: 'alert', 'action' or 'notice_answer'."""

    def on_mismatch(self, partition: int) -> None:
        """An alert was repeated with a different verdict: the log was decided in two ways, which must never happen."""

    def on_rejected(self, partition: int, *, code: str) -> None:
        """An action was rejected. `code`: of `RejectedAction`."""

    def on_notice_answer(self, partition: int, *, outcome: str) -> None:
        """A customer has answered a notice. `outcome`: 'me', 'not_me', or the code of the refusal."""

    def on_dead_letter(self, partition: int, *, reason: str) -> None:
        """An invalid record went to the dead letters. `reason`: its code."""

    def on_labels(self, partition: int, *, labels: int, unlabelled: int) -> None:
        """Labels written for a closed case. `unlabelled`: its alerts that are no longer listed and got none."""

    def on_removed(self, partition: int, *, reason: str) -> None:
        """A case has left. `reason`: 'retention' or 'erasure'."""

    def on_open_cases(self, partition: int, *, cases: int) -> None:
        """Number of cases of the partition that are not closed."""

    def on_service_levels(self, partition: int, *, levels: Mapping[tuple[str, str], int]) -> None:
        """`levels`: cases that are not closed, by queue ("" without one) and service level. Every queue that had a case
        before is there."""

    def on_lag(self, partition: int, *, lag: int) -> None:
        """Alerts and actions waiting in the partition; reported after each fetch, and every few seconds."""

    def on_view(self, *, behind: int, lost: bool) -> None:
        """`behind`: cases waiting to be written to the view. `lost`: Redis does not answer."""

    def on_records_missing(self, partition: int, *, topic: str, records: int) -> None:
        """Retention deleted `records` records of `topic` before they were handled; the agent continued without them."""

    def on_open_transactions(self, waiting: Mapping[int, OpenTransaction]) -> None:
        """All partitions whose records wait for an open transaction of a publisher, by number; they replace those of
        the last call. Reported every few seconds."""

    def on_failure(self, sentence: str) -> None:
        """The agent is about to end with a non-zero exit code."""


class Unobserved:
    """Ignores all events. The methods are those of `Observer`."""

    def on_brokers(self, *, answer: bool) -> None:
        """Ignored."""

    def on_revoked(self) -> None:
        """Ignored."""

    def on_recovering(self, partitions: int, *, of: int, share: float) -> None:
        """Ignored."""

    def on_step(self, partition: int) -> None:
        """Ignored."""

    def on_assigned(self, partitions: Sequence[int]) -> None:
        """Ignored."""

    def on_recovery(self, partition: int, *, seconds: float, cases: int) -> None:
        """Ignored."""

    def on_alert(self, partition: int, *, severity: str, opened: bool) -> None:
        """Ignored."""

    def on_action(self, partition: int, *, action: str) -> None:
        """Ignored."""

    def on_repeat(self, partition: int, *, kind: str) -> None:
        """Ignored."""

    def on_mismatch(self, partition: int) -> None:
        """Ignored."""

    def on_rejected(self, partition: int, *, code: str) -> None:
        """Ignored."""

    def on_notice_answer(self, partition: int, *, outcome: str) -> None:
        """Ignored."""

    def on_dead_letter(self, partition: int, *, reason: str) -> None:
        """Ignored."""

    def on_labels(self, partition: int, *, labels: int, unlabelled: int) -> None:
        """Ignored."""

    def on_removed(self, partition: int, *, reason: str) -> None:
        """Ignored."""

    def on_open_cases(self, partition: int, *, cases: int) -> None:
        """Ignored."""

    def on_service_levels(self, partition: int, *, levels: Mapping[tuple[str, str], int]) -> None:
        """Ignored."""

    def on_lag(self, partition: int, *, lag: int) -> None:
        """Ignored."""

    def on_view(self, *, behind: int, lost: bool) -> None:
        """Ignored."""

    def on_records_missing(self, partition: int, *, topic: str, records: int) -> None:
        """Ignored."""

    def on_open_transactions(self, waiting: Mapping[int, OpenTransaction]) -> None:
        """Ignored."""

    def on_failure(self, sentence: str) -> None:
        """Ignored."""

"""What the case agent tells whoever watches it: metrics implement `Observer`, tests record it, the default ignores it.

All methods are called in the agent's event loop and must return at once; an observer never decides anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Observer(Protocol):
    """The life of an agent."""

    def on_brokers(self, *, answer: bool) -> None:
        """Whether brokers answered just now: asked every few seconds, from the start on."""

    def on_revoked(self) -> None:
        """The group shares its partitions out anew: nothing is handled until `on_assigned` and recovery."""

    def on_assigned(self, partitions: Sequence[int]) -> None:
        """These are the partitions that the agent now owns: all of them, replacing those of the last call."""

    def on_recovering(self, partitions: int, *, of: int, share: float) -> None:
        """So many partitions, of all that are assigned, are still read back; `share` of them is read, 0 to 1."""

    def on_recovery(self, partition: int, *, seconds: float, cases: int) -> None:
        """The partition's cases are read back from the topic `cases`."""

    def on_step(self, partition: int) -> None:
        """What was fetched of the partition is handled, and durable."""

    def on_alert(self, partition: int, *, severity: str, opened: bool) -> None:
        """An alert joined a case, or opened one; `severity` is the alert's."""

    def on_action(self, partition: int, *, action: str) -> None:
        """An action changed a case."""

    def on_repeat(self, partition: int, *, kind: str) -> None:
        """An 'alert' or 'action' was here before and changed nothing."""

    def on_mismatch(self, partition: int) -> None:
        """An alert came again with another verdict: the same log gave two answers, which must never be."""

    def on_refused(self, partition: int, *, code: str) -> None:
        """An action did not fit and changed nothing."""

    def on_dead_letter(self, partition: int, *, reason: str) -> None:
        """A record that is no alert or no action went to the dead letters."""

    def on_labels(self, partition: int, *, labels: int, unlabelled: int) -> None:
        """A closed case became so many labels; `unlabelled` of its alerts are listed no more and got none."""

    def on_open_cases(self, partition: int, *, cases: int) -> None:
        """So many cases of the partition are not closed."""

    def on_lag(self, partition: int, *, lag: int) -> None:
        """Alerts and actions that wait in the partition: after each fetch, and every few seconds."""

    def on_view(self, *, behind: int, lost: bool) -> None:
        """So many cases still have to reach the view; `lost`: Redis does not answer."""

    def on_failure(self, sentence: str) -> None:
        """The agent is about to leave with a non-zero code."""


class Unobserved:
    """The observer that looks away."""

    def on_brokers(self, *, answer: bool) -> None: ...

    def on_revoked(self) -> None: ...

    def on_recovering(self, partitions: int, *, of: int, share: float) -> None: ...

    def on_step(self, partition: int) -> None: ...

    def on_assigned(self, partitions: Sequence[int]) -> None: ...

    def on_recovery(self, partition: int, *, seconds: float, cases: int) -> None: ...

    def on_alert(self, partition: int, *, severity: str, opened: bool) -> None: ...

    def on_action(self, partition: int, *, action: str) -> None: ...

    def on_repeat(self, partition: int, *, kind: str) -> None: ...

    def on_mismatch(self, partition: int) -> None: ...

    def on_refused(self, partition: int, *, code: str) -> None: ...

    def on_dead_letter(self, partition: int, *, reason: str) -> None: ...

    def on_labels(self, partition: int, *, labels: int, unlabelled: int) -> None: ...

    def on_open_cases(self, partition: int, *, cases: int) -> None: ...

    def on_lag(self, partition: int, *, lag: int) -> None: ...

    def on_view(self, *, behind: int, lost: bool) -> None: ...

    def on_failure(self, sentence: str) -> None: ...

"""A case as its partition holds it: with a memo of what is needed to recognise repeats. Pure."""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec
from msgspec.structs import replace

from fraudstream.contracts import Case

ACTIONS_KEPT: Final = 64


class Source(NamedTuple):
    """The position of an alert's payment in the log of the stage that decided. `state_version`: in a chain of stages
    each version has a log of its own."""

    partition: int
    offset: int
    state_version: int = 1

    @property
    def log(self) -> str:
        """Identifies the partition and version; offsets are comparable only within one `log`."""
        return f"{self.partition}" if self.state_version == 1 else f"v{self.state_version}-{self.partition}"

    def __str__(self) -> str:
        return f"{self.log}:{self.offset}"


class Memo(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is stored with a case in addition to its contract. `sources` and `digests` (of the verdict): of each listed
    alert. `forgotten`: by `Source.log`, the highest offset among the alerts that are no longer listed. `actions`: ids
    of the newest actions. `action_versions`: the case's version after each of them; records of earlier releases have it
    after the last of them, or after none. `origin`: the partition of `payments` that has the account's payments, if its
    alerts name it; `other_origins`: that of each other account of the case."""

    sources: tuple[Source | None, ...] = ()
    digests: tuple[str, ...] = ()
    forgotten: dict[str, int] = {}
    actions: tuple[str, ...] = ()
    action_versions: tuple[int, ...] = ()
    origin: int | None = None
    other_origins: dict[str, int] = {}


class Held(NamedTuple):
    """A case with its memo; both are written as one record."""

    case: Case
    memo: Memo

    def origin_of(self, account_id: str) -> int | None:
        """The partition of `payments` that has the account's payments; None if its alerts do not name it."""
        return self.memo.origin if account_id == self.case.account_id else self.memo.other_origins.get(account_id)

    def is_known(self, alert_id: str, source: Source | None) -> bool:
        """Whether an alert, of an account of the case, has joined the case before."""
        if any(line.alert_id == alert_id for line in self.case.alerts):
            return True
        return source is not None and source.offset <= self.memo.forgotten.get(source.log, -1)

    def version_after(self, action_id: str) -> int:
        """The version of the case after the action; its present one if an earlier release has not kept it."""
        versions = dict(zip(reversed(self.memo.actions), reversed(self.memo.action_versions), strict=False))
        return versions.get(action_id, self.case.version)


class HeldPair(NamedTuple):
    """Two cases that one action has changed: they are written together or not at all. `held`: the case that the action
    names; `other`: that which it was merged into, or which was split off from it."""

    held: Held
    other: Held


class RepeatedAction(NamedTuple):
    """An action that was accepted before. `version`: of the case after it."""

    version: int


def with_alert(memo: Memo, source: Source | None, digest: str, kept: int) -> Memo:
    """The memo with one more alert, of which the newest `kept` stay listed."""
    sources = (*memo.sources, source)
    forgotten = dict(memo.forgotten)
    for gone in sources[:-kept]:
        if gone is not None:
            forgotten[gone.log] = max(gone.offset, forgotten.get(gone.log, -1))
    digests = (*memo.digests, digest)[-kept:]
    return replace(memo, sources=sources[-kept:], digests=digests, forgotten=forgotten)


def with_origin(memo: Memo, case: Case, account_id: str, origin: int | None) -> Memo:
    """The memo of a case, with the partition of `payments` that has the payments of one of its accounts, if known."""
    if origin is None:
        return memo
    if account_id == case.account_id:
        return replace(memo, origin=origin)
    return replace(memo, other_origins={**memo.other_origins, account_id: origin})


def with_action(memo: Memo, action_id: str, version: int) -> Memo:
    """The memo with one more action, after which the case has `version`."""
    actions = (*memo.actions, action_id)[-ACTIONS_KEPT:]
    return replace(memo, actions=actions, action_versions=(*memo.action_versions, version)[-ACTIONS_KEPT:])

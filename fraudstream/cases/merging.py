"""Merges a case into another one, of its own account or of another one. Pure functions.

The other case gets all alerts, notes, tags and files, and takes new alerts of every account while it is not closed. The
merged case is closed without a disposition, so it makes no label: the disposition of the other case labels the payments
of both.

Both cases change in one step, or neither. So both must be in one partition: a step writes one partition's cases.
Alerts that the other case could not list would get no label when it is closed, so such a merge is refused.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import msgspec
from msgspec.structs import replace

from fraudstream.cases.amounts import add_amount
from fraudstream.cases.grouping import ALERTS_BYTES_MAX, ALERTS_KEPT, PARTNERS_KEPT, RULES_OF_CASE_KEPT
from fraudstream.cases.held import Held, HeldPair, Memo, Source, with_action
from fraudstream.cases.notices import ended
from fraudstream.cases.policy import CasePolicy
from fraudstream.cases.queueing import rejoined
from fraudstream.cases.refusal import (
    FILES_MAX,
    LINKS_MAX,
    NOTES_BYTES_MAX,
    TAGS_MAX,
    RejectedAction,
    acted_at_ms,
    notes_after,
    rejected,
)
from fraudstream.cases.steps import with_step
from fraudstream.contracts import Case, CaseAction, CaseAlert, CaseNote
from fraudstream.contracts.attached_file import AttachedFile
from fraudstream.contracts.fields import SEVERITIES

ACCOUNTS_MAX: Final = 50
MERGED_NOTES_BYTES_MAX: Final = 64 * 1024  # of the merged case, so that both cases fit into one record batch

_Listed = tuple[CaseAlert, Source | None, str]  # an alert with its source and digest


def merged(held: Held, into: Held | None, action: CaseAction, policy: CasePolicy) -> HeldPair | RejectedAction:
    """The case of the action `merge`, closed, and the case that it was merged into; or why the action is rejected.
    `into`: the other case that the action names; None: the partition does not have it."""
    refusal = rejected(held.case, action, None)
    if refusal is not None:
        return refusal
    if into is None:
        return RejectedAction(
            "unknown_other_case",
            f"no case {action.other_case_id} in the partition of case {held.case.case_id}: only cases of one partition "
            "can be merged. Link the two instead.",
        )
    refusal = _merge_rejected(held.case, into.case, action)
    if refusal is not None:
        return refusal
    return HeldPair(_emptied(held, action), _enlarged(into, held, action, policy))


def _merge_rejected(case: Case, other: Case, action: CaseAction) -> RejectedAction | None:
    """Why a case is not merged into another one that the partition has; None if it is."""
    about = f"case {other.case_id}"
    if other.case_id == case.case_id:
        return RejectedAction("same_case", f"{about} cannot be merged into itself.")
    if other.status == "closed":
        return RejectedAction("other_closed", f"{about} is closed: reopen it first to merge another one into it.")
    if other.proposal is not None:
        sentence = f"{about}: {other.proposal.actor} has proposed to close it: approve or reject that first."
        return RejectedAction("other_proposed", sentence)
    if (case.split_from or other.split_from) and not set(case.accounts) <= set(other.accounts):
        split = case if case.split_from else other
        sentence = f"case {split.case_id} was split off: it can be merged with a case of its own account only."
        return RejectedAction("split_off", sentence)
    lines = [*_of_other_account(other, case), *other.alerts]
    if len(lines) > ALERTS_KEPT or sum(len(msgspec.json.encode(line)) for line in lines) > ALERTS_BYTES_MAX:
        return RejectedAction(
            "too_many_alerts",
            f"{about} cannot list the {len(lines)} alerts of both cases (at most {ALERTS_KEPT}), and those that it "
            "does not list would get no label. Link the two instead.",
        )
    if len({*other.accounts, *case.accounts}) > ACCOUNTS_MAX:
        return RejectedAction("accounts_full", f"{about} would have more than {ACCOUNTS_MAX} accounts.")
    if len(_files_of_both(other, case)) > FILES_MAX:
        return RejectedAction("files_full", f"{about} cannot hold the files of both cases (at most {FILES_MAX}).")
    own = notes_after(case, action)
    if len(msgspec.json.encode(own)) > MERGED_NOTES_BYTES_MAX or len(
        msgspec.json.encode(_notes_of_both(other, own))
    ) > (NOTES_BYTES_MAX):
        return RejectedAction("notes_full", f"{about} cannot hold the notes of both cases. Link the two instead.")
    return None


def _emptied(held: Held, action: CaseAction) -> Held:
    """The merged case: closed, without what the other case has now. Its notes stay with it, too."""
    case, at_ms = held.case, acted_at_ms(action)
    after = replace(
        ended(case, "withdrawn"),
        status="closed",
        version=case.version + 1,
        updated_at_ms=max(case.updated_at_ms, at_ms),
        closed_by=action.actor,
        closed_at_ms=at_ms,
        merged_into=action.other_case_id,
        notes=notes_after(case, action),
        alerts=(),
        alert_count=0,
        amount_totals={},
        amount_at_risk=None,
        other_accounts=(),
        waiting_for=None,
        timers=(),
        snooze=None,
        files=(),
    )
    memo = replace(held.memo, sources=(), digests=(), other_origins={})
    return Held(with_step(after, action), with_action(memo, action.action_id, after.version))


def _enlarged(into: Held, held: Held, action: CaseAction, policy: CasePolicy) -> Held:
    """The other case with all that the merged one had."""
    other, case = into.case, held.case
    listed = _in_order(into, held)
    totals = other.amount_totals
    for currency, amount in case.amount_totals.items():
        totals = add_amount(totals, amount, currency)
    after = replace(
        other,
        version=other.version + 1,
        opened_at_ms=min(other.opened_at_ms, case.opened_at_ms),
        updated_at_ms=max(other.updated_at_ms, case.updated_at_ms, acted_at_ms(action)),
        severity=max(other.severity, case.severity, key=SEVERITIES.index),
        score=max(other.score, case.score),
        alert_count=other.alert_count + case.alert_count,
        alerts=tuple(line for line, _, _ in listed),
        amount_totals=totals,
        rules=tuple(dict.fromkeys((*other.rules, *case.rules)))[:RULES_OF_CASE_KEPT],
        partners=tuple(dict.fromkeys((*other.partners, *case.partners)))[:PARTNERS_KEPT],
        notes=_notes_of_both(other, notes_after(case, action)),
        links=_links_of_both(other, case),
        files=_files_of_both(other, case),
        tags=tuple(dict.fromkeys((*other.tags, *case.tags)))[:TAGS_MAX],
        other_accounts=tuple(dict.fromkeys(each for each in _accounts(other, case) if each != other.account_id)),
        split_from=other.split_from if case.split_from else None,
        amount_before_split=higher_amount(other.amount_before_split, case.amount_before_split),
    )
    after = with_step(rejoined(after, policy), action, other_case_id=case.case_id)
    return Held(after, _memo_of_both(into, held, after, listed))


def higher_amount(*amounts: str | None) -> str | None:
    """The highest of several amounts in one currency, as decimal text; None if none is known.

    >>> higher_amount("9.00", None, "12.00")
    '12.00'
    """
    return max((each for each in amounts if each is not None), key=Decimal, default=None)


def _accounts(other: Case, case: Case) -> tuple[str, ...]:
    return (*other.other_accounts, *case.accounts)


def _of_other_account(other: Case, case: Case) -> list[CaseAlert]:
    """The alerts of `case`, as `other` lists them."""
    accounts = map(case.account_of, case.alerts)
    return [
        replace(line, account_id=None if account_id == other.account_id else account_id)
        for line, account_id in zip(case.alerts, accounts, strict=True)
    ]


def _in_order(into: Held, held: Held) -> list[_Listed]:
    """The alerts of both cases by the times of their payments, as the one lists them that the other is merged into."""
    own = zip(into.case.alerts, into.memo.sources, into.memo.digests, strict=True)
    added = zip(_of_other_account(into.case, held.case), held.memo.sources, held.memo.digests, strict=True)
    return sorted((*own, *added), key=lambda each: each[0].occurred_at_ms)


def _notes_of_both(other: Case, notes: tuple[CaseNote, ...]) -> tuple[CaseNote, ...]:
    return tuple(sorted((*other.notes, *notes), key=lambda note: note.at_ms))


def _links_of_both(other: Case, case: Case) -> tuple[str, ...]:
    """The links of the case that the other one is merged into, with one to that if there is room."""
    return tuple(dict.fromkeys((*other.links, case.case_id)))[:LINKS_MAX]


def _files_of_both(other: Case, case: Case) -> tuple[AttachedFile, ...]:
    """The files of both cases by the times at which they were added; what both have is there once."""
    files = sorted((*other.files, *case.files), key=lambda file: file.attached_at_ms)
    return tuple({file.sha256: file for file in reversed(files)}.values())[::-1]


def _memo_of_both(into: Held, held: Held, after: Case, listed: list[_Listed]) -> Memo:
    """The memo of the other case: it knows the alerts of both."""
    forgotten = dict(into.memo.forgotten)
    for log, offset in held.memo.forgotten.items():
        forgotten[log] = max(offset, forgotten.get(log, -1))
    origins = {
        account_id: origin
        for each in (into, held)
        for account_id in each.case.accounts
        if account_id != after.account_id and (origin := each.origin_of(account_id)) is not None
    }
    return replace(
        into.memo,
        sources=tuple(source for _, source, _ in listed),
        digests=tuple(digest for _, _, digest in listed),
        forgotten=forgotten,
        origin=into.memo.origin if into.memo.origin is not None else _origin_in(held, after.account_id),
        other_origins=origins,
    )


def _origin_in(held: Held, account_id: str) -> int | None:
    return held.origin_of(account_id) if account_id in held.case.accounts else None

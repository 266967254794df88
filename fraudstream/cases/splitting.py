"""Splits alerts of a case off into a new case. Pure functions.

The alerts are of one account, and the new case is that account's. New alerts go on joining the case that was split;
only if it has no other alert of an account that was merged into it, do those of the account join the new case. So to
split all alerts of an account off takes a merge back.

The disposition of each case labels the payments of its own alerts. So that nobody closes in two parts what a second
person is to approve, both cases keep the amount that was at risk before.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec
from msgspec.structs import replace

from fraudstream.cases.amounts import add_amount
from fraudstream.cases.grouping import PARTNERS_KEPT, case_id_of
from fraudstream.cases.held import Held, HeldPair, Memo, with_action
from fraudstream.cases.merging import higher_amount
from fraudstream.cases.policy import CasePolicy
from fraudstream.cases.queueing import entered, rejoined
from fraudstream.cases.refusal import LINKS_MAX, RejectedAction, acted_at_ms, notes_after, rejected
from fraudstream.cases.steps import with_step
from fraudstream.cases.timers import acted
from fraudstream.contracts import Case, CaseAction, CaseAlert, CaseNote
from fraudstream.contracts.fields import SEVERITIES


def split(held: Held, action: CaseAction, policy: CasePolicy) -> HeldPair | RejectedAction:
    """The case of the action `split` without the alerts that it names, and the new case with them; or why the action is
    rejected."""
    refusal = rejected(held.case, action, None) or _split_rejected(held.case, action)
    if refusal is not None:
        return refusal
    chosen = frozenset(action.alert_ids)
    account_id = next(held.case.account_of(line) for line in held.case.alerts if line.alert_id in chosen)
    left = _left(held, chosen, account_id, action, policy)
    return HeldPair(left, _split_off(held, chosen, account_id, left.case, action, policy))


def _split_rejected(case: Case, action: CaseAction) -> RejectedAction | None:
    """Why the alerts are not split off; None if they are."""
    about = f"case {case.case_id}"
    chosen = set(action.alert_ids)
    unknown = sorted(chosen - {line.alert_id for line in case.alerts})
    if unknown:
        return RejectedAction("unknown_alert", f"{about} does not list the alert {unknown[0]}.")
    if len(chosen) == len(case.alerts):
        return RejectedAction("nothing_left", f"{about}: these are all alerts that it lists. Leave at least one.")
    if len({case.account_of(line) for line in case.alerts if line.alert_id in chosen}) > 1:
        return RejectedAction("several_accounts", f"{about}: the alerts are of several accounts. Split one at a time.")
    if len(case.links) >= LINKS_MAX:
        return RejectedAction("links_full", f"{about} has {LINKS_MAX} links: remove one first.")
    return None


def _left(held: Held, chosen: Collection[str], account_id: str, action: CaseAction, policy: CasePolicy) -> Held:
    """The case without the chosen alerts."""
    case = held.case
    kept = [number for number, line in enumerate(case.alerts) if line.alert_id not in chosen]
    gone = [line for line in case.alerts if line.alert_id in chosen]
    lines = tuple(case.alerts[number] for number in kept)
    totals = case.amount_totals
    for line in gone:
        totals = add_amount(totals, f"-{line.amount}", line.currency)
    is_listed_whole = case.alert_count == len(case.alerts)
    after = replace(
        case,
        version=case.version + 1,
        updated_at_ms=max(case.updated_at_ms, acted_at_ms(action)),
        alerts=lines,
        alert_count=case.alert_count - len(gone),
        amount_totals={code: amount for code, amount in totals.items() if amount.strip("0.") or _has(lines, code)},
        notes=notes_after(case, action),
        links=(*case.links, case_id_of(account_id, action.action_id)),
        amount_before_split=higher_amount(case.amount_before_split, case.amount_at_risk),
        other_accounts=tuple(
            each
            for each in case.other_accounts
            if each != account_id or not is_listed_whole or any(case.account_of(line) == each for line in lines)
        ),
    )
    if is_listed_whole:  # else it is not known what the alerts were that it no longer lists
        after = _measured(after)
    if case.snooze is not None:
        count = max(case.snooze.alert_count - len(gone), 0)
        after = replace(after, snooze=replace(case.snooze, alert_count=min(count, after.alert_count)))
    memo = replace(_memo_of(held.memo, kept), other_origins=_origins_of(held.memo, after))
    after = with_step(rejoined(acted(after), policy), action, other_case_id=after.links[-1])
    return Held(after, with_action(memo, action.action_id, after.version))


def _split_off(
    held: Held, chosen: Collection[str], account_id: str, left: Case, action: CaseAction, policy: CasePolicy
) -> Held:
    """The new case. It knows the alerts that the other one no longer lists, too."""
    case, at_ms = held.case, acted_at_ms(action)
    numbers = [number for number, line in enumerate(case.alerts) if line.alert_id in chosen]
    lines = tuple(replace(case.alerts[number], account_id=None) for number in numbers)
    totals: dict[str, str] = {}
    for line in lines:
        totals = add_amount(totals, line.amount, line.currency)
    new = Case(
        case_id=left.links[-1],
        account_id=account_id,
        status="new",
        version=1,
        opened_at_ms=min(line.occurred_at_ms for line in lines),
        updated_at_ms=at_ms,
        severity=lines[0].severity,
        score=lines[0].score,
        alert_count=len(lines),
        alerts=lines,
        amount_totals=totals,
        rules=(),
        notes=(CaseNote(at_ms, action.actor, "split", action.note or ""),),
        links=(case.case_id,),
        split_from=case.case_id if account_id in left.accounts else None,
        amount_before_split=left.amount_before_split,
    )
    memo = replace(_memo_of(held.memo, numbers), actions=(), action_versions=(), other_origins={})
    new = with_step(entered(_measured(new), policy, at_ms), action, other_case_id=case.case_id)
    return Held(new, replace(memo, origin=held.origin_of(account_id)))


def _measured(case: Case) -> Case:
    """The case with severity, score, rules and partners of the alerts that it lists. What was opened by hand keeps
    its severity at least."""
    severities = [line.severity for line in case.alerts]
    if any(note.action == "open" for note in case.notes):
        severities.append(case.severity)
    partners = [line.partner_id for line in case.alerts if line.partner_id is not None]
    return replace(
        case,
        severity=max(severities, key=SEVERITIES.index),
        score=max(line.score for line in case.alerts),
        rules=tuple(dict.fromkeys(rule for line in case.alerts for rule in line.rules)),
        partners=tuple(dict.fromkeys(partners))[:PARTNERS_KEPT],
    )


def _has(lines: Sequence[CaseAlert], currency: str) -> bool:
    return any(line.currency == currency for line in lines)


def _memo_of(memo: Memo, numbers: Sequence[int]) -> Memo:
    """The memo of the alerts with these numbers. A chosen alert stays known by its id, in the case that lists it."""
    return msgspec.structs.replace(
        memo,
        sources=tuple(memo.sources[number] for number in numbers),
        digests=tuple(memo.digests[number] for number in numbers),
    )


def _origins_of(memo: Memo, case: Case) -> dict[str, int]:
    return {each: origin for each, origin in memo.other_origins.items() if each in case.other_accounts}

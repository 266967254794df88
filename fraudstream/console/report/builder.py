"""Makes the report of a case from what the console and the command line know of it. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from fraudstream.console.access.masking import Masking
from fraudstream.console.past import CASE_ACCOUNTS_MAX, Missing
from fraudstream.console.reasons import CaseReasons, RuleReason, ScoreReason, reasons_of
from fraudstream.console.report.content import (
    Completeness,
    PartyRole,
    Report,
    ReportedCase,
    ReportedDisposition,
    ReportedParty,
    ReportedPayment,
    ReportedRule,
    ReportedScore,
    ReportSources,
)
from fraudstream.console.report.events import timeline_of
from fraudstream.console.report.narrative import narrative_of
from fraudstream.console.words.catalogue import Words
from fraudstream.contracts import Alert, Case, Evidence, amount_text
from fraudstream.contracts.payment_identifiers import IDENTIFIERS, identifiers_of, identifying_attributes
from fraudstream.history.answers import PastPayment

PAST_DAYS: Final = 30  # before the first alert
PAST_MAX: Final = 500  # payments of the history store
_ROLES: Final[Mapping[str, PartyRole]] = {
    "counterparty_id": "counterparty",
    "merchant_id": "merchant",
    "terminal_id": "terminal",
    "device_id": "device",
    "ip": "ip",
    "partner_id": "partner",
}
_BALANCES: Final = {"balance_before_minor": "balance_before", "balance_after_minor": "balance_after"}


class Past(NamedTuple):
    """Payments of the case's accounts from the history store since `since_ms`. `is_cut`: there are more."""

    since_ms: int
    payments: Sequence[PastPayment]
    is_cut: bool = False


class CaseMaterial(NamedTuple):
    """All that a report is made from. `alerts`: those that could be read, by id. `other_cases`: ids of the account's
    other cases. `past`: why there is none, if there is none."""

    case: Case
    alerts: Mapping[str, Alert]
    other_cases: Sequence[str]
    past: Past | Missing


class ReportRequest(NamedTuple):
    """Who wants the report, when, in which words and time zone, and whether identifiers are `visible` to them."""

    actor: str
    at_ms: int
    words: Words
    zone: ZoneInfo
    visible: bool


def past_since_ms(case: Case) -> int:
    """Since when the report looks at the payments of the account."""
    first_ms = min((line.occurred_at_ms for line in case.alerts), default=case.opened_at_ms)
    return max(first_ms - PAST_DAYS * 86_400_000, 0)


def past_accounts(case: Case) -> tuple[str, ...]:
    """The accounts whose payments the report looks at."""
    return case.accounts[:CASE_ACCOUNTS_MAX]


def past_rows(case: Case) -> int:
    """How many payments of each of them it has at most: as many of each."""
    return PAST_MAX // len(past_accounts(case))


def past_of(case: Case, since_ms: int, found: Sequence[Sequence[PastPayment]]) -> Past:
    """The payments of the case's accounts. `found`: `past_rows` at most of each of `past_accounts`."""
    is_cut = len(found) < len(case.accounts) or any(len(each) >= past_rows(case) for each in found)
    return Past(since_ms, [payment for each in found for payment in each], is_cut)


def report_of(material: CaseMaterial, request: ReportRequest) -> Report:
    """The report, with identifiers as the request may see them."""
    case, words = material.case, request.words
    masking = Masking(request.visible, () if request.visible else _identifiers(material))
    reasons = reasons_of(case, material.alerts)
    payments = _payments(material, reasons)
    parties = _parties(case, payments)
    report = Report(
        report="suspicious_activity",
        created_at_ms=request.at_ms,
        created_by=request.actor,
        language=words.language,
        identifiers="shown" if request.visible else "masked",
        account_id=case.account_id,
        case=_case(case, material.other_cases),
        narrative=narrative_of(masking.shown(case), reasons, parties, payments, words, request.zone),
        parties=parties,
        payments=payments,
        timeline=timeline_of(case),
        rules=tuple(map(_rule, reasons.rules)),
        notes=case.notes,
        steps=case.steps,
        sources=_sources(material, words),
        disposition=_disposition(case),
        score=None if reasons.score is None else _score(reasons.score),
        files=case.files,
    )
    return masking.shown(report)


def _case(case: Case, other_cases: Sequence[str]) -> ReportedCase:
    return ReportedCase(
        case_id=case.case_id,
        version=case.version,
        status=case.status,
        severity=case.severity,
        score=case.score,
        opened_at_ms=case.opened_at_ms,
        updated_at_ms=case.updated_at_ms,
        alert_count=case.alert_count,
        amount_totals=case.amount_totals,
        amount_at_risk=case.amount_at_risk,
        queue=case.queue,
        assignee=case.assignee,
        links=case.links,
        other_cases=tuple(other_cases),
        other_accounts=case.other_accounts,
        merged_into=case.merged_into,
        split_from=case.split_from,
        tags=case.tags,
    )


def _disposition(case: Case) -> ReportedDisposition | None:
    if case.proposal is not None:
        proposal = case.proposal
        return ReportedDisposition(proposal.disposition, True, proposal.actor, proposal.at_ms, proposal.typology)
    if case.disposition is None:
        return None
    return ReportedDisposition(
        case.disposition, False, case.closed_by, case.closed_at_ms, case.typology, case.approved_by
    )


def _payments(material: CaseMaterial, reasons: CaseReasons) -> tuple[ReportedPayment, ...]:
    """Those of the alerts and of the history store, each once, the newest first."""
    past = {} if isinstance(material.past, str) else {each.event_id: each for each in material.past.payments}
    found = []
    for line in reasons.payments.lines:
        alert, stored = line.alert, past.pop(line.alert.event_id, None)
        found.append(
            ReportedPayment(
                event_id=alert.event_id,
                occurred_at_ms=alert.occurred_at_ms,
                amount=alert.amount,
                currency=alert.currency,
                alert_id=alert.alert_id,
                severity=alert.severity,
                score=alert.score,
                outcome=line.outcome,
                rules=alert.rules,
                label=None if stored is None else stored.label,
                fields=dict(line.fields) or (_fields(stored) if stored is not None else {}),
                account_id=alert.account_id,
            )
        )
    found += (_past_payment(payment, material.case) for payment in past.values())
    return tuple(sorted(found, key=lambda each: (-each.occurred_at_ms, each.event_id)))


def _past_payment(payment: PastPayment, case: Case) -> ReportedPayment:
    return ReportedPayment(
        event_id=payment.event_id,
        occurred_at_ms=payment.occurred_at_ms,
        amount=amount_text(payment.amount_minor, payment.currency),
        currency=payment.currency,
        score=payment.score,
        outcome=payment.outcome,
        rules=payment.rules,
        label=payment.label,
        fields=_fields(payment),
        account_id=None if payment.account_id == case.account_id else payment.account_id,
    )


def _fields(payment: PastPayment) -> dict[str, str]:
    """The other fields of a payment of the history, as text, named as an alert names them."""
    fields: dict[str, str] = {}
    for name, value in payment.fields.items():
        if name in _BALANCES and isinstance(value, int):
            fields[_BALANCES[name]] = amount_text(value, payment.currency)
        elif name == "attributes":
            fields |= {f"attributes.{each}": _plain(inner) for each, inner in _attributes(payment).items()}
        elif name != "published_at_ms":
            fields[name] = _plain(value)
    return fields


def _attributes(payment: PastPayment) -> dict[str, object]:
    text = payment.fields.get("attributes")
    return dict(json.loads(text)) if isinstance(text, str) else {}


def _plain(value: object) -> str:
    return ("no", "yes")[value] if isinstance(value, bool) else str(value)


def _parties(case: Case, payments: Sequence[ReportedPayment]) -> tuple[ReportedParty, ...]:
    """The accounts, then whom and what the payments name, the most frequent first."""
    times: dict[tuple[PartyRole, str], list[int]] = {}
    for payment in payments:
        for field, role in _ROLES.items():
            if (value := payment.fields.get(field)) is not None:
                times.setdefault((role, value), []).append(payment.occurred_at_ms)
    subjects = [_subject(case, account_id, payments) for account_id in case.accounts]
    order = tuple(_ROLES.values())
    ranked = sorted(times.items(), key=lambda each: (order.index(each[0][0]), -len(each[1]), each[0][1]))
    return (*subjects, *(ReportedParty(role, value, len(at), min(at), max(at)) for (role, value), at in ranked))


def _subject(case: Case, account_id: str, payments: Sequence[ReportedPayment]) -> ReportedParty:
    own = [each.occurred_at_ms for each in payments if (each.account_id or case.account_id) == account_id]
    return ReportedParty("subject", account_id, len(own), min(own, default=None), max(own, default=None))


def _rule(reason: RuleReason) -> ReportedRule:
    measured = [Evidence(each.left, each.operator, each.right, each.value, each.threshold) for each in reason.measured]
    normals = {each.left: f"{each.normal[0]} {each.normal[1]}" for each in reason.measured if each.normal is not None}
    return ReportedRule(
        rule=reason.rule,
        title=reason.title,
        severity=reason.severity,
        message=reason.message,
        alerts=reason.alerts,
        evidence=(*measured, *reason.conditions),
        normals=normals,
        shadow=reason.shadow,
    )


def _score(score: ScoreReason) -> ReportedScore:
    return ReportedScore(score.score, score.threshold, (*score.parts, *score.others))


def _sources(material: CaseMaterial, words: Words) -> ReportSources:
    case, past = material.case, material.past
    read = sum(line.alert_id in material.alerts for line in case.alerts)
    alerts: Completeness = "complete" if read == len(case.alerts) == case.alert_count else "partial" if read else "none"
    sentences = [words.text(f"report.alerts_{alerts}", read=read, count=case.alert_count)]
    if isinstance(past, str):
        sentences.append(words.text(f"report.history_{past}"))
        return ReportSources(alerts, "none", tuple(sentences))
    payments: Completeness = "partial" if past.is_cut else "complete"
    sentences.append(words.text(f"report.history_{payments}", count=len(past.payments), days=PAST_DAYS))
    return ReportSources(alerts, payments, tuple(sentences), past.since_ms)


def _identifiers(material: CaseMaterial) -> Iterator[str]:
    """Everything that may identify a person, wherever the report may have it."""
    yield from material.case.accounts
    for alert in material.alerts.values():
        yield from identifiers_of(alert.payment)
    for payment in () if isinstance(material.past, str) else material.past.payments:
        yield payment.account_id
        yield from (str(value) for name, value in payment.fields.items() if name in IDENTIFIERS)
        yield from identifying_attributes(_attributes(payment))

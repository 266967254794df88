"""Tells a case in sentences: who, what, when, why, how, and what was decided. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final
from zoneinfo import ZoneInfo

from fraudstream.console.reasons import CaseReasons
from fraudstream.console.report.content import ReportedParty, ReportedPayment
from fraudstream.console.words.catalogue import Words
from fraudstream.contracts import Case
from fraudstream.contracts.timestamps import utc

RULES_TOLD: Final = 3
PARTS_TOLD: Final = 3
_PARTIES_TOLD: Final = ("counterparty", "merchant", "device", "ip")


def narrative_of(
    case: Case,
    reasons: CaseReasons,
    parties: Sequence[ReportedParty],
    payments: Sequence[ReportedPayment],
    words: Words,
    zone: ZoneInfo,
) -> tuple[str, ...]:
    """The paragraphs. Times are in `zone`. `case`: with its texts as they are to be shown."""
    return tuple(
        paragraph
        for paragraph in (
            _what(case, words, zone),
            _why(case, reasons, words),
            _how(parties, payments, words),
            _decided(case, words, zone),
            _in_their_words(case, words),
        )
        if paragraph
    )


def moment_text(at_ms: int, zone: ZoneInfo) -> str:
    """A time in a zone, with the zone's offset; beyond the years that have one, the number."""
    try:
        return utc(at_ms).astimezone(zone).strftime("%Y-%m-%d %H:%M:%S %z")
    except OverflowError:
        return f"{at_ms} ms"


def _what(case: Case, words: Words, zone: ZoneInfo) -> str:
    if case.merged_into is not None:
        return ""
    amounts = ", ".join(f"{amount} {currency}" for currency, amount in case.amount_totals.items())
    if not case.alerts:
        return words.text("report.opened_by_hand", account=case.account_id, at=moment_text(case.opened_at_ms, zone))
    times = [line.occurred_at_ms for line in case.alerts]
    return words.text(
        "report.what",
        account=", ".join(case.accounts),
        count=case.alert_count,
        amounts=amounts,
        first=moment_text(min(times), zone),
        last=moment_text(max(times), zone),
        severity=words.text(f"severity.{case.severity}"),
    )


def _why(case: Case, reasons: CaseReasons, words: Words) -> str:
    live = [rule for rule in reasons.rules if not rule.shadow]
    told = [
        words.text("report.rule", title=rule.title, message=rule.message or rule.rule, count=rule.alerts)
        for rule in live[:RULES_TOLD]
    ]
    if len(live) > RULES_TOLD:
        told.append(words.text("report.further_rules", count=len(live) - RULES_TOLD))
    if not live and case.rules:
        told.append(words.text("report.rule_names", rules=", ".join(case.rules)))
    if reasons.score is not None:
        raising = [part.part for part in reasons.score.parts if part.points > 0][:PARTS_TOLD]
        if raising:
            values = {"score": f"{reasons.score.score:.4f}", "threshold": f"{reasons.score.threshold:.4f}"}
            told.append(words.text("report.score", **values, parts=", ".join(raising)))
    return " ".join(told)


def _how(parties: Sequence[ReportedParty], payments: Sequence[ReportedPayment], words: Words) -> str:
    told = [words.text("report.how", count=len(payments))]
    channels = sorted({channel for payment in payments if (channel := payment.fields.get("channel"))})
    if channels:
        told.append(words.text("report.channels", channels=", ".join(channels)))
    for role in _PARTIES_TOLD:
        if count := sum(party.role == role for party in parties):
            told.append(words.text("report.parties_of", role=words.text(f"entity.{role}"), count=count))
    return " ".join(told)


def _decided(case: Case, words: Words, zone: ZoneInfo) -> str:
    if case.proposal is not None:
        return words.text(
            "report.is_proposed",
            name=case.proposal.actor,
            disposition=words.text(f"disposition.{case.proposal.disposition}"),
        )
    if case.merged_into is not None and case.closed_at_ms is not None:
        at = moment_text(case.closed_at_ms, zone)
        return words.text("report.is_merged", at=at, name=case.closed_by or "–", case=case.merged_into)
    if case.disposition is None or case.closed_at_ms is None:
        return words.text("report.is_open", status=words.text(f"status.{case.status}"), name=case.assignee or "–")
    told = words.text(
        "report.is_closed",
        at=moment_text(case.closed_at_ms, zone),
        name=case.closed_by or "–",
        disposition=words.text(f"disposition.{case.disposition}"),
    )
    if case.typology is not None:
        told += " " + words.text("report.typology", typology=words.text(f"typology.{case.typology}"))
    if case.approved_by is not None:
        told += " " + words.text("report.approved", name=case.approved_by)
    return told


def _in_their_words(case: Case, words: Words) -> str:
    closing: Iterator[str] = (
        words.text("report.closing_note", name=note.actor, text=note.text)
        for note in reversed(case.notes)
        if note.action == "close"
    )
    return next(closing, "")

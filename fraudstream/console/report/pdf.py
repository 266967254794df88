"""Writes a report as a PDF: A4, numbered sections, with words in the report's language.

The same report gives the same bytes. Blocks: it takes about 10 ms a page.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from io import BytesIO
from typing import Any, Final
from zoneinfo import ZoneInfo

from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.platypus import Flowable, LongTable, Paragraph, SimpleDocTemplate, Spacer, TableStyle

from fraudstream.console.report.content import Report, ReportedPayment, ReportedRule
from fraudstream.console.report.narrative import moment_text
from fraudstream.console.report.pdf_pages import numbered_pages
from fraudstream.console.report.pdf_text import LATIN, LATIN_BOLD, has_chinese, markup, plain, register_fonts
from fraudstream.console.words.catalogue import Words

MARGIN: Final = 16 * mm
PADDING: Final = 6  # of a frame of reportlab
WIDTH: Final = A4[0] - 2 * (MARGIN + PADDING)
FIELDS_CHARACTERS_MAX: Final = 1_500  # of one payment; the JSON form has all of them
_TEXT: Final = ParagraphStyle("text", fontName=LATIN, fontSize=8.5, leading=12, spaceAfter=4, splitLongWords=1)
_CELL: Final = ParagraphStyle("cell", parent=_TEXT, fontSize=7, leading=9, spaceAfter=0)
_SECTION: Final = ParagraphStyle(
    "section",
    parent=_TEXT,
    fontName=LATIN_BOLD,
    fontSize=10.5,
    leading=14,
    spaceBefore=10,
    spaceAfter=4,
    keepWithNext=1,
)
_TITLE: Final = ParagraphStyle("title", parent=_SECTION, fontSize=15, leading=20, spaceBefore=0)
_GRID: Final = TableStyle(
    [
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("LINEBELOW", (0, 0), (-1, -1), 0.25, colors.HexColor("#c8ccd2")),
        ("LEFTPADDING", (0, 0), (-1, -1), 2),
        ("RIGHTPADDING", (0, 0), (-1, -1), 2),
        ("TOPPADDING", (0, 0), (-1, -1), 1.5),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 2),
    ]
)
_FIRST_FIELDS: Final = ("direction", "kind", "channel", "counterparty_id", "merchant_id", "device_id", "ip", "country")


def pdf_of(report: Report, words: Words, zone: ZoneInfo) -> bytes:
    """The PDF. `words`: of the report's language; `zone`: of the times."""
    register_fonts()
    file = BytesIO()
    document = SimpleDocTemplate(
        file,
        pagesize=A4,
        leftMargin=MARGIN,
        rightMargin=MARGIN,
        topMargin=MARGIN,
        bottomMargin=MARGIN,
        title=plain(f"{words.text('report.title')} {report.case.case_id}"),
        author=plain(report.created_by),
        invariant=1,
    )
    pages = numbered_pages(
        lambda page, count: words.text("report.page", page=page, count=count),
        f"{words.text('report.confidential')} · {report.case.case_id}",
    )
    document.build(_Sections(report, words, zone).flowables(), canvasmaker=pages)
    return file.getvalue()


class _Sections:
    """The parts of the document, in order."""

    def __init__(self, report: Report, words: Words, zone: ZoneInfo) -> None:
        self._report, self._words, self._zone = report, words, zone
        self._number = 0

    def flowables(self) -> list[Flowable]:
        """All of them."""
        report, text = self._report, self._words.text
        head = [
            _paragraph(text("report.title"), _TITLE),
            _paragraph(text("report.created", at=self._time(report.created_at_ms), name=report.created_by)),
            _paragraph(f"{text(f'report.{report.identifiers}')} {text('report.zone', zone=self._zone.key)}"),
        ]
        return [
            *head,
            *self._section("narrative", [_paragraph(each) for each in report.narrative]),
            *self._section("facts", [self._facts()]),
            *self._section("parties", [self._parties()]),
            *self._section("rules", [each for rule in report.rules for each in self._rule(rule)], "report.no_rules"),
            *self._section("score_parts", self._score()),
            *self._section("payments", self._payments()),
            *self._section("timeline", [self._timeline()]),
            *self._section("notes", self._notes()),
            *self._section("files", self._files()),
            *self._section("steps", self._steps()),
            *self._section("sources", [_paragraph(each) for each in report.sources.sentences]),
        ]

    def _section(self, name: str, content: Sequence[Flowable], empty: str = "report.none") -> list[Flowable]:
        self._number += 1
        title = _paragraph(f"{self._number}  {self._words.text(f'report.{name}')}", _SECTION)
        return [title, *(content or [_paragraph(self._words.text(empty))]), Spacer(1, 4)]

    def _facts(self) -> Flowable:
        report, text = self._report, self._words.text
        case, closed = report.case, report.disposition
        rows = [
            (text("report.case"), case.case_id),
            (text("report.subject"), report.account_id),
            (text("queue.status"), text(f"status.{case.status}")),
            (text("report.version"), case.version),
            (text("queue.severity"), text(f"severity.{case.severity}")),
            (text("queue.score"), f"{case.score:.4f}"),
            (text("queue.queue"), case.queue),
            (text("queue.assignee"), case.assignee),
            (text("report.alerts"), case.alert_count),
            (text("report.amounts"), ", ".join(f"{amount} {code}" for code, amount in case.amount_totals.items())),
            (text("report.at_risk"), case.amount_at_risk),
            (text("queue.disposition"), None if closed is None else text(f"disposition.{closed.disposition}")),
            (text("report.linked"), ", ".join(case.links)),
            (text("report.other_cases"), ", ".join(case.other_cases)),
        ]
        return _table(None, [row for row in rows if row[1] not in (None, "")], (3, 10))

    def _parties(self) -> Flowable:
        text = self._words.text
        head = [text(f"report.{name}") for name in ("role", "value", "payments", "first", "last")]
        rows = [
            (self._role(party.role), party.value, party.payments, self._time(party.first_ms), self._time(party.last_ms))
            for party in self._report.parties
        ]
        return _table(head, rows, (2, 4.6, 1.5, 3.4, 3.4))

    def _role(self, role: str) -> str:
        return self._words.text(f"report.{role}" if role in ("subject", "partner") else f"entity.{role}")

    def _rule(self, rule: ReportedRule) -> list[Flowable]:
        text = self._words.text
        told = [text(f"severity.{rule.severity}"), rule.rule, text("report.fired", count=rule.alerts)]
        told += [text("case.shadow")] if rule.shadow else []
        shown: list[Flowable] = [_paragraph(rule.title, bold=True), _paragraph(" · ".join(told))]
        if rule.message:
            shown.append(_paragraph(rule.message))
        rows = [
            (
                f"{each.left} {each.operator} {each.right}",
                each.value,
                each.threshold,
                rule.normals.get(each.left, ""),
            )
            for each in rule.evidence
        ]
        head = [text(f"case.{name}") for name in ("comparison", "value", "threshold", "normal")]
        return [*shown, *([_table(head, rows, (5, 3, 3, 4))] if rows else []), Spacer(1, 5)]

    def _score(self) -> list[Flowable]:
        score, text = self._report.score, self._words.text
        if score is None:
            return []
        told = text("case.score_of", score=f"{score.score:.4f}", threshold=f"{score.threshold:.4f}")
        head = [text(f"case.{name}") for name in ("part", "value", "usual", "points")]
        rows = [(each.part, each.value or "", each.normal or "", f"{each.points:+.4f}") for each in score.parts]
        return [_paragraph(told), _table(head, rows, (5, 3, 3, 2))]

    def _payments(self) -> list[Flowable]:
        text = self._words.text
        head = [text("case.time"), text("queue.amount"), text("case.outcome"), text("queue.rules")]
        rows = [self._payment(each) for each in self._report.payments]
        head += [text("case.payment"), text("report.fields")]
        return [_table(head, rows, (2.6, 2.2, 1.8, 3.6, 2.6, 5))] if rows else []

    def _payment(self, payment: ReportedPayment) -> tuple[str, ...]:
        text = self._words.text
        told = [text("report.is_alert")] if payment.alert_id is not None else []
        told += [text(f"outcome.{payment.outcome}")] if payment.outcome is not None else []
        told += [f"{payment.score:.2f}"] if payment.score is not None else []
        told += [text(f"label.{payment.label}")] if payment.label is not None else []
        fields = [] if payment.account_id is None else [f"account_id {payment.account_id}"]
        fields += [f"{name} {payment.fields[name]}" for name in _in_order(payment.fields)]
        return (
            self._time(payment.occurred_at_ms),
            f"{payment.amount} {payment.currency}",
            ", ".join(told),
            ", ".join(payment.rules),
            payment.event_id,
            self._shortened("; ".join(fields)),
        )

    def _shortened(self, text: str) -> str:
        left_out = len(text) - FIELDS_CHARACTERS_MAX
        if left_out <= 0:
            return text
        return f"{text[:FIELDS_CHARACTERS_MAX]} {self._words.text('report.left_out', count=left_out)}"

    def _timeline(self) -> Flowable:
        text = self._words.text
        rows = []
        for entry in self._report.timeline:
            what = {"alert": text("report.alert"), "opened": text("report.case_opened")}.get(entry.kind)
            what = what or self._action(entry.subject)
            shown = entry.subject if entry.kind == "alert" else ""
            told = " ".join(part for part in (shown, entry.amount, entry.currency, entry.text) if part)
            rows.append((self._time(entry.at_ms), what, entry.actor or "", told))
        head = [text("case.time"), text("audit.action"), text("audit.actor"), text("audit.detail")]
        return _table(head, rows, (3.4, 2.3, 2.3, 8))

    def _notes(self) -> list[Flowable]:
        shown: list[Flowable] = []
        for note in self._report.notes:
            told = f"{self._time(note.at_ms)} · {note.actor} · {self._action(note.action)}"
            shown += [_paragraph(told, bold=True), _paragraph(note.text)]
        return shown

    def _files(self) -> list[Flowable]:
        text = self._words.text
        head = [text("case.time"), text("audit.actor"), text("report.file"), text("report.bytes"), "SHA-256"]
        rows = [
            (
                self._time(file.attached_at_ms),
                file.attached_by,
                f"{file.file_name} ({file.media_type})",
                f"{file.size_bytes:,}",
                file.sha256,
            )
            for file in self._report.files
        ]
        return [_table(head, rows, (2.8, 2, 4, 1.6, 5))] if rows else []

    def _steps(self) -> list[Flowable]:
        text = self._words.text
        head = [text("case.time"), text("audit.actor"), text("audit.action"), text("report.version")]
        head.append(text("audit.detail"))
        rows = [
            (self._time(step.at_ms), step.actor, self._action(step.action), step.version, step.detail or "")
            for step in self._report.steps
        ]
        return [_table(head, rows, (3.4, 2.8, 2.8, 1.2, 5))] if rows else []

    def _action(self, name: str) -> str:
        return self._words.text("report.expire" if name == "expire" else f"action.{name}")

    def _time(self, at_ms: int | None) -> str:
        return "" if at_ms is None else moment_text(at_ms, self._zone)


def _in_order(fields: Iterable[str]) -> list[str]:
    names = list(fields)
    return sorted(names, key=lambda name: (_FIRST_FIELDS.index(name) if name in _FIRST_FIELDS else 99, name))


def _paragraph(text: object, style: ParagraphStyle = _TEXT, *, bold: bool = False) -> Paragraph:
    if has_chinese(text):
        style = ParagraphStyle(f"{style.name}-chinese", parent=style, wordWrap="CJK")
    return Paragraph(markup(text, bold=bold), style)


def _table(head: Sequence[str] | None, rows: Sequence[Sequence[object]], widths: Sequence[float]) -> Flowable:
    """A table over the whole width. `widths`: of its columns, in proportion."""
    cells: list[list[Any]] = [[_paragraph(each, _CELL) for each in row] for row in rows]
    if head is not None:
        cells.insert(0, [_paragraph(each, _CELL, bold=True) for each in head])
    whole = sum(widths)
    table = LongTable(
        cells, [WIDTH * each / whole for each in widths], repeatRows=0 if head is None else 1, splitInRow=1
    )
    table.setStyle(_GRID)
    return table

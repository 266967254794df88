"""The PDF of a report: it shows every text as text, Chinese ones too, and no text is markup."""

from __future__ import annotations

from io import BytesIO
from typing import get_args
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace
from pypdf import PdfReader

from fraudstream.console.report.content import Report
from fraudstream.console.report.pdf import pdf_of
from fraudstream.console.words.catalogue import LANGUAGES, words_of
from fraudstream.contracts import CaseNote, CaseStep
from fraudstream.contracts.attached_file import AttachedFile
from fraudstream.contracts.case_values import RecordedAction
from tests.unit.cases.events import alert
from tests.unit.console.hostile_text import HOSTILE
from tests.unit.console.made_report import case_of, made
from tests.unit.console.revealing_alert import revealing

SHANGHAI = ZoneInfo("Asia/Shanghai")


def pages_of(report: Report) -> list[str]:
    content = pdf_of(report, words_of(report.language), SHANGHAI)
    return [page.extract_text() for page in PdfReader(BytesIO(content)).pages]


def text_of(report: Report) -> str:
    return "".join("".join(pages_of(report)).split())


def test_chinese_names_and_notes_are_shown() -> None:
    note = "客户说：这笔交易不是本人操作。卡在周一遗失，并已挂失。"
    each = alert()
    each = replace(each, payment=replace(each.payment, attributes={"姓名": "王小明"}))
    found = case_of(each, notes=(CaseNote(5_000, "王芳", "note", note),), steps=(CaseStep(5_000, "王芳", "claim", 2),))
    for language in LANGUAGES:
        text = text_of(made(found, each, language=language))
        assert note in text
        assert "attributes.姓名王小明" in text
        assert "王芳" in text


def test_no_text_is_markup_and_hidden_characters_are_shown() -> None:
    each = revealing(HOSTILE[:100])
    wild = "<b>bold</b><img src='file:///etc/passwd'/><a href='x'>y</a>&amp; \x00\x07\u202e 😀 أ"
    found = case_of(each, notes=(CaseNote(5_000, "<i>ann</i>", "note", wild),))
    text = text_of(made(found, each))
    for shown in ("<b>bold</b>", "<imgsrc='file:///etc/passwd'/>", "<ahref='x'>y</a>&amp;", "<i>ann</i>"):
        assert shown in text
    for shown in ("[U+0000]", "[U+0007]", "[U+202E]", "[U+1F600]", "[U+0623]", "<script>alert(1)</script>"):
        assert shown in text


def test_line_breaks_of_notes_stay() -> None:
    found = case_of(alert(), notes=(CaseNote(5_000, "ann", "note", "first\nsecond"),))
    assert "first\nsecond" in "".join(pages_of(made(found, alert())))


def test_the_longest_texts_fit() -> None:
    alerts = []
    for number in range(30):
        each = alert(f"a{number}")
        attributes = {f"name{at}": "长" * 1024 if at % 2 else "x" * 1024 for at in range(64)}
        alerts.append(replace(each, payment=replace(each.payment, attributes=attributes)))
    notes = tuple(CaseNote(at, "ann", "note", ("长" if at % 2 else "w") * 4096) for at in range(12))
    steps = tuple(CaseStep(at, "ann", "note", at + 2, "d" * 4096) for at in range(3))
    pages = pages_of(made(case_of(*alerts, notes=notes, steps=steps), *alerts))
    text = "".join("".join(pages).split())
    assert "長" not in text
    assert text.count("长" * 20) > 12
    assert "morecharacters,whichtheJSONformhas" in text
    assert f"Page {len(pages)} of {len(pages)}" in pages[-1]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_same_report_gives_the_same_bytes(language: str) -> None:
    report = made(case_of(alert()), alert(), language=language)
    words = words_of(language)
    assert pdf_of(report, words, SHANGHAI) == pdf_of(report, words, SHANGHAI)


def test_a_case_without_alerts_has_a_report() -> None:
    text = " ".join(pages_of(made(case_of())))
    assert "the case was opened by hand" in text
    assert "No rule fired." in text


def test_files_are_listed_with_their_digests() -> None:
    file = AttachedFile("ab" * 32, "statement.pdf", 48_211, "application/pdf", "ann", 5)
    text = "".join(text_of(made(case_of(alert(), files=(file,)), alert())).split())
    assert "statement.pdf" in text
    assert "48,211" in text
    assert "ab" * 32 in text


def test_every_action_that_a_case_records_has_its_words() -> None:
    names = [name for name in get_args(RecordedAction) if name != "erase"]  # which leaves no case
    steps = tuple(CaseStep(at, "ann", name, at + 2) for at, name in enumerate(names))
    notes = tuple(CaseNote(at, "ann", name, "n") for at, name in enumerate(names))
    for language in LANGUAGES:
        assert "ann" in text_of(made(case_of(alert(), steps=steps, notes=notes), alert(), language=language))

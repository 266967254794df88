"""The report of a case with these alerts."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from fraudstream.console.past import Missing
from fraudstream.console.report.builder import CaseMaterial, Past, ReportRequest, report_of
from fraudstream.console.report.content import Report
from fraudstream.console.words.catalogue import words_of
from fraudstream.contracts import Alert, Case
from tests.unit.console.case_alerts import CASE, line_of
from tests.unit.console.console_app import case


def case_of(*alerts: Alert, **fields: Any) -> Case:
    lines = tuple(map(line_of, alerts))
    return case(CASE, alerts=lines, **({"alert_count": len(lines)} | fields))


def made(
    found: Case, *alerts: Alert, past: Past | Missing = "none", visible: bool = True, language: str = "en"
) -> Report:
    material = CaseMaterial(found, {each.alert_id: each for each in alerts}, ("d" * 32,), past)
    request = ReportRequest("ann", 1_772_629_400_000, words_of(language), ZoneInfo("Asia/Shanghai"), visible)
    return report_of(material, request)

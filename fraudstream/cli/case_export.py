"""`fraudstream cases export`: the report of a case as a file, JSON or PDF."""

from __future__ import annotations

import argparse
import hashlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from fraudstream.cli.author_flags import login_name
from fraudstream.cli.case_action_flags import CASE_HELP
from fraudstream.cli.case_view import alerts_of, find_case, other_cases
from fraudstream.cli.failure import Failure
from fraudstream.cli.settings import Settings
from fraudstream.cli.time_flags import now_ms
from fraudstream.contracts.error_text import system_error_text

if TYPE_CHECKING:
    from fraudstream.cli.main import Subparsers
    from fraudstream.console.past import Missing
    from fraudstream.console.report.builder import Past, ReportRequest
    from fraudstream.console.report.content import Report
    from fraudstream.contracts import Case

FORMATS: Final = ("pdf", "json")  # of console.report.content, which help must not import
LANGUAGES: Final = ("en", "zh-Hans")  # of console.words.catalogue, likewise
HISTORY_S_MAX: Final = 30.0
_STDOUT: Final = "-"


def add_export(actions: Subparsers) -> argparse.ArgumentParser:
    """The action `export`. Returns it, for the flags that all commands on cases have."""
    export = actions.add_parser(
        "export",
        help="a report of a case as PDF or JSON, in the shape of a suspicious-activity report",
        description=(
            "Writes a report of a case: narrative, parties, payments, rules with their values, score, timeline, notes, "
            "and who did what. Identifiers of people are masked unless --identifiers. The audit log has who exported "
            "it, and its digest, once a console runs."
        ),
        epilog=(
            "example:\n"
            "  fraudstream cases export b42be4f85c73a1b99caaf5747089f7bc --format pdf --out report.pdf\n"
            "  fraudstream cases export b42be4f85c73a1b99caaf5747089f7bc --format json --language zh-Hans"
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    export.add_argument("case_id", metavar="CASE", help=CASE_HELP)
    export.add_argument("--format", dest="report_format", choices=FORMATS, default="pdf", help="default: pdf")
    export.add_argument("--out", metavar="FILE", help="file to write; -: standard output (default: case-CASE.FORMAT)")
    export.add_argument("--language", choices=LANGUAGES, default="en", help="language of the sentences (default: en)")
    export.add_argument("--identifiers", action="store_true", help="show identifiers of people")
    export.add_argument("--as", dest="actor", metavar="NAME", help="who exports it (default: your login name)")
    return export


def export_case(args: argparse.Namespace, settings: Settings) -> int:
    """Write the report, once its event for the audit log is kept. Raises `Failure`."""
    from fraudstream.cli.console import missing_packages

    if missing := missing_packages():
        raise Failure(f"a report needs more packages ({', '.join(missing)}): pip install 'fraudstream[console]'.")
    from fraudstream.console.report.builder import CaseMaterial, ReportRequest, report_of
    from fraudstream.console.words.catalogue import words_of

    actor = args.actor if args.actor is not None else login_name("--as")
    zone = settings.console.server_settings().zone
    case, partition = find_case(settings, args.case_id)
    alerts, _ = alerts_of(case, partition, settings)
    others = [each.case_id for each in other_cases(settings, case)]
    material = CaseMaterial(case, alerts, others, _past_of(case, settings))
    request = ReportRequest(actor, now_ms(), words_of(args.language), zone, args.identifiers)
    report = report_of(material, request)
    content = _rendered(report, args.report_format, request)
    _keep_event(settings, actor, case.case_id, f"{args.report_format}, identifiers {report.identifiers}", content)
    _write(content, args.out or f"case-{case.case_id}.{args.report_format}")
    return 0


def _rendered(report: Report, report_format: str, request: ReportRequest) -> bytes:
    from fraudstream.console.report.content import json_of
    from fraudstream.console.report.pdf import pdf_of

    return json_of(report) if report_format == "json" else pdf_of(report, request.words, request.zone)


def _past_of(case: Case, settings: Settings) -> Past | Missing:
    """The payments of the case's accounts in the history store; why there are none, if there are none."""
    from fraudstream.cli.console_server import history_of
    from fraudstream.console.report.builder import past_accounts, past_of, past_rows, past_since_ms
    from fraudstream.history.errors import HistoryError

    with history_of(settings) as history:
        if history is None:
            return "none"
        since_ms = past_since_ms(case)
        try:
            found = [
                history.payments("account", account_id, since_ms=since_ms, rows=past_rows(case), limit_s=HISTORY_S_MAX)
                for account_id in past_accounts(case)
            ]
        except HistoryError as error:
            print(f"fraudstream: {error.sentence}", file=sys.stderr)
            return "unreadable"
        return past_of(case, since_ms, found)


def _keep_event(settings: Settings, actor: str, case_id: str, detail: str, content: bytes) -> None:
    """Keep in Redis what a console writes to the audit log."""
    from fraudstream.audit.writer import COMMAND_LINE
    from fraudstream.cli.console_stores import keep_event
    from fraudstream.contracts.audit_record import AuditEvent

    detail = f"{detail}, sha256:{hashlib.sha256(content).hexdigest()}"
    keep_event(settings, AuditEvent(now_ms(), "export", "done", COMMAND_LINE, actor, f"case:{case_id}", detail))


def _write(content: bytes, path: str) -> None:
    if path == _STDOUT:
        sys.stdout.buffer.write(content)
        return
    try:
        Path(path).write_bytes(content)
    except OSError as error:
        raise Failure(f"--out {path}: cannot be written: {system_error_text(error)}.") from error
    print(f"wrote {path}: {len(content):,} bytes")

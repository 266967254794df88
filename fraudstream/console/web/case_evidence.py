"""Files of a case for pages and for the API: one is taken to be added, one is given out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from fastapi import Request
from fastapi.responses import Response

from fraudstream.cases.refusal import rejected
from fraudstream.console.evidence import EvidenceDesk
from fraudstream.console.web.auditing import audited, note_result
from fraudstream.console.web.console import console_of
from fraudstream.console.web.file_answers import file_answer
from fraudstream.contracts import Case
from fraudstream.contracts.attached_file import AttachedFile, FileDescription
from fraudstream.evidence.store import (
    DamagedFileError,
    EmptyFileError,
    FileError,
    FileTooLargeError,
    NoFileError,
    StoreFailedError,
    TooSlowError,
)
from fraudstream.operations.case_actions import RejectedActionError, new_case_action

# How an error is answered: the status, and the code of the API, which is also that of the words.
FILE_ERRORS: Final[Mapping[type[FileError], tuple[int, str]]] = {
    FileTooLargeError: (413, "too_large"),
    EmptyFileError: (400, "empty"),
    TooSlowError: (408, "too_slow"),
    NoFileError: (404, "no_file"),
    DamagedFileError: (500, "damaged"),
    StoreFailedError: (503, "unavailable"),
}
_UNKNOWN: Final = "0" * 64  # in place of a digest that is not known yet


async def taken(
    request: Request, evidence: EvidenceDesk, case: Case, actor: str, name: str, *, repeated: bool = False
) -> FileDescription:
    """The body of the request, stored to be added to a case. The body is not read if the case would refuse it, unless
    the request may have been `repeated`: the case may have taken it before.

    Raises `RejectedActionError`, `InvalidValueError` (name, media type), `FileError`, and `ClientDisconnect`.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip() or "application/octet-stream"
    asked = FileDescription(_UNKNOWN, name, 1, media_type)
    probe = new_case_action(case, "attach", actor=actor, acted_at_ms=console_of(request).now_ms(), file=asked)
    if not repeated and (refusal := rejected(case, probe, None)) is not None:
        raise RejectedActionError(probe, case, *refusal)
    length = request.headers.get("content-length", "")
    announced_bytes = int(length) if length.isascii() and length.isdigit() and len(length) < 20 else None
    stored = await evidence.take(request.stream(), announced_bytes)
    return FileDescription(stored.sha256, name, stored.size_bytes, media_type)


def listed(case: Case, sha256: str) -> AttachedFile | None:
    """The file of this digest, if the case lists it."""
    return next((file for file in case.files if file.sha256 == sha256), None)


async def given(request: Request, evidence: EvidenceDesk, case: Case, file: AttachedFile, actor: str) -> Response:
    """A file of the case as an answer, once the audit log has it. Raises `FileError`: no byte is given then."""
    about, detail = f"case:{case.case_id}", f"sha256:{file.sha256}"
    try:
        content = await evidence.give(file.sha256)
    except FileError:
        note_result(request, actor, "download", "failed", object=about, detail=detail)
        raise
    await audited(request, actor, "download", object=about, detail=detail)
    return file_answer(request, content, file.file_name)

"""The findings of a check, and the worst of several."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal

import msgspec

Severity = Literal["ok", "warning", "error"]
SEVERITIES: Final[tuple[Severity, ...]] = ("ok", "warning", "error")  # from the best to the worst


class Finding(msgspec.Struct, frozen=True):
    """What one check found in one place. `check`: its name; `where`: a topic, a broker, a directory, a user; `remedy`:
    what to do, "" for an "ok"."""

    check: str
    severity: Severity
    where: str
    what: str
    remedy: str = ""


def merged(findings: Iterable[Finding]) -> list[Finding]:
    """Findings that say the same of several places as one, where the first of them was."""
    places: dict[Finding, list[str]] = {}
    for finding in findings:
        places.setdefault(msgspec.structs.replace(finding, where=""), []).append(finding.where)
    return [msgspec.structs.replace(finding, where=", ".join(where)) for finding, where in places.items()]


def worst(findings: Iterable[Finding]) -> Severity:
    """The worst severity; "ok" if there is no finding."""
    return max((finding.severity for finding in findings), key=SEVERITIES.index, default="ok")

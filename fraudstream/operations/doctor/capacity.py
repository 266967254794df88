"""Rate, partitions and workers against what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Final, Literal, NamedTuple

from fraudstream.operations.doctor.finding import Finding
from fraudstream.stream.settings import StreamSettings

CHECK: Final = "capacity"
IDLE_SHARE: Final = 0.5  # of what a worker can do: it catches up as fast as it falls behind (docs/scaling.md)

Form = Literal["accounts", "single", "chain"]


class Measured(NamedTuple):
    """What one worker process decided on Apache Kafka. `source`: the row of `docs/performance.md`."""

    payments_per_s: int
    stages: int
    source: str


# docs/performance.md, On Apache Kafka; a test compares.
MEASURED: Final[dict[Form, Measured]] = {
    "accounts": Measured(56_200, 1, "accounts, shipped rules, 4 partitions"),
    "single": Measured(68_100, 1, "four entities, one stage, 1 partition"),
    "chain": Measured(25_500, 4, "four entities, four stages, 4 partitions"),
}


def form_of(stages: Sequence[StreamSettings]) -> Form:
    """Which measurement a deployment is compared with."""
    if len(stages) > 1:
        return "chain"
    return "single" if stages[0].stages == "single" else "accounts"


def payments_per_s(form: Form, stages: int) -> int:
    """What one process decides; of a chain of another length than was measured, in proportion to its hops."""
    measured = MEASURED[form]
    return measured.payments_per_s * measured.stages // stages


def capacity_findings(form: Form, *, stages: int, partitions: int, workers: int, rate: int | None) -> list[Finding]:
    """`partitions`: of the payments. `workers`: members of the first stage's group, now. `rate`: payments a second at
    the peak; None if it is not known."""
    can = payments_per_s(form, stages)
    known = f"one process decides some {can:,} payments/s (docs/performance.md: {MEASURED[form].source})"
    findings = []
    if workers > partitions:
        what = f"{workers} workers share {partitions} partition{'s' if partitions > 1 else ''}"
        findings.append(Finding(CHECK, "ok", "workers", f"{what}: the others wait, or are standbys"))
    if rate is None:
        what = f"{known}; your peak is not known"
        return [*findings, Finding(CHECK, "ok", "workers", what, "give it: --rate PAYMENTS_PER_SECOND")]
    needed = ceil(rate / (can * IDLE_SHARE))
    if needed > partitions:
        severity: Literal["error", "warning"] = "error" if rate > can * partitions else "warning"
        what = f"{rate:,} payments/s need {needed} half idle workers, and {partitions} can share the log; {known}"
        findings.append(Finding(CHECK, severity, "partitions", what, "a chain with more partitions: docs/scaling.md"))
    if 0 < workers < needed:
        what = f"{rate:,} payments/s need {needed} workers that are half idle, {workers} run; {known}"
        findings.append(Finding(CHECK, "warning", "workers", what, "start more, on other hosts"))
    if not any(finding.severity != "ok" for finding in findings):
        what = f"{rate:,} payments/s: {needed} of at most {partitions} workers, half idle; {known}"
        findings.append(Finding(CHECK, "ok", "workers", what, "and one host more than that"))
    return findings

"""The command line of `fraudstream topics` for topics of a test."""

from __future__ import annotations

from pathlib import Path

ACCOUNT_ONLY = Path(__file__).parents[3] / "examples" / "account_only"


def command(broker: str, group: str, action: str, *more: str) -> list[str]:
    """The words of `fraudstream topics` for topics of a test."""
    names = (
        *("payments", "labels", "decisions", "alerts", "dead_letters", "controls"),
        *("cases", "case_actions", "case_answers", "notices", "notice_answers", "audit", "replies"),
    )
    sets = [f"--set=topics.{name}={group}-{name}" for name in names]
    flags = [f"--bootstrap-servers={broker}", f"--set=worker.group={group}", f"--rules={ACCOUNT_ONLY}"]
    return ["topics", action, *flags, *sets, *more]

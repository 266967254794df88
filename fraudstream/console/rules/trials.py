"""Tries drafts out, each in a process of its own: their test cases, or what they make of recent payments. What was
approved is put in force in the same way.

    rules in force ──► directory old ─┐
    with the draft ──► directory new ─┴─► fraudstream rules diff old new --topics … ──► progress, difference
                                 ├──────► fraudstream rules test new               ──► cases that failed
                                 └──────► fraudstream rules activate new --by …    ──► the digest in force

A trial does not survive this process. Its page hears of progress through `live`.
"""

from __future__ import annotations

import asyncio
import secrets
import shutil
import tempfile
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import msgspec

from fraudstream.console.live import LiveChanges
from fraudstream.console.rules.drafts import Draft
from fraudstream.engine.artefacts import ARTEFACTS_DIRECTORY
from fraudstream.engine.rule_set import TEST_SUFFIX
from fraudstream.evaluation.rule_difference import RuleDifference
from fraudstream.operations.rules_in_force import InForce
from fraudstream.supervision.process import ChildProcess

RUNNING_MAX: Final = 2  # each takes a core and the memory of two states
KEPT_MAX: Final = 50  # that have ended
STOP_S_MAX: Final = 5.0

Kind = Literal["payments", "cases", "activation"]
State = Literal["running", "done", "failed", "cancelled"]


class TrialSettings(NamedTuple):
    """How trials run.

    `command`: what a `fraudstream` command begins with, its first word an absolute path; `environment`: with all
    settings. Recent payments are those of the last `hours` before the newest ones of the topic, after `warm_up_days`
    that fill the state; or those of `file`, which `mapping` describes, if it is set.
    """

    command: Sequence[str]
    environment: Mapping[str, str]
    hours: int = 24
    warm_up_days: int = 30
    file: str | None = None
    mapping: str | None = None


class Progress(msgspec.Struct, frozen=True):
    """`payments` judged so far, `differing` alerts among them; `share` of all that is done, 0 to 1, None if unknown."""

    payments: int = 0
    differing: int = 0
    share: float | None = None


class FailedCase(msgspec.Struct, frozen=True):
    """A test case that failed, with the values that it saw."""

    line: int
    case: str
    expected: str
    actual: str
    values: dict[str, str]


class CaseResults(msgspec.Struct, frozen=True):
    """What came of the test cases: `cases` ran."""

    cases: int
    failed: tuple[FailedCase, ...]


class Activated(msgspec.Struct, frozen=True):
    """The digest of the rule set that was put in force."""

    rule_set: str


_RESULTS: Final[Mapping[Kind, type[RuleDifference | CaseResults | Activated]]] = {
    "payments": RuleDifference,
    "cases": CaseResults,
    "activation": Activated,
}


@dataclass
class Trial:
    """A trial of a draft. `note`: of an activation. `result`: once it is done. `sentence`: why it failed."""

    trial_id: str
    kind: Kind
    user_name: str
    draft: Draft
    started_at_ms: int
    note: str = ""
    state: State = "running"
    progress: Progress = field(default_factory=Progress)
    result: RuleDifference | CaseResults | Activated | None = None
    sentence: str = ""
    lines: list[str] = field(default_factory=list)


class TrialsBusyError(Exception):
    """As many trials run as may, or one of the user's."""


class Trials:
    """Starts, follows and ends trials, in the main thread, as `ChildProcess` needs it.

    `live`: tells their pages. `now_ms`: the clock, ms since the epoch, UTC.
    """

    def __init__(self, settings: TrialSettings, live: LiveChanges, now_ms: Callable[[], int]) -> None:
        self.settings = settings
        self._live, self._now_ms = live, now_ms
        self._trials: OrderedDict[str, Trial] = OrderedDict()
        self._children: dict[str, ChildProcess] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def find(self, trial_id: str) -> Trial | None:
        """The trial of that id; None if there is none, or it is forgotten."""
        return self._trials.get(trial_id)

    def of_user(self, user_name: str) -> list[Trial]:
        """The user's trials, the newest first."""
        return [trial for trial in reversed(self._trials.values()) if trial.user_name == user_name]

    async def start(
        self,
        kind: Kind,
        user_name: str,
        in_force: InForce,
        draft: Draft,
        note: str = "",
        on_end: Callable[[Trial], None] = lambda trial: None,
    ) -> Trial:
        """Begin a trial of a draft, or its activation, with which `note` is recorded. `on_end`: called once it has
        ended.

        Raises `TrialsBusyError`, `OSError`.
        """
        running = [trial for trial in self._trials.values() if trial.state == "running"]
        if len(running) >= RUNNING_MAX or any(trial.user_name == user_name for trial in running):
            raise TrialsBusyError
        trial = Trial(secrets.token_hex(8), kind, user_name, draft, self._now_ms(), note)
        self._trials[trial.trial_id] = trial
        self._forget_old()
        try:
            directory = await asyncio.to_thread(_written, in_force, draft, kind)
            child = self._child(trial, directory)
            child.start()
        except OSError:
            del self._trials[trial.trial_id]
            raise
        self._children[trial.trial_id] = child
        task = asyncio.create_task(self._follow(trial, child, directory, on_end))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return trial

    async def cancel(self, trial: Trial) -> None:
        """End a trial that runs; no effect on another. An activation can be ended too: repeating it completes it."""
        child = self._children.get(trial.trial_id)
        if child is not None and trial.state == "running":
            trial.state = "cancelled"
            await child.stop(STOP_S_MAX)

    async def close(self) -> None:
        """End all trials and remove their files."""
        await asyncio.gather(*[self.cancel(trial) for trial in self._trials.values()])
        await asyncio.gather(*self._tasks)

    def _child(self, trial: Trial, directory: Path) -> ChildProcess:
        words = self._words(trial, directory)
        loop = asyncio.get_running_loop()

        def on_line(line: bytes) -> None:
            loop.call_soon_threadsafe(self._on_line, trial, line)

        return ChildProcess(f"trial {trial.trial_id}", words, self.settings.environment, on_line=on_line)

    def _words(self, trial: Trial, directory: Path) -> list[str]:
        settings, old, new = self.settings, directory / "old", directory / "new"
        if trial.kind == "cases":
            return [*settings.command, "rules", "test", "--rules", str(new), "--json"]
        if trial.kind == "activation":
            who = ["--by", trial.user_name, f"--note={trial.note}"]
            return [*settings.command, "rules", "activate", "--rules", str(new), "--json", *who]
        words = [*settings.command, "rules", "diff", str(old), str(new), "--json", "--json-progress"]
        if settings.file is not None:
            mapping = [] if settings.mapping is None else ["--mapping", settings.mapping]
            return [*words, "--on", settings.file, *mapping]
        return [*words, "--topics", "--last", f"{settings.hours}h", "--warm-up", f"{settings.warm_up_days}d"]

    def _on_line(self, trial: Trial, line: bytes) -> None:
        """Take in a line that the process wrote: progress, the result, or what went wrong."""
        found = _json_object(line)
        if found is None:
            trial.lines = [*trial.lines[-20:], line.decode(errors="replace").rstrip()]
        elif "progress" in found:
            trial.progress = msgspec.convert(found["progress"], Progress)
            self._live.on_page(trial.trial_id)
        elif "faults" in found:
            trial.lines = [f"{fault['line']}:{fault['column']} {fault['sentence']}" for fault in found["faults"]]
        else:
            trial.result = msgspec.convert(found, _RESULTS[trial.kind])

    async def _follow(
        self, trial: Trial, child: ChildProcess, directory: Path, on_end: Callable[[Trial], None]
    ) -> None:
        try:
            await child.wait()
            await asyncio.sleep(0)  # lines that the thread has handed over are taken in first
            if trial.state == "running":
                trial.state = "failed" if trial.result is None else "done"
                said = "\n".join(trial.lines).removeprefix("fraudstream: ")
                trial.sentence = said.replace(f"{directory / 'new'}/", "")
        finally:
            self._children.pop(trial.trial_id, None)
            on_end(trial)
            await asyncio.to_thread(shutil.rmtree, directory, ignore_errors=True)
            self._live.on_page(trial.trial_id)

    def _forget_old(self) -> None:
        ended = [each.trial_id for each in self._trials.values() if each.state != "running"]
        for trial_id in ended[: max(len(ended) - KEPT_MAX, 0)]:
            del self._trials[trial_id]


def _json_object(line: bytes) -> dict[str, Any] | None:
    if not line.startswith(b"{"):
        return None
    try:
        return msgspec.json.decode(line, type=dict[str, Any])
    except msgspec.MsgspecError:
        return None


def _written(in_force: InForce, draft: Draft, kind: Kind) -> Path:
    """A new directory with the rules in force in `old`, and with the draft in `new`.

    Of test cases, only the draft's are written, to run these alone.
    """
    directory = Path(tempfile.mkdtemp(prefix="fraudstream-trial-"))
    files = dict(in_force.rule_set.files)
    changed = files | {f"{draft.name}.yaml": draft.rule_text}
    if kind != "payments" and draft.cases_text.strip():
        changed[f"{draft.name}{TEST_SUFFIX}"] = draft.cases_text
    for side, texts in (("old", files), ("new", changed)):
        for path, text in texts.items():
            (directory / side / path).parent.mkdir(parents=True, exist_ok=True)
            (directory / side / path).write_text(text, encoding="utf-8")
        for digest, content in in_force.artefacts.items():
            (directory / side / ARTEFACTS_DIRECTORY).mkdir(exist_ok=True)
            (directory / side / ARTEFACTS_DIRECTORY / digest).write_bytes(content)
    return directory

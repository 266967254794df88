"""Tries changes out, each in a process of its own: their test cases, or what they make of recent payments. What was
approved is put in force in the same way.

    rules in force ──► directory old ─┐
    with the change ─► directory new ─┴─► fraudstream rules diff old new --topics … ──► progress, difference
                                 ├──────► fraudstream rules test new               ──► cases that failed
                                 ├──────► fraudstream rules activate new --by …    ──► the digest in force
                                 └──────► fraudstream lists add|remove --by …      ──► the offsets of the entries

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
from fraudstream.console.rules.changes import Change, ListChange
from fraudstream.console.rules.library import RuleFiles
from fraudstream.console.rules.rule_directory import write_rules
from fraudstream.contracts.timestamps import utc_text
from fraudstream.evaluation.rule_difference import RuleDifference
from fraudstream.operations.rules_in_force import InForce
from fraudstream.supervision.process import ChildProcess

RUNNING_MAX: Final = 2  # each takes a core and the memory of two states
ACTIVATING_MAX: Final = 1  # a second one would undo what the first changes
KEPT_MAX: Final = 50  # that have ended
STOP_S_MAX: Final = 5.0

Kind = Literal["payments", "cases", "activation", "entries"]
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


class EntriesSet(msgspec.Struct, frozen=True):
    """From which offset of each partition of the log on the entries of a list count."""

    offsets: dict[str, int]


ACTIVATIONS: Final[tuple[Kind, ...]] = ("activation", "entries")
_RESULTS: Final[Mapping[Kind, type[RuleDifference | CaseResults | Activated | EntriesSet]]] = {
    "payments": RuleDifference,
    "cases": CaseResults,
    "activation": Activated,
    "entries": EntriesSet,
}


@dataclass
class Trial:
    """A trial of a change. `note`: of an activation. `result`: once it is done. `sentence`: why it failed."""

    trial_id: str
    kind: Kind
    user_name: str
    change: Change
    started_at_ms: int
    note: str = ""
    state: State = "running"
    progress: Progress = field(default_factory=Progress)
    result: RuleDifference | CaseResults | Activated | EntriesSet | None = None
    sentence: str = ""
    lines: list[str] = field(default_factory=list)


class TrialsBusyError(Exception):
    """As many trials run as may, or one of the user's; or something is being put in force."""


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
        after: RuleFiles,
        change: Change,
        note: str = "",
        on_end: Callable[[Trial], None] = lambda trial: None,
    ) -> Trial:
        """Begin a trial of a change, or its activation, with which `note` is recorded. `after`: the rule set that the
        change makes of the one in force. `on_end`: called once it has ended.

        Raises `TrialsBusyError`, `OSError`.
        """
        if self._is_busy(kind, user_name):
            raise TrialsBusyError
        trial = Trial(secrets.token_hex(8), kind, user_name, change, self._now_ms(), note)
        self._trials[trial.trial_id] = trial
        self._forget_old()
        try:
            directory = await asyncio.to_thread(_written, in_force, after, kind)
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

    def _is_busy(self, kind: Kind, user_name: str) -> bool:
        """Activations wait for each other alone, as they take seconds; trials for others, and for the user's own."""
        is_activation = kind in ACTIVATIONS
        running = [each for each in self._trials.values() if each.state == "running"]
        same = [each for each in running if (each.kind in ACTIVATIONS) == is_activation]
        if is_activation:
            return len(same) >= ACTIVATING_MAX
        return len(same) >= RUNNING_MAX or any(each.user_name == user_name for each in same)

    def forget(self, is_erased: Callable[[str], bool]) -> None:
        """Drop the trials whose examples have an account, by id, for which `is_erased` answers yes."""
        for trial_id in [each.trial_id for each in self._trials.values() if any(map(is_erased, _accounts_of(each)))]:
            del self._trials[trial_id]

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
        if trial.kind in ACTIVATIONS:
            who = ["--json", "--by", trial.user_name, f"--note={trial.note}"]
            if isinstance(trial.change, ListChange):
                return [*settings.command, *_list_words(trial.change, new, who)]
            return [*settings.command, "rules", "activate", "--rules", str(new), *who]
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


def _accounts_of(trial: Trial) -> list[str]:
    """The accounts of the examples in its result."""
    if not isinstance(trial.result, RuleDifference):
        return []
    return [each.account_id for each in (*trial.result.examples_gained, *trial.result.examples_lost)]


def _list_words(change: ListChange, rules: Path, who: Sequence[str]) -> list[str]:
    """The command that changes a list. `rules`: a directory with the rules in force."""
    until = [] if change.expires_at_ms is None else ["--until", utc_text(change.expires_at_ms)]
    action = "remove" if change.removed else "add"
    return ["lists", action, "--rules", str(rules), *who, *until, "--", change.list, *change.values]


def _json_object(line: bytes) -> dict[str, Any] | None:
    if not line.startswith(b"{"):
        return None
    try:
        return msgspec.json.decode(line, type=dict[str, Any])
    except msgspec.MsgspecError:
        return None


def _written(in_force: InForce, after: RuleFiles, kind: Kind) -> Path:
    """A new directory with the rules in force in `old`, and those after the change in `new`.

    Of test cases, only those of the change are written, to run these alone.
    """
    directory = Path(tempfile.mkdtemp(prefix="fraudstream-trial-"))
    cases = {} if kind == "payments" else after.cases
    write_rules(directory / "old", in_force.rule_set.files, in_force.artefacts)
    write_rules(directory / "new", {**after.files, **cases}, after.artefacts)
    return directory

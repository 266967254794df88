"""A payment decided again, rule by rule: which rules fired, and which nearly did. Each in a process of its own.

The alert does not say what nearly fired, and no page can work it out from one: `fraudstream explain` decides the
payment again from the log, and compares the result with what was sent. Where they differ, the rules of the re-run are
not those of the decision, and are not shown.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
import tempfile
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal, NamedTuple

import msgspec

from fraudstream.console.rules.library import RuleLibrary
from fraudstream.console.rules.rule_directory import write_rules
from fraudstream.console.rules.trials import TrialSettings
from fraudstream.contracts import Payment
from fraudstream.contracts.fields import Outcome
from fraudstream.engine.near_miss import RuleTrial
from fraudstream.operations.errors import OperationError
from fraudstream.supervision.process import ChildProcess

AT_ONCE_MAX: Final = 1  # each takes a core, and may read the whole log up to the payment
WAITING_MAX: Final = 8
RUN_S_MAX: Final = 600.0
STOP_S_MAX: Final = 5.0
KEPT_MAX: Final = 200
FAILED_KEPT_S: Final = 30.0  # so that a page that asks for itself again does not try again each time
LINES_MAX: Final = 20

State = Literal["reading", "busy", "done", "differs", "failed"]

log = logging.getLogger(__name__)


class Named(NamedTuple):
    """A payment. `alert_id`: of its alert, by which it is found sooner; empty if it has none."""

    account_id: str
    event_id: str
    alert_id: str = ""


class DecidedAgain(msgspec.Struct, frozen=True):
    """The decision of the re-run."""

    outcome: Outcome
    score: float
    late: bool = False


class TriedAgain(msgspec.Struct, frozen=True):
    """The re-run: its verdict, and every rule of the rule set that decided."""

    payment: Payment
    decision: DecidedAgain
    score_threshold: float
    rules: tuple[RuleTrial, ...]


class ExplainedPayment(msgspec.Struct, frozen=True):
    """What `fraudstream explain --json` says that pages show. `agrees`: the result is what was sent; None: there was
    nothing to compare with. `log_begins_at`: if it is above 0, earlier payments may be missing."""

    rule_set: str
    agrees: bool | None
    trial: TriedAgain
    log_begins_at: int = 0
    lists_unknown: tuple[str, ...] = ()


class Explanation(NamedTuple):
    """`found`: of a state "done" or "differs". `sentence`: why it failed."""

    state: State
    found: ExplainedPayment | None = None
    sentence: str = ""

    @property
    def near_misses(self) -> tuple[RuleTrial, ...]:
        """The rules that nearly fired, the nearest first; none unless the re-run gave what was sent."""
        if self.state != "done" or self.found is None:
            return ()
        near = [rule for rule in self.found.trial.rules if rule.closeness == "near"]
        return tuple(sorted(near, key=lambda rule: rule.shortfall or 0.0))


class Explanations:
    """Explains payments, and keeps the last `KEPT_MAX` explanations. `settings`: how commands are run. `now_s`: a
    clock, in seconds. Its methods are called in the main thread, as `ChildProcess` needs it."""

    def __init__(
        self, settings: TrialSettings, library: RuleLibrary, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self.settings = settings
        self._library, self._now_s = library, now_s
        self._failed_at_s: dict[Named, float] = {}
        self._kept: OrderedDict[Named, Explanation] = OrderedDict()
        self._running: dict[Named, asyncio.Task[Explanation]] = {}
        self._at_once = asyncio.Semaphore(AT_ONCE_MAX)

    def known(self, payment: Named) -> Explanation | None:
        """The explanation, if there is one already; "reading" if somebody has asked for it."""
        return Explanation("reading") if payment in self._running else self._kept.get(payment)

    def ask(self, payment: Named, on_end: Callable[[], None]) -> Explanation:
        """The explanation; "reading" at first, and "busy" if too many are wanted. One that has failed is asked for
        again after `FAILED_KEPT_S`. `on_end`: called once it is there."""
        if (kept := self._kept.get(payment)) is not None and not self._is_worth_another_try(payment, kept):
            self._kept.move_to_end(payment)
            return kept
        task = self._running.get(payment)
        if task is None:
            if len(self._running) >= AT_ONCE_MAX + WAITING_MAX:
                return Explanation("busy")
            task = self._running[payment] = asyncio.create_task(self._explained(payment))
        task.add_done_callback(lambda _: on_end())
        return Explanation("reading")

    def forget(self, is_erased: Callable[[str], bool]) -> None:
        """Drop the explanations of the accounts, by id, for which `is_erased` answers yes; end those that are made."""
        for payment in [each for each in self._kept if is_erased(each.account_id)]:
            del self._kept[payment]
            self._failed_at_s.pop(payment, None)
        for payment, task in self._running.items():
            if is_erased(payment.account_id):
                task.cancel()

    def _is_worth_another_try(self, payment: Named, kept: Explanation) -> bool:
        return kept.state == "failed" and self._now_s() - self._failed_at_s.get(payment, 0.0) > FAILED_KEPT_S

    async def close(self) -> None:
        """End all of them."""
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _explained(self, payment: Named) -> Explanation:
        try:
            async with self._at_once:
                found = await self._run(payment)
        except (OperationError, OSError, TimeoutError) as error:
            log.error("a payment cannot be explained: %s", error)
            found = Explanation("failed", sentence=error.sentence if isinstance(error, OperationError) else "")
        finally:
            self._running.pop(payment, None)
        self._failed_at_s.pop(payment, None)
        if found.state == "failed":
            self._failed_at_s[payment] = self._now_s()
        self._kept[payment] = found
        self._kept.move_to_end(payment)
        while len(self._kept) > KEPT_MAX:
            forgotten, _ = self._kept.popitem(last=False)
            self._failed_at_s.pop(forgotten, None)
        return found

    async def _run(self, payment: Named) -> Explanation:
        """Raises `OperationError`, `OSError`, `TimeoutError`."""
        in_force = await self._library.in_force()
        lines = deque[bytes](maxlen=LINES_MAX)
        directory = Path(tempfile.mkdtemp(prefix="fraudstream-explain-"))
        words = ["explain", "--rules", str(directory), "--json"]
        if payment.alert_id:
            words += [payment.alert_id]
        else:
            words += [f"--event={payment.event_id}", f"--account={payment.account_id}"]
        child = ChildProcess(
            "explain", [*self.settings.command, *words], self.settings.environment, on_line=lines.append
        )
        try:
            await asyncio.to_thread(write_rules, directory, in_force.rule_set.files, in_force.artefacts)
            child.start()
            async with asyncio.timeout(RUN_S_MAX):
                await child.wait()
            await asyncio.sleep(0)
        finally:
            await child.stop(STOP_S_MAX)
            await asyncio.to_thread(shutil.rmtree, directory, ignore_errors=True)
        return _read(lines)


def _read(lines: Sequence[bytes]) -> Explanation:
    """What the process wrote: the JSON of the explanation, or why there is none."""
    for line in lines:
        with suppress(msgspec.MsgspecError):
            found = msgspec.json.decode(line, type=ExplainedPayment)
            return Explanation("differs" if found.agrees is False else "done", found)
    said = lines[-1].decode(errors="replace").strip() if lines else ""
    return Explanation("failed", sentence="" if said.startswith("{") else said.removeprefix("fraudstream: "))

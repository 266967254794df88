"""Changes made during a run: rule sets activated and reverted, values added to lists and removed.

They are made with the product's commands, which run under the same faults, sometimes kill themselves midway, and are
retried until they succeed. The seed determines the changes; their offsets in the log are read from the log.
"""

from __future__ import annotations

import asyncio
import re
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import numpy as np

from benchmarks.chaos.environment import Environment
from benchmarks.chaos.fault_points import COMMAND_POINT, Orders
from benchmarks.chaos.load import Item
from benchmarks.chaos.publisher import Publisher
from fraudstream.contracts import Payment
from fraudstream.engine.rule_set import RuleSet
from fraudstream.supervision.parent_death import with_parent_death_signal

ADDED: Final = (0.08, 0.2)  # shares of the load at which values are added to lists
SWITCHED: Final = (0.25, 0.4)
REMOVED: Final = (0.5, 0.65)
SWITCHED_BACK: Final = (0.7, 0.85)
ENTRIES: Final = 16  # added to each list; every second one is removed again
EXPIRING: Final = ("--for", "36500d")  # longer than the run's event time, so no entry expires
KILLED_SHARE: Final = 0.6  # share of commands that kill themselves midway and are retried
AHEAD: Final = 0.06  # maximum share of the load published while a command runs, so that slow machines do not matter
COMMAND_S_MAX: Final = 180.0
ATTEMPT_S_MAX: Final = 60.0
RETRY_S: Final = 1.0
POLL_S: Final = 0.05

_payment = msgspec.json.Decoder(Payment).decode


class Change(NamedTuple):
    """One command. `share`: of the load published when it is issued. `words`: arguments of `fraudstream`.

    `dies_at`: number of the record after whose sending the first attempt kills itself; 0: it does not.
    """

    share: float
    words: tuple[str, ...]
    dies_at: int

    def __str__(self) -> str:
        dies = f" (dies at record {self.dies_at})" if self.dies_at else ""
        return f"{self.share:4.0%} {' '.join(self.words[:3])}{dies}"


def varied(rule_set: RuleSet) -> dict[str, str]:
    """The files of a second rule set with the same state layout: every second live rule becomes a shadow rule."""
    files = dict(rule_set.files)
    for rule in [rule for rule in rule_set.rules if rule.status == "live"][::2]:
        files[rule.path] = re.sub(r"^status: live\b", "status: shadow", files[rule.path], flags=re.MULTILINE)
    assert files != rule_set.files, "there is no live rule to vary"
    return files


def write_rules(files: dict[str, str], directory: Path) -> Path:
    """Write rule files, {relative path: text}, to `directory` and return it."""
    for path, text in files.items():
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_text(text)
    return directory


def changes(seed: int, items: Sequence[Item], rule_set: RuleSet, rules: Path, other_rules: Path) -> list[Change]:
    """The changes of a run in order of share: from `rules` to `other_rules` and back, and list entries.

    The values added to a list occur in later payments.
    """
    rng = np.random.Generator(np.random.PCG64([seed, 2]))
    found: list[tuple[float, tuple[str, ...]]] = [
        (rng.uniform(*SWITCHED), ("rules", "activate", str(other_rules), "--skip-tests")),
        (rng.uniform(*SWITCHED_BACK), ("rules", "activate", str(rules), "--skip-tests")),
    ]
    for number, (name, declared) in enumerate(sorted(rule_set.lists.items())):
        behind = items[round(ADDED[1] * len(items)) :]
        values = list(_values(declared.of, behind, rng))[:ENTRIES]
        if not values:
            continue
        expiring = EXPIRING if number % 2 else ()
        found.append((rng.uniform(*ADDED), ("lists", "add", name, *values, *expiring)))
        found.append((rng.uniform(*REMOVED), ("lists", "remove", name, *values[::2])))
    return [
        Change(share, words, int(rng.integers(1, 4 * len(words))) if rng.random() < KILLED_SHARE else 0)
        for share, words in sorted(found)
    ]


def _values(field: str, items: Sequence[Item], rng: np.random.Generator) -> Iterator[str]:
    """Distinct values of a field of the debits among `items`, in random order."""
    seen: set[str] = set()
    for index in rng.permutation(len(items)).tolist():
        item = items[index]
        if item.topic != "payments" or item.headers:
            continue
        try:
            payment = _payment(item.value or b"")
        except (msgspec.MsgspecError, UnicodeDecodeError):  # an invalid record
            continue
        value = getattr(payment, field)
        if value is not None and payment.direction == "debit" and value not in seen:
            seen.add(value)
            yield value


class Commands:
    """Issues each change when its share of the load is published; the publisher waits for a slow command.

    `directory`: location of the command log.
    """

    def __init__(
        self, environment: Environment, changes: Sequence[Change], directory: Path, publisher: Publisher
    ) -> None:
        self._environment, self._changes, self._publisher = environment, changes, publisher
        self._orders, self._log = directory / "commands.orders", directory / "commands.log"

    async def run(self) -> None:
        """Issue all changes in order.

        Raises `RuntimeError` for a command that does not succeed in time or prints a traceback.
        """
        for change in self._changes:
            while self._publisher.share < change.share:  # noqa: ASYNC110
                await asyncio.sleep(POLL_S)
            self._publisher.waits_at = change.share + AHEAD
            orders = Orders(COMMAND_POINT, change.dies_at) if change.dies_at else Orders()
            orders.write(self._orders)
            limit = time.monotonic() + COMMAND_S_MAX
            while (code := await self._attempt(change.words)) != 0:
                if time.monotonic() > limit:
                    raise RuntimeError(f"`{' '.join(change.words)}` ends with {code}: see {self._log}")
                await asyncio.sleep(RETRY_S)
            self._publisher.waits_at = 1.0

    async def _attempt(self, words: Sequence[str]) -> int | None:
        """The exit code; None if it did not finish in time."""
        command = [sys.executable, "-m", "benchmarks.chaos.fault_points", str(self._orders), *words]
        process = await asyncio.create_subprocess_exec(
            *with_parent_death_signal([*command, *self._environment.flags()]),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output = b""
        try:
            async with asyncio.timeout(ATTEMPT_S_MAX):
                output, _ = await process.communicate()
        except TimeoutError:
            return None
        finally:
            if process.returncode is None:
                process.kill()
            with self._log.open("ab") as log:
                log.write(f"{time.time():.1f} {' '.join(words)}: {process.returncode}\n".encode() + output)
        if b"Traceback" in output:
            raise RuntimeError(f"`{' '.join(words)}` ends with a traceback:\n{output.decode(errors='replace')}")
        return process.returncode

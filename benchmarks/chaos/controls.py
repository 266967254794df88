"""What people change while a run goes on: rules switched and switched back, values put on lists and taken off.

They do so by the commands of the product, which meet whatever fault there is, die half-way themselves, and are given
again until they succeed. What they change follows from the seed; where it stands in the log, the log says.
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

from benchmarks.chaos.fault_points import COMMAND_POINT, Orders
from benchmarks.chaos.load import Item
from benchmarks.chaos.publisher import Publisher
from benchmarks.chaos.world import World
from fraudstream.contracts import Payment
from fraudstream.engine.rule_set import RuleSet
from fraudstream.supervision.parent_death import with_parent_death_signal

ADDED: Final = (0.08, 0.2)  # shares of the load: when values are put on lists
SWITCHED: Final = (0.25, 0.4)
REMOVED: Final = (0.5, 0.65)
SWITCHED_BACK: Final = (0.7, 0.85)
ENTRIES: Final = 16  # put on each list; every second is taken off again
EXPIRING: Final = ("--for", "36500d")  # payments are older than their entries, so none of them outlives one
HALF_WAY_SHARE: Final = 0.6  # of commands, those that die half-way and are given again
AHEAD: Final = 0.06  # share of the load that is published meanwhile, at most: however slow the machine is
GIVEN_S_MAX: Final = 180.0
ATTEMPT_S_MAX: Final = 60.0
AGAIN_S: Final = 1.0
POLL_S: Final = 0.05

_payment = msgspec.json.Decoder(Payment).decode


class Change(NamedTuple):
    """`share`: of the load that is published when it is given. `words`: after `fraudstream`. `dies_at`: the record
    that it sends and then dies, the first time; 0: it lives."""

    share: float
    words: tuple[str, ...]
    dies_at: int

    def __str__(self) -> str:
        dies = f" (dies at record {self.dies_at})" if self.dies_at else ""
        return f"{self.share:4.0%} {' '.join(self.words[:3])}{dies}"


def varied(rule_set: RuleSet) -> dict[str, str]:
    """The files of a second rule set with the same memory: of its live rules every second is on trial only."""
    files = dict(rule_set.files)
    for rule in [rule for rule in rule_set.rules if rule.status == "live"][::2]:
        files[rule.path] = re.sub(r"^status: live\b", "status: shadow", files[rule.path], flags=re.MULTILINE)
    assert files != rule_set.files, "there is no live rule to vary"
    return files


def write_rules(files: dict[str, str], directory: Path) -> Path:
    for path, text in files.items():
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_text(text)
    return directory


def changes(seed: int, items: Sequence[Item], rule_set: RuleSet, rules: Path, other_rules: Path) -> list[Change]:
    """In the order of their shares: `rules`, which the run begins with, to `other_rules` and back; and on each list
    values that payments behind it have."""
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
        Change(share, words, int(rng.integers(1, 4 * len(words))) if rng.random() < HALF_WAY_SHARE else 0)
        for share, words in sorted(found)
    ]


def _values(field: str, items: Sequence[Item], rng: np.random.Generator) -> Iterator[str]:
    """What payments that leave an account have in a field, each once."""
    seen: set[str] = set()
    for place in rng.permutation(len(items)).tolist():
        item = items[place]
        if item.topic != "payments" or item.headers:
            continue
        try:
            payment = _payment(item.value or b"")
        except (msgspec.MsgspecError, UnicodeDecodeError):  # garbage
            continue
        value = getattr(payment, field)
        if value is not None and payment.direction == "debit" and value not in seen:
            seen.add(value)
            yield value


class Commands:
    """Gives each change when its share of the load is published, and lets the load wait for one that takes long.
    `directory`: of their log."""

    def __init__(self, world: World, changes: Sequence[Change], directory: Path, publisher: Publisher) -> None:
        self._world, self._changes, self._publisher = world, changes, publisher
        self._orders, self._log = directory / "commands.orders", directory / "commands.log"

    async def run(self) -> None:
        """All of them, one after the other. Raises `RuntimeError` for one that does not succeed in time, or that ends
        with a traceback: users are told in a sentence what fails."""
        for change in self._changes:
            while self._publisher.share < change.share:  # noqa: ASYNC110
                await asyncio.sleep(POLL_S)
            self._publisher.waits_at = change.share + AHEAD
            orders = Orders(COMMAND_POINT, change.dies_at) if change.dies_at else Orders()
            orders.write(self._orders)
            limit = time.monotonic() + GIVEN_S_MAX
            while (code := await self._attempt(change.words)) != 0:
                if time.monotonic() > limit:
                    raise RuntimeError(f"`{' '.join(change.words)}` ends with {code}: see {self._log}")
                await asyncio.sleep(AGAIN_S)
            self._publisher.waits_at = 1.0

    async def _attempt(self, words: Sequence[str]) -> int | None:
        """The exit code; None: it came to no end."""
        command = [sys.executable, "-m", "benchmarks.chaos.fault_points", str(self._orders), *words]
        process = await asyncio.create_subprocess_exec(
            *with_parent_death_signal([*command, *self._world.flags()]),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        told = b""
        try:
            async with asyncio.timeout(ATTEMPT_S_MAX):
                told, _ = await process.communicate()
        except TimeoutError:
            return None
        finally:
            if process.returncode is None:
                process.kill()
            with self._log.open("ab") as log:
                log.write(f"{time.time():.1f} {' '.join(words)}: {process.returncode}\n".encode() + told)
        if b"Traceback" in told:
            raise RuntimeError(f"`{' '.join(words)}` ends with a traceback:\n{told.decode(errors='replace')}")
        return process.returncode

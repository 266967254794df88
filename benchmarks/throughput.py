"""Throughput of one worker process, compared with the floor and plain Faust, on the same topic of an embedded broker.

Each round starts a new broker and runs the contenders in turn; ratios are computed within a round, and the median over
the rounds is reported.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import NamedTuple

from benchmarks.contender import SMALL_RULES, Spent, create_topics, run_script, run_to, worker
from benchmarks.payments import partitions_of, publish
from fraudstream.cli.shipped import shipped
from fraudstream.embedded.broker import embedded_broker

FAUST_SHARE = 0.03  # share of the payments: a plain agent takes about thirty times as long
WORKER_TOPICS = ("decisions", "alerts", "dead-letters", "labels", "controls")
ACCOUNT_RULES = Path(__file__).parents[1] / "examples" / "account_only"
RULES = {"small": SMALL_RULES, "account": ACCOUNT_RULES, "shipped": Path(shipped("rules"))}

# Targets: share of the floor that a worker must reach.
BARS = {
    ("small", "off"): 0.95,
    ("small", "on"): 0.85,
    ("account", "off"): 0.50,
    ("account", "on"): 0.42,
}


class Result(NamedTuple):
    """Medians of one contender over the rounds. `of_floor`: ratio to the floor of the same round; `bar`: its target."""

    load: str
    contender: str
    rate: float
    cpu_us: float
    of_floor: float
    bar: float | None


def measure(count: int, accounts: int, rounds: int, loads: list[str], say: Callable[[str], None]) -> list[Result]:
    """Run all contenders for each load; `say` is called with progress messages."""
    results: list[Result] = []
    for load in loads:
        spent: dict[str, list[tuple[Spent, float]]] = {}
        for number in range(rounds):
            with embedded_broker() as broker:
                asyncio.run(create_topics(broker, load, *WORKER_TOPICS, partitions=partitions_of(load)))
                say(f"{load}, round {number + 1} of {rounds}: publishing {count:,} payments")
                size = asyncio.run(publish(broker, load, load, count, accounts, partitions_of(load)))
                floor = run_script("benchmarks.floor", broker, load, count)
                say(f"floor: {floor.rate:,.0f} payments/s ({size:.0f} bytes each)")
                spent.setdefault("floor: fetch and decode", []).append((floor, 1.0))
                for decisions in ("off", "on"):
                    name = f"fraudstream, decisions {decisions}"
                    settings = worker_settings(load) | {"WORKER_DECISIONS": str(decisions == "on").lower()}
                    with worker(broker, settings) as running:
                        done = run_to([running], count)
                    say(f"{name}: {done.rate:,.0f} payments/s, {done.rate / floor.rate:.2f} of the floor")
                    spent.setdefault(name, []).append((done, done.rate / floor.rate))
                if load == "small":
                    done = run_script("benchmarks.plain_faust", broker, load, int(count * FAUST_SHARE))
                    say(f"plain Faust: {done.rate:,.0f} payments/s, {done.rate / floor.rate:.3f} of the floor")
                    spent.setdefault("plain Faust with a Table", []).append((done, done.rate / floor.rate))
        for name, runs in spent.items():
            results.append(
                Result(
                    load,
                    name,
                    median(run.rate for run, _ in runs),
                    median(run.cpu_us for run, _ in runs),
                    median(ratio for _, ratio in runs),
                    BARS.get((load, name.rpartition(" ")[2])),
                )
            )
    return results


def worker_settings(load: str) -> dict[str, str]:
    """Settings of a worker that reads the topic of a load with its rules."""
    return {"TOPICS_PAYMENTS": load, "RULES_DIRECTORY": str(RULES[load])}

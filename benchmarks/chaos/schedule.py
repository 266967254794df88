"""When which fault happens: a list that follows from the seed, and can be read before the run.

Points inside a checkpoint are dealt out over the seeds, so that twenty seeds pass all of them, most more than once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, NamedTuple, TypeVar

import numpy as np

from benchmarks.chaos.fault_points import ASSIGNMENT_POINTS, CASES_POINTS, TRANSACTION_POINTS, WORKER_POINTS

T = TypeVar("T")
Kind = Literal[
    "kill",  # SIGKILL to a worker, whatever it does
    "kill at point",  # a worker kills itself at a named point
    "pause",  # SIGSTOP beyond the session's time-out, SIGCONT
    "stop",  # SIGTERM, and a start
    "scale",  # to so many workers
    "clock",  # a worker's wall clock is off from now on
    "cases kill",  # SIGKILL to the case agent
    "cases kill at point",
    "broker stop",  # in order, and a start on its data
    "broker kill",  # of three: what it leads finds another leader
    "broker slow",  # SIGSTOP, SIGCONT
    "redis away",  # connections are refused, then it comes back empty
    "redis full",  # no memory: writes are refused
    "redis flushed",
]
BROKER_KINDS: Final[tuple[Kind, ...]] = ("broker stop", "broker kill", "broker slow")
KAFKA_KINDS: Final[tuple[Kind, ...]] = ("scale", "cases kill at point")
ALWAYS: Final[tuple[Kind, ...]] = ("kill", "kill at point", "kill at point", "pause", "scale", "scale", "stop")
OTHERS: Final[tuple[Kind, ...]] = (
    "kill at point",
    "clock",
    "cases kill",
    "cases kill at point",
    "redis away",
    "redis full",
    "redis flushed",
)
BROKER_FAULTS: Final = 2
FIRST_SHARE, LAST_SHARE = 0.06, 0.94
CLOCK_STEPS_S: Final = (-86_400.0, -3_600.0, -30.0, 30.0, 3_600.0, 86_400.0)
NTH_MAX: Final = 12  # passings of a point: some seconds under load
PAUSE_BEYOND_S: Final = (1.0, 5.0)  # beyond the session's time-out
AWAY_S: Final = (1.0, 6.0)


class Fault(NamedTuple):
    """`share`: of the load that is published when it begins. `target`: which worker, modulo how many there are."""

    share: float
    kind: Kind
    target: int = 0
    point: str | None = None
    nth: int = 1
    seconds: float = 0.0
    workers: int = 0

    def __str__(self) -> str:
        told = {"nth": self.point and self.nth, "seconds": round(self.seconds, 1), "workers": self.workers}
        details = ", ".join(f"{name} {value}" for name, value in told.items() if value)
        return (
            f"{self.share:4.0%} {self.kind}{f' {self.point}' if self.point else ''}{f' ({details})' if details else ''}"
        )


def schedule(
    seed: int, faults: int, workers: Sequence[int], session_s: float, brokers: int, kafka: bool = True
) -> list[Fault]:
    """`faults` of them, at least one of each kind of `ALWAYS` if there is room. `workers`: the least and the most that
    run between scalings to 1 and back. `brokers`: how many may be stopped and started.
    `kafka`: else only what makes sense without transactions, with one worker."""
    rng = np.random.Generator(np.random.PCG64([seed, 1]))
    always = [kind for kind in ALWAYS if kafka or kind not in KAFKA_KINDS]
    kinds: list[Kind] = [*always, *_dealt(BROKER_KINDS, seed, brokers and BROKER_FAULTS)]
    others = [kind for kind in OTHERS if kafka or kind not in KAFKA_KINDS]
    order = rng.permutation(len(others)).tolist()
    while len(kinds) < faults:
        kinds.append(others[order[len(kinds) % len(order)]])
    kinds = [kinds[place] for place in rng.permutation(len(kinds))[:faults].tolist()]
    shares = np.linspace(FIRST_SHARE, LAST_SHARE, faults) + rng.uniform(-0.02, 0.02, faults)
    worker_points = [point for point in WORKER_POINTS if kafka or point not in TRANSACTION_POINTS]
    points = _dealt(worker_points, seed, kinds.count("kill at point"))
    cases_points = _dealt(CASES_POINTS, seed, kinds.count("cases kill at point"))
    sizes = [1, int(rng.integers(workers[0], workers[-1] + 1))] * faults
    found = []
    for share, kind in zip(shares.tolist(), kinds, strict=True):
        fault = Fault(share, kind, target=int(rng.integers(100)))
        match kind:
            case "kill at point":
                fault = fault._replace(point=points.pop(), nth=int(rng.integers(1, NTH_MAX + 1)))
                if fault.point in ASSIGNMENT_POINTS:
                    fault = fault._replace(nth=1 + fault.nth % 2)  # few partitions, so few passings
            case "cases kill at point":
                fault = fault._replace(point=cases_points.pop(), nth=int(rng.integers(1, NTH_MAX + 1)))
            case "pause":
                fault = fault._replace(seconds=session_s + float(rng.uniform(*PAUSE_BEYOND_S)))
            case "scale":
                fault = fault._replace(workers=sizes.pop(0))
            case "clock":
                fault = fault._replace(seconds=float(rng.choice(CLOCK_STEPS_S)))
            case "redis away" | "redis full" | "broker stop" | "broker kill" | "broker slow":
                fault = fault._replace(seconds=float(rng.uniform(*AWAY_S)))
        found.append(fault)
    return found


def _dealt(points: Sequence[T], seed: int, count: int) -> list[T]:
    """`count` of the points, going round: each seed goes on where the one before it ended, if counts are alike."""
    return [points[(seed * count + number) % len(points)] for number in range(count)]

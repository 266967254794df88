"""Which fault happens when: a list determined by the seed, printed before the run.

Fault points are distributed over the seeds, so that twenty seeds reach all of them, most more than once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, NamedTuple, TypeVar

import numpy as np

from benchmarks.chaos.fault_points import ASSIGNMENT_POINTS, CASES_POINTS, TRANSACTION_POINTS, WORKER_POINTS

T = TypeVar("T")
Kind = Literal[
    "kill",  # SIGKILL to a worker at a random moment
    "kill at point",  # a worker kills itself at a named point
    "pause",  # SIGSTOP for longer than the session timeout, then SIGCONT
    "stop",  # SIGTERM, then start
    "scale",  # change the number of workers
    "clock",  # offset a worker's wall clock
    "cases kill",  # SIGKILL to the case processor
    "cases kill at point",
    "broker stop",  # graceful stop, then start with its data
    "broker kill",  # SIGKILL: its partitions get another leader
    "broker slow",  # SIGSTOP, then SIGCONT
    "redis away",  # connections are refused, then it restarts empty
    "redis full",  # out of memory: writes fail
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
NTH_MAX: Final = 12  # times that a point is reached: some seconds under load
PAUSE_BEYOND_S: Final = (1.0, 5.0)  # beyond the session timeout
AWAY_S: Final = (1.0, 6.0)


class Fault(NamedTuple):
    """One fault. `share`: share of the load published when it begins. `target`: worker, modulo their number.

    `point`, `nth`: where a process kills itself. `seconds`: duration or clock offset. `workers`: number to scale to.
    """

    share: float
    kind: Kind
    target: int = 0
    point: str | None = None
    nth: int = 1
    seconds: float = 0.0
    workers: int = 0

    def __str__(self) -> str:
        values = {"nth": self.point and self.nth, "seconds": round(self.seconds, 1), "workers": self.workers}
        details = ", ".join(f"{name} {value}" for name, value in values.items() if value)
        return (
            f"{self.share:4.0%} {self.kind}{f' {self.point}' if self.point else ''}{f' ({details})' if details else ''}"
        )


def schedule(
    seed: int, faults: int, workers: Sequence[int], session_s: float, brokers: int, kafka: bool = True
) -> list[Fault]:
    """A schedule of `faults` faults with the kinds of `ALWAYS`, if there is room.

    `workers`: minimum and maximum number between scalings to 1. `session_s`: session timeout. `brokers`: number of
    brokers that may be stopped. `kafka`: if False, only faults possible without transactions and with one worker.
    """
    rng = np.random.Generator(np.random.PCG64([seed, 1]))
    always = [kind for kind in ALWAYS if kafka or kind not in KAFKA_KINDS]
    kinds: list[Kind] = [*always, *_dealt(BROKER_KINDS, seed, brokers and BROKER_FAULTS)]
    others = [kind for kind in OTHERS if kafka or kind not in KAFKA_KINDS]
    order = rng.permutation(len(others)).tolist()
    while len(kinds) < faults:
        kinds.append(others[order[len(kinds) % len(order)]])
    kinds = [kinds[index] for index in rng.permutation(len(kinds))[:faults].tolist()]
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
                    fault = fault._replace(nth=1 + fault.nth % 2)  # reached once per partition, so only a few times
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
    """`count` of the points, round robin: each seed continues where the previous one ended, if counts are equal."""
    return [points[(seed * count + number) % len(points)] for number in range(count)]

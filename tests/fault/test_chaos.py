"""Fault injection: nothing is lost, counted twice or invented. Short runs of `python -m benchmarks.chaos`.

Invariant: after any schedule of faults the decisions, alerts and dead letters on each record of the log are, byte for
byte, those of an undisturbed engine that applies controls at their offsets; the rows in the changelog are the rows of
its state; every alert is in one case, worked as the actions say; the Redis view equals the topic of cases.
Method: a seeded schedule on real processes, brokers and Redis, and a judge that only reads topics. The id of a test
ends with its seed. In a chain of four stages each stage is compared with its own log, a single stage with the payments.
Limits: the embedded broker has no transactions, so there the checkpoint mode `batch` is tested, with the single worker
that it is meant for; a chain is tested on Apache Kafka alone. A release is tried on many seeds, with more payments and
faults than these (CONTRIBUTING.md).
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import NamedTuple

import pytest
from _pytest.mark import ParameterSet

from benchmarks.chaos.run import Options, run
from tests.brokers import EMBEDDED, KAFKA, SelectedBroker

ROOT = Path(__file__).parents[2]
RULES = ROOT / "examples" / "account_only"
OF_LISTS = ("lists.yaml", "mule/known_payee.yaml")  # rule files that the chain gets as well


class ChaosRun(NamedTuple):
    """A seed of the schedule and the sizes of a run on one of the brokers."""

    seed: int
    payments: int
    rate: float
    faults: int
    partitions: int
    workers: tuple[int, int] | None = None
    accounts: int | None = None
    single: bool = False

    def options(self, broker: SelectedBroker, rules: Path) -> Options:
        """The options of `benchmarks.chaos`; fields that are None keep their defaults."""
        optional = {name: value for name in ("workers", "accounts") if (value := getattr(self, name)) is not None}
        return Options(
            brokers=broker.servers,
            kafka=broker.is_kafka,
            rules=rules,
            payments=self.payments,
            rate=self.rate,
            faults=self.faults,
            partitions=self.partitions,
            single=self.single,
            standby=self.single and broker.is_kafka,
            **optional,
        )


def on_broker(broker: str, run: ChaosRun) -> ParameterSet:
    """A parameter that runs on this broker, named by it and the seed."""
    marks = [pytest.mark.kafka] if broker == KAFKA else []
    return pytest.param(broker, run, marks=marks, id=f"{broker}-{run.seed}")


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("selected_broker", "chaos_run"),
    [
        on_broker(KAFKA, ChaosRun(101, payments=24_000, rate=800, faults=6, partitions=6)),
        on_broker(EMBEDDED, ChaosRun(103, payments=12_000, rate=600, faults=4, partitions=4, workers=(1, 1))),
    ],
    indirect=["selected_broker"],
)
async def test_faults_lose_nothing_and_count_nothing_twice(
    selected_broker: SelectedBroker, chaos_run: ChaosRun, tmp_path: Path
) -> None:
    await assert_sound(chaos_run.seed, chaos_run.options(selected_broker, RULES), tmp_path)


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("selected_broker", "chaos_run"),
    [
        on_broker(KAFKA, ChaosRun(104, payments=12_000, rate=400, faults=5, partitions=4)),
    ],
    indirect=["selected_broker"],
)
async def test_faults_lose_nothing_in_a_chain_of_stages(
    selected_broker: SelectedBroker, chaos_run: ChaosRun, tmp_path: Path
) -> None:
    options = chaos_run.options(selected_broker, four_stages(tmp_path / "rules"))
    await assert_sound(chaos_run.seed, options, tmp_path)


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("selected_broker", "chaos_run"),
    [
        on_broker(KAFKA, ChaosRun(106, payments=16_000, rate=600, faults=5, partitions=1, workers=(2, 3), single=True)),
        on_broker(
            EMBEDDED,
            ChaosRun(107, 8_000, rate=250, faults=3, partitions=1, workers=(1, 1), accounts=2_000, single=True),
        ),
    ],
    indirect=["selected_broker"],
)
async def test_faults_lose_nothing_in_a_single_stage_with_standbys(
    selected_broker: SelectedBroker, chaos_run: ChaosRun, tmp_path: Path
) -> None:
    """On Apache Kafka the workers are standbys of each other; the embedded broker is meant for one worker."""
    options = chaos_run.options(selected_broker, four_stages(tmp_path / "rules"))
    await assert_sound(chaos_run.seed, options, tmp_path)


def four_stages(directory: Path) -> Path:
    """Copy examples/four_stages, with lists and a rule that asks one, into `directory`, which is returned."""
    shutil.copytree(ROOT / "examples" / "four_stages", directory)
    for name in OF_LISTS:
        (directory / name).parent.mkdir(exist_ok=True)
        shutil.copy(RULES / name, directory / name)
    return directory


async def assert_sound(seed: int, options: Options, directory: Path) -> None:
    """Run the schedule of this seed and assert that the judge finds nothing wrong and every kind of work occurred."""
    result = await run(seed, options, keep=directory)
    assert result.sound, "\n".join([f"{result.wrong}", *result.findings])
    assert result.findings == []
    assert result.payments >= options.payments
    assert result.alerts > 0
    assert result.cases > 0
    assert result.case_actions > 0
    assert result.controls > 0
    assert len(result.rule_sets) == 2
    assert result.listed > 0
    assert len(result.faults) == options.faults

"""Nothing lost, nothing counted twice, nothing invented, whatever happens: short runs of `python -m benchmarks.chaos`.

Invariant: after any schedule of faults each record of the log has its answers, byte for byte those of an undisturbed
engine that reads its controls where they stand; the rows in the changelog are its rows; every alert stands in one case,
worked as the actions say; the Redis view is the topic's. Method: a seeded schedule on real processes, brokers and
Redis, and a judge that only reads topics. A failure says the seed.
A chain of four stages, on Kafka and not, is held to the same, each stage to its own log.
Limits: the embedded broker has no sound transactions, so there the mode `batch` is tried, with the one worker that it
is for; the chain, whose stages share a broker in any case, with two.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from benchmarks.chaos.run import Options, run

ROOT = Path(__file__).parents[2]
RULES = ROOT / "rules"
OF_LISTS = ("lists.yaml", "mule/known_payee.yaml")  # of the shipped rules, for the chain


@pytest.mark.kafka
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", [101, 102])
async def test_faults_lose_nothing_and_count_nothing_twice_on_kafka(seed: int, kafka: str, tmp_path: Path) -> None:
    await survives(
        seed,
        Options(brokers=kafka, kafka=True, rules=RULES, payments=50_000, rate=800, faults=8, partitions=6),
        tmp_path,
    )


@pytest.mark.timeout(600)
async def test_faults_lose_nothing_and_count_nothing_twice(broker: str, tmp_path: Path) -> None:
    await survives(
        103,
        Options(
            brokers=broker,
            kafka=False,
            rules=RULES,
            payments=40_000,
            rate=800,
            faults=7,
            workers=(1, 1),
            partitions=4,
        ),
        tmp_path,
    )


@pytest.mark.kafka
@pytest.mark.timeout(600)
async def test_faults_lose_nothing_in_a_chain_of_stages_on_kafka(kafka: str, tmp_path: Path) -> None:
    rules = four_stages(tmp_path / "rules")
    options = Options(brokers=kafka, kafka=True, rules=rules, payments=20_000, rate=400, faults=6, partitions=4)
    await survives(104, options, tmp_path)


@pytest.mark.timeout(600)
async def test_faults_lose_nothing_in_a_chain_of_stages(broker: str, tmp_path: Path) -> None:
    rules = four_stages(tmp_path / "rules")
    await survives(
        105,
        Options(
            brokers=broker,
            kafka=False,
            rules=rules,
            payments=12_000,
            accounts=2_000,
            rate=250,
            faults=4,
            workers=(2, 2),
            partitions=2,
        ),
        tmp_path,
    )


def four_stages(directory: Path) -> Path:
    """The example, with lists and a rule that asks one."""
    shutil.copytree(ROOT / "examples" / "four_stages", directory)
    for name in OF_LISTS:
        (directory / name).parent.mkdir(exist_ok=True)
        shutil.copy(RULES / name, directory / name)
    return directory


async def survives(seed: int, options: Options, directory: Path) -> None:
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

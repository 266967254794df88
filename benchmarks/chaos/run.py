"""Runs one seed: creates topics, publishes the load, injects faults, waits until all is consumed, verifies."""

from __future__ import annotations

import asyncio
import random
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Final

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from benchmarks.chaos.analyst import Analyst
from benchmarks.chaos.controls import Commands, changes, varied, write_rules
from benchmarks.chaos.environment import Environment
from benchmarks.chaos.fault_runner import FaultRunner
from benchmarks.chaos.findings import WRONGS
from benchmarks.chaos.load import load
from benchmarks.chaos.observed import observe
from benchmarks.chaos.processes import Process, Supervisor
from benchmarks.chaos.publisher import Publisher
from benchmarks.chaos.recovery_times import outages, recovery_s
from benchmarks.chaos.schedule import Fault, schedule
from benchmarks.chaos.servers import KafkaCluster, RedisServer
from benchmarks.chaos.topic_reader import ends
from benchmarks.chaos.verifier import verify
from fraudstream.cli.rule_files import load_rule_set
from fraudstream.engine.engine import Engine
from fraudstream.kafka import Brokers

CONSUMED_S_MAX: Final = 120.0
CONSUMED_POLL_S: Final = 0.5
READY_S_MAX: Final = 90.0
VIEW_S: Final = 7.0  # more than the interval at which the case processor repairs the view


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters of a run besides its seed. `workers`: minimum and maximum. `rate`: records per second.

    `single`, `standby`: as in `Environment`.

    `kafka_home`: home directory of the brokers, if they may be stopped (see `deploy/kafka/kafka.sh`).
    """

    brokers: str
    kafka: bool
    rules: Path
    payments: int = 500_000
    accounts: int = 20_000
    rate: float = 3_400.0
    workers: tuple[int, int] = (3, 4)
    faults: int = 12
    partitions: int = 8
    kafka_home: Path | None = None
    single: bool = False
    standby: bool = False


class Result(msgspec.Struct, frozen=True):
    """The result of a seed. `recoveries_s`: recovery time of each fault that delayed decisions.

    `missed`: fault points that were not reached in time. `exits`: unrequested exits of workers and the case processor,
    by code. `rule_sets`: decisions by rule set digest; `listed`: alerts of a rule that matched a list. `case_actions`:
    valid actions.
    """

    seed: int
    sound: bool
    payments: int
    labels: int
    dead_letters: int
    alerts: int
    cases: int
    rows: int
    wrong: dict[str, int]
    repeats: dict[str, int]
    faults: list[str]
    missed: list[str]
    recoveries_s: list[float]
    exits: dict[str, int]
    alerts_digest: str
    findings: list[str]
    seconds: float
    controls: int = 0
    case_actions: int = 0
    rule_sets: dict[str, int] = {}
    listed: int = 0

    @property
    def recovery_median_s(self) -> float:
        """Median recovery time, 0 if there is none."""
        return median(self.recoveries_s) if self.recoveries_s else 0.0

    @property
    def recovery_worst_s(self) -> float:
        """Longest recovery time, 0 if there is none."""
        return max(self.recoveries_s, default=0.0)


async def run(seed: int, options: Options, say: Callable[[str], None] = print, keep: Path | None = None) -> Result:
    """Run one seed and verify it. `keep`: directory for the logs of the processes; temporary if None.

    Raises `RuntimeError` if the run itself failed and cannot be verified.
    """
    started = time.monotonic()
    with RedisServer() as redis, tempfile.TemporaryDirectory(prefix="fraudstream-chaos-") as scratch:
        directory = keep or Path(scratch)
        directory.mkdir(parents=True, exist_ok=True)
        environment = Environment(
            brokers=Brokers(options.brokers),
            redis_url=redis.url,
            kafka=options.kafka,
            suffix=f"{seed}-{random.SystemRandom().randrange(1 << 32):08x}",
            partitions=options.partitions,
            rules=options.rules,
            replication=len(options.brokers.split(",")),
            single=options.single,
            standby=options.standby,
        )
        brokers = KafkaCluster(options.kafka_home) if options.kafka_home is not None else None
        stoppable = len(brokers.numbers) if brokers is not None else 0
        faults = schedule(seed, options.faults, options.workers, environment.session_s, stoppable, options.kafka)
        for fault in faults:
            say(f"seed {seed}: {fault}")
        rule_set = load_rule_set(options.rules)
        other_rules = write_rules(varied(rule_set), directory / "other-rules")
        items = load(seed, options.payments, options.accounts)
        changed = changes(seed, items, rule_set, options.rules, other_rules)
        for change in changed:
            say(f"seed {seed}: {change}")
        await environment.create_topics()
        publisher = Publisher(environment, items, options.rate)
        commands, analyst = Commands(environment, changed, directory, publisher), Analyst(environment, seed)
        fault_runner, processes = await _under_faults(
            options, environment, directory, brokers, redis, faults, publisher, commands, analyst
        )
        observed = await observe(environment, redis)
        engines = [Engine(rule_set), Engine(load_rule_set(other_rules))]
    verification = verify(engines, environment.mode, observed)
    deciding = engines[0] if options.single else engines[0].of_stage(engines[0].stages[-1])
    stretches = outages(observed, deciding)
    recoveries = [recovery_s(injected.at_s, stretches) for injected in fault_runner.injected if injected.reached]
    codes = [str(end.code) for process in processes for end in process.exits if not end.asked]
    return Result(
        seed=seed,
        sound=verification.sound,
        payments=verification.payments,
        labels=verification.labels,
        dead_letters=verification.dead_letters,
        alerts=verification.alerts,
        cases=verification.cases,
        rows=verification.rows,
        wrong={name: verification.wrong[name] for name in WRONGS if verification.wrong[name]},
        repeats=dict(verification.repeats),
        faults=[str(injected.fault) for injected in fault_runner.injected],
        missed=[str(injected.fault) for injected in fault_runner.injected if not injected.reached],
        recoveries_s=[round(seconds, 2) for seconds in recoveries if seconds > 0],
        exits={code: codes.count(code) for code in sorted(set(codes))},
        alerts_digest=verification.alerts_digest,
        findings=verification.findings,
        seconds=round(time.monotonic() - started, 1),
        controls=verification.controls,
        case_actions=verification.case_actions,
        rule_sets=dict(verification.rule_sets),
        listed=verification.listed,
    )


async def _under_faults(
    options: Options,
    environment: Environment,
    directory: Path,
    brokers: KafkaCluster | None,
    redis: RedisServer,
    faults: list[Fault],
    publisher: Publisher,
    commands: Commands,
    analyst: Analyst,
) -> tuple[FaultRunner, list[Process]]:
    """Publish the load while faults are injected; returns when all is consumed and all processes have stopped."""
    workers = [Process(f"worker-{number}", ["worker", *environment.flags()], directory) for number in range(4)]
    cases = Process("cases", ["cases", *environment.flags()], directory)
    fault_runner = FaultRunner(workers, options.workers[0], cases, brokers, redis, lambda: publisher.share)
    async with Supervisor([*workers, cases]) as supervisor:
        for process in (*workers[: options.workers[0]], cases):
            process.start()
        await until_processing(workers[: options.workers[0]], supervisor, len(environment.stages))
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(publisher.run())
            injecting = tasks.create_task(fault_runner.run(faults))
            watching = tasks.create_task(_watch(supervisor))
            working = tasks.create_task(analyst.run())
            await tasks.create_task(commands.run())
            await injecting
            while publisher.share < 1:  # noqa: ASYNC110
                await asyncio.sleep(CONSUMED_POLL_S)
            watching.cancel()
            working.cancel()
        await until_consumed(environment, supervisor)
        await until_consumed(environment, supervisor)  # now also the labels of the cases closed last
        codes = await asyncio.gather(*(worker.stop() for worker in workers))
        await until_consumed(environment, supervisor)
        await asyncio.sleep(VIEW_S)
        codes.append(await cases.stop())
        killed_at_start = -signal.SIGTERM  # stopped before it installed its handler; it held no state
        if failed := [code for code in codes if code not in (0, None, killed_at_start)]:
            raise RuntimeError(f"a graceful stop after the faults ended with {failed}: see the logs in {directory}")
    return fault_runner, [*workers, cases]


async def _watch(supervisor: Supervisor) -> None:
    while True:
        supervisor.check()
        await asyncio.sleep(CONSUMED_POLL_S)


async def until_processing(workers: list[Process], supervisor: Supervisor, stages: int = 1) -> None:
    """Wait until each worker processes partitions of `stages` stages. Raises `RuntimeError` on timeout."""
    limit = time.monotonic() + READY_S_MAX
    while not all(worker.log_count("processing partitions") >= stages for worker in workers):
        supervisor.check()
        if time.monotonic() > limit:
            raise RuntimeError(f"the workers did not start processing:\n{workers[0].log_tail()}")
        await asyncio.sleep(CONSUMED_POLL_S)


async def until_consumed(
    environment: Environment, supervisor: Supervisor, seconds_max: float = CONSUMED_S_MAX, cases: bool = True
) -> None:
    """Wait until the groups have committed the ends of their topics.

    Returns on timeout, too: the verifier then reports what is lost.
    """
    limit = time.monotonic() + seconds_max
    # In order of stages, because each stage writes the input of the next.
    wanted = [(stage.app_id, stage.input_topic) for stage in environment.stages]
    wanted.append((environment.stages[0].app_id, environment.topic("labels")))
    wanted += (
        [(environment.cases_group, environment.topic(name)) for name in ("alerts", "case-actions")] if cases else []
    )
    while time.monotonic() < limit:
        supervisor.check()
        if all([await _is_at_end(environment, group, topic) for group, topic in wanted]):
            return
        await asyncio.sleep(CONSUMED_POLL_S)


async def _is_at_end(environment: Environment, group: str, topic: str) -> bool:
    async with AIOKafkaConsumer(**environment.brokers.options(), group_id=group, enable_auto_commit=False) as consumer:
        partitions = [TopicPartition(topic, number) for number in range(environment.partitions)]
        consumer.assign(partitions)  # does not join the group
        committed = {tp.partition: await consumer.committed(tp) or 0 for tp in partitions}
    return all(committed[number] >= end for number, end in (await ends(environment, topic)).items())

"""One seed: topics of its own, a load, a schedule of faults, the end of the input, the judgement."""

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
from benchmarks.chaos.faults import Chaos
from benchmarks.chaos.findings import WRONGS
from benchmarks.chaos.judge import judge
from benchmarks.chaos.load import load
from benchmarks.chaos.observed import observe
from benchmarks.chaos.processes import Process, Supervisor
from benchmarks.chaos.publisher import Publisher
from benchmarks.chaos.recovery_times import outages, recovery_s
from benchmarks.chaos.schedule import Fault, schedule
from benchmarks.chaos.servers import KafkaCluster, RedisServer
from benchmarks.chaos.topic_reader import ends
from benchmarks.chaos.world import World
from fraudstream.cli.rule_files import load_rule_set
from fraudstream.engine.engine import Engine
from fraudstream.kafka import Brokers

CONSUMED_S_MAX: Final = 120.0
CONSUMED_POLL_S: Final = 0.5
READY_S_MAX: Final = 90.0
VIEW_S: Final = 7.0  # how often the case agent looks whether the view is whole, and some


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What a run is like, beside its seed. `workers`: the least and the most. `rate`: records a second.
    `kafka_home`: where the brokers were started, if they may be stopped (see `deploy/kafka/kafka.sh`)."""

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


class Result(msgspec.Struct, frozen=True):
    """A line of the long run's report. `recoveries_s`: of each fault that made decisions wait; `missed`: points that no
    process came to in time. `exits`: of workers and the case agent, by code, those not asked for. `rule_sets`:
    decisions by the rules that they name; `listed`: alerts of a rule that found a value on a list. `case_actions`:
    those that fitted."""

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
        return median(self.recoveries_s) if self.recoveries_s else 0.0

    @property
    def recovery_worst_s(self) -> float:
        return max(self.recoveries_s, default=0.0)


async def run(seed: int, options: Options, say: Callable[[str], None] = print, keep: Path | None = None) -> Result:
    """Run one seed and judge it. `keep`: a directory for the processes' logs; a temporary one otherwise.

    Raises `RuntimeError` where the run itself failed, so that there is nothing to judge.
    """
    started = time.monotonic()
    with RedisServer() as redis, tempfile.TemporaryDirectory(prefix="fraudstream-chaos-") as scratch:
        directory = keep or Path(scratch)
        directory.mkdir(parents=True, exist_ok=True)
        world = World(
            brokers=Brokers(options.brokers),
            redis_url=redis.url,
            kafka=options.kafka,
            suffix=f"{seed}-{random.SystemRandom().randrange(1 << 32):08x}",
            partitions=options.partitions,
            rules=options.rules,
            replication=len(options.brokers.split(",")),
        )
        brokers = KafkaCluster(options.kafka_home) if options.kafka_home is not None else None
        stoppable = len(brokers.numbers) if brokers is not None else 0
        faults = schedule(seed, options.faults, options.workers, world.session_s, stoppable, options.kafka)
        for fault in faults:
            say(f"seed {seed}: {fault}")
        rule_set = load_rule_set(options.rules)
        other_rules = write_rules(varied(rule_set), directory / "other-rules")
        items = load(seed, options.payments, options.accounts)
        changed = changes(seed, items, rule_set, options.rules, other_rules)
        for change in changed:
            say(f"seed {seed}: {change}")
        await world.create_topics()
        publisher = Publisher(world, items, options.rate)
        commands, analyst = Commands(world, changed, directory, publisher), Analyst(world, seed)
        chaos, processes = await _under_faults(
            options, world, directory, brokers, redis, faults, publisher, commands, analyst
        )
        observed = await observe(world, redis)
        engines = [Engine(rule_set), Engine(load_rule_set(other_rules))]
    judgement = judge(engines, world.mode, observed)
    stretches = outages(observed, engines[0].of_stage(engines[0].stages[-1]))
    recoveries = [recovery_s(happened.at_s, stretches) for happened in chaos.happened if happened.reached]
    codes = [str(end.code) for process in processes for end in process.exits if not end.asked]
    return Result(
        seed=seed,
        sound=judgement.sound,
        payments=judgement.payments,
        labels=judgement.labels,
        dead_letters=judgement.dead_letters,
        alerts=judgement.alerts,
        cases=judgement.cases,
        rows=judgement.rows,
        wrong={name: judgement.wrong[name] for name in WRONGS if judgement.wrong[name]},
        repeats=dict(judgement.repeats),
        faults=[str(happened.fault) for happened in chaos.happened],
        missed=[str(happened.fault) for happened in chaos.happened if not happened.reached],
        recoveries_s=[round(seconds, 2) for seconds in recoveries if seconds > 0],
        exits={code: codes.count(code) for code in sorted(set(codes))},
        alerts_digest=judgement.alerts_digest,
        findings=judgement.findings,
        seconds=round(time.monotonic() - started, 1),
        controls=judgement.controls,
        case_actions=judgement.case_actions,
        rule_sets=dict(judgement.rule_sets),
        listed=judgement.listed,
    )


async def _under_faults(
    options: Options,
    world: World,
    directory: Path,
    brokers: KafkaCluster | None,
    redis: RedisServer,
    faults: list[Fault],
    publisher: Publisher,
    commands: Commands,
    analyst: Analyst,
) -> tuple[Chaos, list[Process]]:
    """Publish the load while the schedule is carried out; returns when all is consumed and everybody has stopped."""
    workers = [Process(f"worker-{number}", ["worker", *world.flags()], directory) for number in range(4)]
    cases = Process("cases", ["cases", *world.flags()], directory)
    chaos = Chaos(workers, options.workers[0], cases, brokers, redis, lambda: publisher.share)
    async with Supervisor([*workers, cases]) as supervisor:
        for process in (*workers[: options.workers[0]], cases):
            process.start()
        await until_judging(workers[: options.workers[0]], supervisor, len(world.stages))
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(publisher.run())
            carrying_out = tasks.create_task(chaos.run(faults))
            watching = tasks.create_task(_watch(supervisor))
            working = tasks.create_task(analyst.run())
            await tasks.create_task(commands.run())
            await carrying_out
            while publisher.share < 1:  # noqa: ASYNC110
                await asyncio.sleep(CONSUMED_POLL_S)
            watching.cancel()
            working.cancel()
        await until_consumed(world, supervisor)
        await until_consumed(world, supervisor)  # now also the labels of cases closed last
        codes = await asyncio.gather(*(worker.stop() for worker in workers))
        await until_consumed(world, supervisor)
        await asyncio.sleep(VIEW_S)
        codes.append(await cases.stop())
        deaf = -signal.SIGTERM  # it had just been started again, and held nothing
        if failed := [code for code in codes if code not in (0, None, deaf)]:
            raise RuntimeError(f"a graceful stop after the faults ended with {failed}: see the logs in {directory}")
    return chaos, [*workers, cases]


async def _watch(supervisor: Supervisor) -> None:
    while True:
        supervisor.check()
        await asyncio.sleep(CONSUMED_POLL_S)


async def until_judging(workers: list[Process], supervisor: Supervisor, stages: int = 1) -> None:
    limit = time.monotonic() + READY_S_MAX
    while not all(worker.says("judging partitions") >= stages for worker in workers):
        supervisor.check()
        if time.monotonic() > limit:
            raise RuntimeError(f"the workers did not come to judge:\n{workers[0].last_words()}")
        await asyncio.sleep(CONSUMED_POLL_S)


async def until_consumed(
    world: World, supervisor: Supervisor, seconds_max: float = CONSUMED_S_MAX, cases: bool = True
) -> None:
    """Wait until the groups stand at the ends of their topics; where they don't in time, the judge will say what is
    lost."""
    limit = time.monotonic() + seconds_max
    # Each stage is at its end before the next is asked.
    wanted = [(stage.app_id, stage.input_topic) for stage in world.stages]
    wanted.append((world.stages[0].app_id, world.topic("labels")))
    wanted += [(world.cases_group, world.topic(name)) for name in ("alerts", "case-actions")] if cases else []
    while time.monotonic() < limit:
        supervisor.check()
        if all([await _stands_at_end(world, group, topic) for group, topic in wanted]):
            return
        await asyncio.sleep(CONSUMED_POLL_S)


async def _stands_at_end(world: World, group: str, topic: str) -> bool:
    async with AIOKafkaConsumer(**world.brokers.options(), group_id=group, enable_auto_commit=False) as consumer:
        places = [TopicPartition(topic, number) for number in range(world.partitions)]
        consumer.assign(places)  # does not join the group
        committed = {place.partition: await consumer.committed(place) or 0 for place in places}
    return all(committed[number] >= end for number, end in (await ends(world, topic)).items())

"""Run many seeds on a Kafka cluster; print a line for each and a summary as JSON.

    KAFKA_HOME_DIR=/tmp/kafka deploy/kafka/kafka.sh start 19092
    python -m benchmarks.chaos --kafka 127.0.0.1:19092 --kafka-home /tmp/kafka --seeds 20 --out chaos.jsonl

Seeds that are already in the output file are skipped, so an interrupted run can be resumed with the same command. The
exit code is 1 if any seed had a lost, duplicated, different or spurious record, or failed to run.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import sys
import traceback
from collections import Counter
from pathlib import Path
from statistics import median

import msgspec

from benchmarks.chaos.findings import WRONGS
from benchmarks.chaos.run import Options, Result, run

RULES = Path(__file__).parents[2] / "examples" / "account_only"


def main() -> int:
    """Run the seeds of the command line; returns the exit code."""
    args = _parser().parse_args()
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # it logs every attempt to reach a stopped broker
    done = {result.seed: result for result in _read(args.out)}
    least, _, most = args.workers.partition("-")
    options = Options(
        brokers=args.kafka,
        kafka=True,
        rules=args.rules,
        payments=args.payments,
        accounts=args.accounts,
        rate=args.rate,
        workers=(int(least), int(most or least)),
        faults=args.faults,
        partitions=args.partitions,
        kafka_home=args.kafka_home,
        single=args.single,
        standby=args.standby,
    )
    seeds = range(args.first_seed, args.first_seed + args.seeds)
    failed: list[int] = []
    for seed in seeds:
        if seed in done:
            continue
        print(f"seed {seed}", flush=True)
        try:
            result = asyncio.run(run(seed, options, keep=args.logs and args.logs / str(seed)))
        except Exception:  # the run itself failed: report it, continue, and retry it on the next invocation
            traceback.print_exc()
            failed.append(seed)
            continue
        done[seed] = result
        with args.out.open("ab") as file:
            file.write(msgspec.json.encode(result) + b"\n")
        print(_line(result), flush=True)
    results = [done[seed] for seed in seeds if seed in done]
    print(json.dumps(_summary(results) | {"failed_runs": failed}, indent=2))
    return 0 if results and not failed and all(result.sound for result in results) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chaos", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kafka", metavar="HOST:PORT", required=True, help="bootstrap servers, separated by commas")
    parser.add_argument(
        "--kafka-home", metavar="DIR", type=Path, help="KAFKA_HOME_DIR of the brokers; with it the brokers fail, too"
    )
    parser.add_argument("--seeds", metavar="N", type=int, default=20, help="number of seeds (default: 20)")
    parser.add_argument("--first-seed", metavar="N", type=int, default=1, help="first seed (default: 1)")
    parser.add_argument(
        "--payments", metavar="N", type=int, default=500_000, help="payments per seed (default: 500000)"
    )
    parser.add_argument("--accounts", metavar="N", type=int, default=20_000, help="number of accounts (default: 20000)")
    parser.add_argument(
        "--rate", metavar="N", type=float, default=3_400, help="records published per second (default: 3400)"
    )
    parser.add_argument(
        "--workers", metavar="N-N", default="3-4", help="minimum and maximum number of workers (default: 3-4)"
    )
    parser.add_argument("--faults", metavar="N", type=int, default=12, help="faults per seed (default: 12)")
    parser.add_argument("--partitions", metavar="N", type=int, default=8, help="partitions of each topic (default: 8)")
    parser.add_argument("--single", action="store_true", help="one stage for all entities; needs --partitions 1")
    parser.add_argument("--standby", action="store_true", help="the workers are standbys of each other")
    parser.add_argument(
        "--rules", metavar="DIR", type=Path, default=RULES, help="rule set directory (default: examples/account_only)"
    )
    parser.add_argument(
        "--out", metavar="FILE", type=Path, default=Path("chaos.jsonl"), help="results file (default: chaos.jsonl)"
    )
    parser.add_argument("--logs", metavar="DIR", type=Path, help="directory in which to keep the logs of the processes")
    return parser


def _read(out: Path) -> list[Result]:
    return [msgspec.json.decode(line, type=Result) for line in out.read_bytes().splitlines()] if out.exists() else []


def _line(result: Result) -> str:
    verdict = "sound" if result.sound else f"WRONG {result.wrong}"
    return "\n".join(
        [
            f"seed {result.seed}: {verdict}; {result.payments:,} payments, {result.alerts:,} alerts, "
            f"{result.cases:,} cases, {result.rows:,} rows; {result.controls} controls, "
            f"{result.listed:,} alerts by lists, {' and '.join(f'{n:,}' for n in result.rule_sets.values())} decisions "
            f"by rule set, {result.case_actions} case actions; "
            f"{len(result.faults)} faults, {len(result.missed)} missed; "
            f"repeats {sum(result.repeats.values()):,}; recovery median {result.recovery_median_s:.1f} s, "
            f"worst {result.recovery_worst_s:.1f} s; exits {result.exits}; {result.seconds:.0f} s",
            *result.findings,
        ]
    )


def _summary(results: list[Result]) -> dict[str, object]:
    wrong: Counter[str] = Counter()
    repeats: Counter[str] = Counter()
    exits: Counter[str] = Counter()
    for result in results:
        wrong.update(result.wrong)
        repeats.update(result.repeats)
        exits.update(result.exits)
    recoveries = [seconds for result in results for seconds in result.recoveries_s]
    return {
        "seeds": len(results),
        "payments": sum(result.payments for result in results),
        "faults": sum(len(result.faults) - len(result.missed) for result in results),
        **{name.replace(" ", "_"): wrong[name] for name in WRONGS},
        "repeats": dict(repeats),
        "exits": dict(exits),
        "recovery_median_s": round(median(recoveries), 2) if recoveries else None,
        "recovery_worst_s": max(recoveries, default=None),
        "missed_points": [missed for result in results for missed in result.missed],
        "seconds": round(sum(result.seconds for result in results)),
    }


if __name__ == "__main__":
    sys.exit(main())

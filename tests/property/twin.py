"""Seeded logs through the engine, with all results as bytes; run as a module it prints those of the plain-Python twin.

NUMBA_DISABLE_JIT=1 python -m tests.property.twin
"""

from __future__ import annotations

import inspect
import pkgutil
import random
import sys
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import msgspec
import numpy as np
from numba.core.dispatcher import Dispatcher

import fraudstream.engine
from fraudstream.engine.amounts import parse_amounts
from fraudstream.engine.conversion import RATE_MAX, convert_column
from fraudstream.engine.digest import PUBLIC_KEY, digest_column
from fraudstream.engine.frame import new_frame
from fraudstream.engine.location import distance_km
from fraudstream.engine.program import verdict_program
from fraudstream.engine.records import Record, records_of
from fraudstream.kafka.record_batch.writer import HEADER_BYTES, write_batches
from fraudstream.stream.decisions import DecisionRecords
from tests.property.drawn_programs import LAYOUT as PROGRAM_LAYOUT
from tests.property.drawn_programs import drawn_frame, drawn_rules
from tests.property.judged_log import judged
from tests.property.payment_logs import ACCOUNTS, LOCATIONS, STEPS_MS, Log, log_of
from tests.property.payment_texts import odd_payment, plain_payment
from tests.property.rule_sets import ACCOUNT_ENGINES, ENGINES, IN_EURO
from tests.property.scan_layout import LAYOUT as SCAN_LAYOUT
from tests.property.scan_layout import SCANNED
from tests.property.scan_twin import drawn_records, new_scanner

SEEDS = range(4)
TEXTS = (
    "",
    "0",
    "-0",
    "1.005",
    "12.50",
    "-7.1",
    "1e3",
    "1.",
    ".5",
    "9" * 24,
    "٣",
    "1\n2",
    "1\0",
    "café",
    "é" * 40,
    "x" * 300,
)


class Twin(msgspec.Struct):
    """`compiled`: functions that are numba's; `ran`: those of them with machine code. `results`: by name."""

    compiled: list[str]
    ran: list[str]
    results: dict[str, Any]


def twin() -> Twin:
    results: dict[str, Any] = {}
    engines = ENGINES | {f"{name}, accounts alone": engine for name, engine in ACCOUNT_ENGINES.items()}
    engines["in euro"] = IN_EURO
    for name, engine in engines.items():
        for seed in SEEDS:
            log = seeded_log(seed)
            state, again = engine.new_state(), engine.new_state()
            half = len(log) // 2
            results[f"{name} {seed}: first half"] = judged(engine, state, [log[:half]])
            saved = state.changes()
            results[f"{name} {seed}: saved"] = [(key.hex(), value.hex()) for key, value in saved]
            again.restore(saved)
            results[f"{name} {seed}: second half"] = judged(engine, again, [log[half:]])
            results[f"{name} {seed}: saved again"] = [(key.hex(), value.hex()) for key, value in again.changes()]
    results["batches"] = list(_batches())
    results["frames"] = list(_frames())
    results["digests"] = digest_column(TEXTS, PUBLIC_KEY).tolist()
    for signed in (False, True):
        for exponent in range(5):
            amounts, faults = parse_amounts(TEXTS, np.full(len(TEXTS), exponent, np.int8), signed)
            results[f"amounts, {exponent} decimals, signed {signed}"] = [amounts.tolist(), faults.tolist()]
    given = np.array([0.0, -1.0, np.nan, 12_345.0, -1e15, 1e15], np.float64)
    for rate in (1, 10**12, 1_172_000_000_001, RATE_MAX):
        converted, currency = given.copy(), np.zeros(len(given), np.uint16)
        convert_column(converted, currency, np.array([rate], np.int64))
        results[f"amounts at {rate}"] = np.where(np.isnan(converted), -0.5, converted).tolist()
    locations = [location for location in LOCATIONS if location is not None]
    results["distances"] = [distance_km(*a, *b) for a in locations for b in locations]
    for seed in SEEDS:
        drawn, frame = drawn_rules(random.Random(seed), rules=70, parts=10), drawn_frame(seed, 20)
        program = verdict_program(drawn.derived, drawn.rules, drawn.parts, PROGRAM_LAYOUT, PUBLIC_KEY)
        true, points = program.run(frame.frame, frame)
        numbers = np.where(np.isnan(frame.frame.number), np.nan, frame.frame.number).view(np.uint64)
        results[f"program {seed}"] = [true.tolist(), points.tolist(), numbers.tolist()]
    compiled = dict(_compiled())
    return Twin(sorted(compiled), sorted(name for name, function in compiled.items() if function.signatures), results)


def seeded_log(seed: int) -> Log:
    draw = random.Random(seed)
    events: list[tuple[str, int, int, int]] = []
    for _ in range(70):
        kind = draw.choice(("pay", "pay", "pay", "pay", "pay", "repeat", "label", "reversal", "capture"))
        step_ms = draw.choice(STEPS_MS) if kind == "pay" else 0
        which = draw.randint(0, len(ACCOUNTS) - 1 if kind == "pay" else 12)
        events.append((kind, which, step_ms, draw.randint(0, 1_000_000)))
    return log_of(events)


def _batches() -> Iterator[str]:
    """Decisions as the records of batches."""
    for engine in ENGINES.values():
        verdicts = engine.judge(seeded_log(0), engine.new_state())
        log = [Record(10**9 + i, 0, None, None, ()) for i in range(verdicts.n)]
        records = DecisionRecords(3, 2).records(log, verdicts, np.arange(verdicts.n), 1000)
        for written in write_batches([records, records._replace(timestamp_ms=900)], 5000):
            yield written.buffer[HEADER_BYTES : written.end].tobytes().hex()


def _frames() -> Iterator[Any]:
    """What the scanner makes of plain and odd records."""
    scanner = new_scanner()
    for make in (plain_payment, odd_payment):
        records = records_of(drawn_records(random.Random(1), make, 120))
        frame, flagged = new_frame(SCAN_LAYOUT, len(records)), np.zeros(len(records), np.uint8)
        scanner.scan(records, frame, flagged)
        plain = flagged == 0
        held = [np.isin(names, SCANNED) for names in (SCAN_LAYOUT.numbers, SCAN_LAYOUT.texts, SCAN_LAYOUT.spans)]
        of_matrices = {"number": held[0], "digest": held[1], "text_at": held[2], "text_length": held[2]}
        for name, column in frame._asdict().items():
            rows = column[of_matrices[name]][:, plain] if name in of_matrices else column[plain]
            yield name, np.ascontiguousarray(rows).tobytes().hex()
        yield "flagged", flagged.tolist()


def _compiled() -> Iterator[tuple[str, Any]]:
    for module in pkgutil.walk_packages(fraudstream.engine.__path__, "fraudstream.engine."):
        for name, member in inspect.getmembers(import_module(module.name)):
            if isinstance(member, Dispatcher) and member.py_func.__module__ == module.name:
                yield f"{module.name}.{name}", member


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.encode(twin()))

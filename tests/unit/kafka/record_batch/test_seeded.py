"""Corrupt responses from seeds: the parser as aiokafka, and compiled as in plain Python."""

from __future__ import annotations

import os
import random
import subprocess
import sys

from fraudstream.kafka.record_batch import record_spans
from tests.unit.kafka.record_batch import seeded
from tests.unit.kafka.record_batch.aiokafkas import by_parser
from tests.unit.kafka.record_batch.drawn_batches import BASE

COMPARED = 4_000
PLAIN = 300


def test_the_parser_agrees_with_aiokafka_on_every_seed() -> None:
    differing = [seed for seed in range(COMPARED) if seeded.agree(seeded.response(random.Random(seed))) is False]
    assert differing == []


def test_the_seeds_reach_records_and_errors() -> None:
    """Guard: an input that is always refused at once would compare nothing."""
    found = [by_parser(seeded.response(random.Random(seed)), BASE) for seed in range(PLAIN)]
    assert sum(outcome.failed for outcome in found) > PLAIN / 4
    assert sum(not outcome.failed for outcome in found) > PLAIN / 8
    assert sum(outcome.failed and bool(outcome.records) for outcome in found) > PLAIN / 10


def test_compiled_and_in_plain_python_it_gives_the_same() -> None:
    compiled = seeded.digest(range(PLAIN))
    assert record_spans.read_records.signatures, "the fast side is machine code"  # type: ignore[attr-defined]
    command = [sys.executable, "-W", "ignore:overflow:RuntimeWarning", "-m", seeded.__name__, str(PLAIN)]
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1"}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True, timeout=200, text=True)
    assert done.stdout.strip() == compiled

"""The compiled engine and the same functions as plain Python agree to the bit: floats, alerts, saved bytes.

The twin runs in a process of its own with NUMBA_DISABLE_JIT=1. The first two tests are the guard: they fail where the
fast side was not compiled, or the slow one was, lest an engine be compared with itself.
"""

from __future__ import annotations

import os
import subprocess
import sys

import msgspec
import pytest

from tests.property.twin import Twin, twin

ENTRIES = (
    "fraudstream.engine.amounts._parse_joined",
    "fraudstream.engine.changed_rows._write_rows",
    "fraudstream.engine.conversion.convert",
    "fraudstream.engine.conversion.convert_column",
    "fraudstream.engine.decision_bytes.write_decisions",
    "fraudstream.engine.digest._digest_joined",
    "fraudstream.engine.kernel.remember_verdicts",
    "fraudstream.engine.kernel.update",
    "fraudstream.engine.kernel_events.write_events",
    "fraudstream.engine.key_index._find",
    "fraudstream.engine.ledger._enter",
    "fraudstream.engine.location.distance_km",
    "fraudstream.engine.program.interpreter.run",
    "fraudstream.engine.restored_rows._write_parts",
    "fraudstream.engine.ring.resize_all",
    "fraudstream.engine.scan.record.scan_records",
    "fraudstream.engine.settling.settle",
)


@pytest.fixture(scope="module")
def compiled() -> Twin:
    return msgspec.json.decode(msgspec.json.encode(twin()), type=Twin)


@pytest.fixture(scope="module")
def plain() -> Twin:
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    command = [sys.executable, "-W", "ignore:overflow encountered:RuntimeWarning", "-m", "tests.property.twin"]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True, timeout=100)
    return msgspec.json.decode(done.stdout, type=Twin)


def test_the_fast_side_ran_as_machine_code(compiled: Twin) -> None:
    assert set(ENTRIES) <= set(compiled.ran)


def test_the_slow_side_ran_as_plain_python(plain: Twin) -> None:
    assert plain.compiled == []


def test_both_agree_to_the_bit(compiled: Twin, plain: Twin) -> None:
    assert compiled.results.keys() == plain.results.keys()
    for name, result in compiled.results.items():
        assert result == plain.results[name], name


def test_the_logs_reach_every_kind_of_answer(compiled: Twin) -> None:
    """Guard: the log has answers of every error, repeats, late payments and alerts, so equality is a strong check."""
    halves = [result for name, result in compiled.results.items() if name.endswith("half")]
    verdicts = [verdict for verdicts, *_ in halves for verdict in verdicts]
    assert {error for _, _, features, _ in verdicts for _, error in features.values()} == {0, 1, 2, 3}
    assert any(alerts for _, alerts, *_ in halves)
    for word in ('"repeat":true', '"late":true', '"unmatched":[', '"block"', '"review"'):
        assert any(word in _decision(verdict) for verdict in verdicts), word


def _decision(verdict: list[str]) -> str:
    return msgspec.json.decode(f'"{verdict[1]}"', type=bytes).decode()

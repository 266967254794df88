"""A log gives the same alert bytes in replay, at any batch size, and in the stream, with any number of workers.

Labels are in the same log as payments, so their order counts as well. The payments are generated, with some alerts of
each kind of rule, in several currencies, whose amounts the shipped `currencies.yaml` converts.
"""

import subprocess
import sys
from pathlib import Path

from benchmarks.parity import measure
from benchmarks.throughput import RULES

PAYMENTS = 8_000


def test_replay_and_stream_give_the_same_alerts_byte_for_byte(tmp_path: Path) -> None:
    file = tmp_path / "payments.parquet"
    generate = [sys.executable, "-m", "fraudstream.cli.main", "generate", "--out", str(file), "--seed", "5", "--json"]
    options = ["--count", str(PAYMENTS), "--accounts", "500", "--history", "5d", "--fraud-share", "0.05"]
    subprocess.run([*generate, *options], check=True, stdout=subprocess.DEVNULL)
    runs = measure(file, "generated", RULES["account"], batch_sizes=[1, 7, 1000], workers=[1, 3], payments=PAYMENTS)
    assert runs[0].alerts > 50
    assert {(run.alerts, run.digest) for run in runs} == {(runs[0].alerts, runs[0].digest)}

"""What surrounds the kernel is compiled without the kernel."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
from fraudstream.engine import changed_rows, kernel, key_index, restored_rows
from fraudstream.engine.program import interpreter
from fraudstream.engine.scan import record
from fraudstream.kafka.record_batch import record_spans, writer
from fraudstream.stream.faust.compilation import compile_around_kernel

around = (
    changed_rows._write_rows,
    interpreter.run,
    key_index._find,
    record.scan_records,
    record_spans.read_records,
    restored_rows._locate,
    writer._write_records,
)
compile_around_kernel()
for function in (*around, kernel.update):
    print(function.__name__, len(function.overloads))
"""


def test_the_second_process_compiles_all_but_the_kernel() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True)
    *around, of_kernel = done.stdout.splitlines()
    assert [line.split()[1] for line in around] == ["1"] * 7, around
    assert of_kernel == "update 0"

"""With NUMBA_BOUNDSCHECK=1 compiled code that leaves an array raises, so that the suite finds it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import sys
import numpy as np
from fraudstream.compiled import memory
from fraudstream.compiled.jit import entry_point

@entry_point
def index(data, at):
    return data[at]

@entry_point
def load(data, at):
    return memory.load_word(data, at)

@entry_point
def special(data, at):
    return memory.first_special(data, at)

@entry_point
def copy(data, at):
    memory.copy_block(data, 0, data, at)

@entry_point
def store(data, at):
    memory.store_word(data, at, np.uint64(1))

try:
    {call}(np.zeros(64, np.uint8), {at})
except IndexError:
    sys.exit(7)
"""


@pytest.mark.parametrize(("call", "last"), [("index", 63), ("load", 56), ("store", 56), ("special", 32), ("copy", 32)])
def test_only_an_access_outside_the_array_raises(call: str, last: int, tmp_path: Path) -> None:
    environment = os.environ | {"NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": str(tmp_path)}
    codes = []
    for at in (last, last + 1):
        program = tmp_path / "access.py"
        program.write_text(PROGRAM.format(call=call, at=at))
        codes.append(subprocess.run([sys.executable, str(program)], env=environment, timeout=120).returncode)
    assert codes == [0, 7]

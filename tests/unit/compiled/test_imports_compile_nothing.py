"""Importing the package compiles nothing: commands that need no kernel start at once, and a first run can say that it
compiles."""

import os
import subprocess
import sys
from pathlib import Path

MODULES = "fraudstream.cli.compile_kernel, fraudstream.backtest.replay, fraudstream.backtest.score_tuning"


def test_importing_the_engine_and_its_users_compiles_nothing(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-c", f"import {MODULES}"],
        check=True,
        env=os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)},
    )
    assert list(tmp_path.rglob("*.nbc")) == []

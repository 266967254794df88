"""The process that compiles the kernel says so on the first run only."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fraudstream.cli.command_process import COMPILING, kernel_process, wait_until_compiled
from fraudstream.cli.failure import Failure

RULES = Path(__file__).parents[3] / "benchmarks" / "small"


async def reports_of(cache: Path, rules: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is reported of a kernel process with this cache, whatever time it takes."""
    monkeypatch.setattr("fraudstream.cli.command_process.KERNEL_REPORT_S", 2.0)
    said: list[str] = []
    kernel = kernel_process(str(rules), dict(os.environ) | {"NUMBA_CACHE_DIR": str(cache)})
    kernel.start()
    await wait_until_compiled(kernel, said.append)
    return said


async def test_compiling_is_reported_on_the_first_run_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = await reports_of(tmp_path / "cache", RULES, monkeypatch)
    assert first == [COMPILING, "the kernel is ready"]
    again = await reports_of(tmp_path / "cache", RULES, monkeypatch)
    assert COMPILING not in again


async def test_a_kernel_that_cannot_be_compiled_is_reported_with_the_fault_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Failure) as raised:
        await reports_of(tmp_path / "cache", tmp_path / "no-rules", monkeypatch)
    assert raised.value.sentence.startswith(f"{tmp_path / 'no-rules'} is not a directory of rules.")

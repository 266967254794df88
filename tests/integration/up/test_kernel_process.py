"""The process that compiles the kernel says whether it compiles or loads, and what takes long is reported."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from fraudstream.cli.command_process import COMPILING, IMPORT_S_MAX, LOADING, kernel_process, wait_until_compiled
from fraudstream.cli.failure import Failure
from fraudstream.supervision.process import ChildProcess

RULES = Path(__file__).parents[3] / "benchmarks" / "small"


def kernel_with(rules: Path, cache: Path | None) -> ChildProcess:
    """A kernel process with this cache, or that of the tests, started."""
    kernel = kernel_process(str(rules), dict(os.environ) | ({"NUMBA_CACHE_DIR": str(cache)} if cache else {}))
    kernel.start()
    return kernel


async def test_an_empty_cache_means_compiling(tmp_path: Path) -> None:
    kernel = kernel_with(RULES, tmp_path / "cache")
    try:
        await asyncio.to_thread(kernel.wait_until_ready, lambda: bool(kernel.text()), IMPORT_S_MAX)
        assert kernel.text().strip() == COMPILING
    finally:
        kernel.kill()
        await kernel.wait()


async def test_what_takes_long_is_reported_at_its_start_and_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fraudstream.cli.command_process.KERNEL_REPORT_S", 0.0)
    said: list[str] = []
    await wait_until_compiled(kernel_with(RULES, None), said.append)
    assert said == [LOADING, "the kernel is ready"]


async def test_a_kernel_that_cannot_be_compiled_is_reported_with_the_fault_alone(
    tmp_path: Path,
) -> None:
    with pytest.raises(Failure) as raised:
        await wait_until_compiled(kernel_with(tmp_path / "no-rules", tmp_path / "cache"), lambda _: None)
    assert raised.value.sentence.startswith(f"{tmp_path / 'no-rules'} is not a directory of rules.")

"""Machine code kept on disk is that of the sources at hand."""

from __future__ import annotations

from pathlib import Path

import fraudstream.engine
from fraudstream.engine import jit, kernel

ENGINE = Path(fraudstream.engine.__file__).parent


def test_every_module_that_machine_code_comes_from_counts() -> None:
    """Those with compiled functions, and `arena` and `kernel_types`, whose constants and record types are compiled in."""
    compiling = {path.stem for path in ENGINE.glob("*.py") if "@jit" in path.read_text()}
    assert compiling | {"arena", "kernel_types"} == set(jit.COMPILED)


def test_compiled_modules_take_nothing_else_from_the_engine_but_types() -> None:
    """What they import is compiled in, so it must count as well. (`arrays` has names of types, `jit` the decorator.)"""
    for name in jit.COMPILED:
        imported = {
            line.split()[1].removeprefix("fraudstream.engine.")
            for line in (ENGINE / f"{name}.py").read_text().splitlines()
            if line.startswith("from fraudstream.engine")
        }
        assert imported <= {*jit.COMPILED, "arrays", "jit"}, name


def test_the_kernel_is_kept_under_the_digest_of_all_sources() -> None:
    assert jit._SOURCES in kernel.update._cache.cache_path  # type: ignore[attr-defined]

"""Cached machine code belongs to the present sources."""

from __future__ import annotations

from pathlib import Path

import fraudstream.engine
from fraudstream.engine import jit, kernel

ENGINE = Path(fraudstream.engine.__file__).parent


# What compiled modules import and no machine code depends on: types, the decorator, the parts of the definitions.
UNCOMPILED = {"arrays", "jit", "expression", "aggregates/definition", "aggregates/operands"}


def test_the_digest_covers_every_compiled_module() -> None:
    """Those with compiled functions, and `arena` and `kernel_types`, whose constants and record types are compiled."""
    compiling = {
        str(path.relative_to(ENGINE).with_suffix("")) for path in ENGINE.rglob("*.py") if "\n@jit\n" in path.read_text()
    }
    assert compiling | {"arena", "kernel_types"} == set(jit.COMPILED)


def test_compiled_modules_import_only_what_the_digest_covers() -> None:
    for name in jit.COMPILED:
        imported = {
            line.split()[1].removeprefix("fraudstream.engine.").replace(".", "/")
            for line in (ENGINE / f"{name}.py").read_text().splitlines()
            if line.startswith("from fraudstream.engine")
        }
        assert imported <= {*jit.COMPILED, *UNCOMPILED}, name


def test_the_kernel_is_cached_under_the_digest_of_all_sources() -> None:
    assert jit._SOURCES in kernel.update._cache.cache_path  # type: ignore[attr-defined]

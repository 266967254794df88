"""Cached machine code belongs to the present sources."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import fraudstream
from fraudstream.compiled import jit
from fraudstream.engine import kernel, siphash
from fraudstream.engine.digest import PUBLIC_KEY, _digest_joined, digest_column

PACKAGE = Path(fraudstream.__file__).parent


# What compiled modules import and no machine code depends on: types, the decorator, the parts of the definitions.
UNCOMPILED = {
    "compiled/direct",
    "compiled/jit",
    "contracts/log_record",
    "engine/aggregates/definition",
    "engine/aggregates/operands",
    "engine/arrays",
    "engine/expression",
    "engine/packed_records",
    "kafka/record_batch/outgoing",
}


def test_the_digest_covers_every_compiled_module() -> None:
    """Those with compiled functions, those whose constants and record types are compiled, and
    `bits` and `memory`, which choose between compiled functions and plain ones."""
    compiling = {
        str(path.relative_to(PACKAGE).with_suffix(""))
        for path in PACKAGE.rglob("*.py")
        if "\n@jit\n" in (text := path.read_text()) or "entry_point\ndef " in text
    }
    of_constants = {
        "compiled/bits",
        "compiled/memory",
        "compiled/packed",
        "compiled/spans",
        "contracts/currency",
        "contracts/headers",
        "engine/arena",
        "engine/frame",
        "engine/kernel_types",
        "engine/learned_score/counts",
        "engine/program/operations",
        "engine/records",
        "engine/saved",
        "engine/scan/table_types",
        "engine/trees/ensemble",
        "tracing/header_names",
    }
    assert compiling | of_constants == set(jit.COMPILED)


def test_compiled_modules_import_only_what_the_digest_covers() -> None:
    for name in jit.COMPILED:
        imported = {
            line.split()[1].removeprefix("fraudstream.").replace(".", "/")
            for line in (PACKAGE / f"{name}.py").read_text().splitlines()
            if line.startswith("from fraudstream.")
        }
        assert imported <= {*jit.COMPILED, *UNCOMPILED}, name


def test_the_kernel_is_cached_under_the_digest_of_all_sources() -> None:
    assert jit._SOURCES in kernel.update._cache.cache_path  # type: ignore[attr-defined]


def test_a_function_that_is_inlined_can_be_called_from_python() -> None:
    assert int(siphash._rotated(np.uint64(1), 5)) == 32
    assert int(siphash._rotated(np.uint64(1), 6)) == 64


def test_a_function_is_cached_once_it_was_called() -> None:
    digest_column(["payment"], PUBLIC_KEY)
    assert jit.can_cache()
    assert jit.is_cached(_digest_joined)
    assert not jit.is_cached(digest_column)

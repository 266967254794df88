"""Test modules are independent of each other: what they share is in support modules, named for what they hold."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parents[1]


def imported_modules(module: Path) -> Iterator[str]:
    """The dotted names that a module imports, anywhere in its text; of `from a import b`, both `a` and `a.b`."""
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
            yield from (f"{node.module or ''}.{name.name}" for name in node.names)


def is_test_module(dotted: str) -> bool:
    """Whether a dotted name is that of a `test_*.py` or `conftest.py` below `tests`."""
    path = TESTS.parent.joinpath(*dotted.split(".")).with_suffix(".py")
    is_test = path.name.startswith("test_") or path.name == "conftest.py"
    return dotted.startswith("tests.") and is_test and path.is_file()


def test_no_module_imports_from_a_test_module() -> None:
    modules = [*TESTS.rglob("*.py"), *(TESTS.parent / "benchmarks").rglob("*.py")]
    assert len(modules) > 100
    found = [
        f"{module.relative_to(TESTS.parent)} imports {dotted}"
        for module in modules
        for dotted in imported_modules(module)
        if is_test_module(dotted)
    ]
    assert found == [], "move what is shared to a support module"


def test_a_test_module_is_recognised_by_its_file() -> None:
    assert is_test_module("tests.unit.test_test_modules")
    assert is_test_module("tests.conftest")
    assert not is_test_module("tests.unit.test_test_modules.TESTS")
    assert not is_test_module("tests.brokers")
    assert not is_test_module("tests.brokers.on_kafka")

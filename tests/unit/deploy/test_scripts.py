"""The Python scripts beside the package use names of it that exist: no type checker reads them."""

import ast
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[3]
SCRIPTS = sorted(path for folder in ("deploy", "examples", ".ci") for path in (ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_script_imports_only_what_the_package_has(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "fraudstream":
            module = import_module(node.module or "")
            missing = [alias.name for alias in node.names if not _has(module, alias.name)]
            assert not missing, f"{path}:{node.lineno}: {module.__name__} has no {', '.join(missing)}"


def _has(module: ModuleType, name: str) -> bool:
    """Whether the module has an attribute of that name, or, if it is a package, a submodule."""
    return hasattr(module, name) or (hasattr(module, "__path__") and find_spec(f"{module.__name__}.{name}") is not None)


def test_there_are_scripts_that_use_the_package() -> None:
    """Guard: the search above finds them."""
    assert any("from fraudstream" in path.read_text(encoding="utf-8") for path in SCRIPTS)

"""Imports point one way: the contracts under [tool.importlinter] in pyproject.toml hold, and there is no cycle."""

import ast
import logging
from collections.abc import Iterator, Mapping, Set
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest
from importlinter import cli

ROOT = Path(__file__).parents[2]
STREAM = ROOT / "fraudstream" / "stream"


@pytest.fixture(autouse=True)
def loggers_stay_enabled() -> Iterator[None]:
    """import-linter configures logging, which disables all other loggers: enable them again for the next tests."""
    yield
    for logger in logging.Logger.manager.loggerDict.values():
        if isinstance(logger, logging.Logger):
            logger.disabled = False


def lint(config: Path, capsys: pytest.CaptureFixture[str]) -> tuple[bool, str]:
    """Whether all contracts of `config` hold, and the report."""
    kept = cli.lint_imports(config_filename=str(config), no_cache=True) == cli.EXIT_STATUS_SUCCESS
    return kept, capsys.readouterr().out


def test_imports_point_one_way(capsys: pytest.CaptureFixture[str]) -> None:
    kept, report = lint(ROOT / "pyproject.toml", capsys)
    assert kept, report


def test_an_import_against_the_arrow_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Guard: the linter does look at our packages, so that the test above can fail."""
    config = tmp_path / "pyproject.toml"
    config.write_text(
        '[tool.importlinter]\nroot_package = "fraudstream"\n'
        '[[tool.importlinter.contracts]]\nname = "upside down"\ntype = "layers"\n'
        'layers = ["fraudstream.contracts", "fraudstream.cli"]\n'
    )
    kept, report = lint(config, capsys)
    assert not kept
    assert "fraudstream.cli.topics -> fraudstream.contracts.schemas" in report


def imports_of(source: str, package: str) -> Iterator[str]:
    """Every module that `source`, of a module in `package`, may import, those under TYPE_CHECKING included.

    `from a import b` yields `a` and `a.b`, for b may be a module.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            up = package.split(".")[: -(node.level - 1) or None] if node.level else []
            base = ".".join([*up, *filter(None, [node.module])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def import_graph(root: Path, package: str) -> dict[str, set[str]]:
    """The modules of `package`, a folder of `root`, each with those of them that it imports.

    An import of a package's module does not count as one of the package: its `__init__` is loaded without being used.
    """
    paths = {".".join(path.relative_to(root).with_suffix("").parts): path for path in (root / package).glob("**/*.py")}
    modules = {name.removesuffix(".__init__"): path for name, path in paths.items()}
    graph: dict[str, set[str]] = {}
    for name, path in modules.items():
        parent = name if path.name == "__init__.py" else name.rpartition(".")[0]
        found = set(imports_of(path.read_text(), parent))
        packages = {each for each in found if any(other.startswith(f"{each}.") for other in found & modules.keys())}
        graph[name] = (found - packages) & modules.keys() - {name}
    return graph


def cycle_in(graph: Mapping[str, Set[str]]) -> list[str]:
    """A cycle of the graph, empty if there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        cycle: list[str] = error.args[1]
        return cycle
    return []


def test_no_modules_import_each_other_in_a_cycle() -> None:
    """At run time or under TYPE_CHECKING: a cycle of types is one of understanding, too."""
    graph = import_graph(ROOT, "fraudstream")
    assert len(graph) > 200
    assert " imports ".join(reversed(cycle_in(graph))) == ""


def test_a_cycle_under_type_checking_is_found(tmp_path: Path) -> None:
    """Guard: the test above can fail."""
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "a.py").write_text("from package.b import B\n")
    (package / "b.py").write_text("if TYPE_CHECKING:\n    from . import c\n")
    (package / "c.py").write_text("import package.a\n")
    assert set(cycle_in(import_graph(tmp_path, "package"))) == {"package.a", "package.b", "package.c"}


def test_in_the_stream_only_the_faust_folder_names_a_kafka_client() -> None:
    """Stages reach Kafka through `stream.ports`; private names of the client are kept in one folder."""
    naming = {
        path.relative_to(STREAM).as_posix()
        for path in STREAM.glob("**/*.py")
        if "faust" not in path.relative_to(STREAM).parts
        and any(name.split(".")[0] in ("aiokafka", "faust", "mode") for name in imports_of(path.read_text(), ""))
    }
    assert naming == set(), "use a port of stream/ports.py, or move the module to stream/faust"

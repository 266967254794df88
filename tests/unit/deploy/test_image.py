"""What the image is built from: wheels with the hashes that were locked, of the versions that are tested."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
NOT_SERVED = ("embedded", "learning")  # servers for trials, and what trains models
LOCKS = sorted(ROOT.glob("requirements*.lock"))


def locked(path: Path) -> dict[tuple[str, str], int]:
    """How many hashes each package has, by name and version."""
    found: dict[tuple[str, str], int] = {}
    for part in re.split(r"\n(?=[a-z0-9])", path.read_text()):
        if match := re.match(r"([a-z0-9._-]+)==(\S+)", part):
            found[match[1], match[2]] = part.count("--hash=sha256:")
    return found


def test_there_are_lock_files() -> None:
    names = {path.name.removeprefix("requirements").strip("-").removesuffix(".lock") for path in LOCKS}
    assert names == {"", "build", "deploy", "docs", "image", "test"}


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_each_package_of_a_lock_has_hashes(path: Path) -> None:
    packages = locked(path)
    assert len(packages) == len(re.findall(r"^[a-z0-9._-]+==", path.read_text(), re.MULTILINE)) > 0
    assert not [package for package, hashes in packages.items() if hashes == 0]


@pytest.mark.parametrize("name", ["build", "image"])
def test_the_image_has_the_versions_that_are_tested(name: str) -> None:
    tested, of_image = locked(ROOT / "requirements.lock"), locked(ROOT / f"requirements-{name}.lock")
    assert of_image.items() <= tested.items()


def test_the_image_has_every_package_that_a_command_of_it_needs() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].items()
    served = [each for extra, needed in extras if extra not in NOT_SERVED for each in needed]
    names = {re.split(r"[\[<>=!~; ]", each)[0].lower() for each in (*project["dependencies"], *served)}
    assert names <= {name for name, _ in locked(ROOT / "requirements-image.lock")}, "SERVED in the Makefile, make lock"


def test_pip_installs_wheels_by_their_hashes_and_nothing_from_elsewhere() -> None:
    installs = re.findall(r"pip install (.+?)(?: &&| \\|\n)", DOCKERFILE)
    assert len(installs) == 3
    for options in installs:
        assert "--require-hashes --only-binary :all:" in options or "--no-index" in options


def test_the_base_is_an_argument_so_that_a_build_can_name_its_digest() -> None:
    assert re.search(r"^ARG PYTHON_IMAGE=python:3\.\d+-slim-\w+$", DOCKERFILE, re.MULTILINE)
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    own = set(re.findall(r"^FROM .* AS (\S+)$", DOCKERFILE, re.MULTILINE)) | {
        "python-${TARGETARCH}",
        "build-${TARGETARCH}",
    }
    assert set(bases) - own == {"${PYTHON_IMAGE}"}


def test_the_image_that_runs_has_no_compiler_installed() -> None:
    final = DOCKERFILE.rsplit("\nFROM ", 1)[1]
    assert "apt-get" not in final
    assert "pip" not in final

"""The program, installed where its user cannot write, with no home: it runs, and logs at most once what it lacks.

The package is copied and made read-only. The commands run without root's right to write everywhere.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import fraudstream

ROOT = Path(fraudstream.__file__).parents[1]
NOT_CACHED = "compiled code is not cached"
WRITE = 0o222


# Compiles the digests only, through settings and cache as a command does.
DIGESTS = "from fraudstream.engine.digest import PUBLIC_KEY, digest_column; digest_column(['a'], PUBLIC_KEY)"
AFTER_A_COMMAND = f"from fraudstream.cli.main import main; main(['config']); {DIGESTS}"


class ReadOnlyInstall:
    """The package below `site`, the rules beside it."""

    def __init__(self, site: Path) -> None:
        self.site = site

    def run(self, *python: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
        """Python with these arguments, in an otherwise empty environment."""
        # Root without capabilities is bound by permissions as any user is.
        drop = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []
        no_home = {"HOME": "/dev/null/home"}
        return subprocess.run(
            [*drop, sys.executable, *python],
            cwd=cwd or self.site,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(self.site), **no_home, **environment},
            capture_output=True,
            text=True,
            timeout=300,
        )


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReadOnlyInstall]:
    if os.geteuid() == 0 and shutil.which("setpriv") is None:
        pytest.skip("as root this needs setpriv")
    site = tmp_path_factory.mktemp("site")
    for name in ("fraudstream", "rules"):
        shutil.copytree(ROOT / name, site / name, ignore=shutil.ignore_patterns("__pycache__"))
    paths = [site, *site.rglob("*")]
    for path in paths:
        path.chmod(path.stat().st_mode & ~WRITE)
    yield ReadOnlyInstall(site)
    for path in paths:
        path.chmod(path.stat().st_mode | 0o200)


@pytest.fixture
def private(tmp_path: Path) -> Path:
    """A directory of this user alone."""
    tmp_path.chmod(0o700)
    return tmp_path


def test_machine_code_is_cached_in_the_directory_for_temporary_files(installed: ReadOnlyInstall, private: Path) -> None:
    done = installed.run("-c", DIGESTS, TMPDIR=str(private))
    assert (done.returncode, done.stderr) == (0, "")
    [cache] = private.glob("fraudstream-cache-*")
    assert list(cache.rglob("*.nbc"))
    assert not list(installed.site.rglob("*.nbc"))


def test_machine_code_is_cached_in_xdg_cache_home(installed: ReadOnlyInstall, private: Path) -> None:
    done = installed.run("-c", DIGESTS, XDG_CACHE_HOME=str(private))
    assert (done.returncode, done.stderr) == (0, "")
    assert list((private / "fraudstream").rglob("*.nbc"))


def test_a_damaged_cache_is_compiled_anew(installed: ReadOnlyInstall, private: Path) -> None:
    cache = str(private)
    assert installed.run("-c", DIGESTS, XDG_CACHE_HOME=cache).returncode == 0
    for file in private.rglob("*.nb[ic]"):
        file.write_bytes(file.read_bytes()[:20])
    done = installed.run("-c", DIGESTS, XDG_CACHE_HOME=cache)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("it is compiled again.") == 1
    again = installed.run("-c", DIGESTS, XDG_CACHE_HOME=cache)
    assert (again.returncode, again.stderr) == (0, "")


def test_the_settings_name_the_cache(installed: ReadOnlyInstall, private: Path) -> None:
    cache = private / "kernel"
    done = installed.run("-c", AFTER_A_COMMAND, TMPDIR=str(private), FRAUDSTREAM_CACHE_DIRECTORY=str(cache))
    assert (done.returncode, done.stderr) == (0, "")
    assert list(cache.rglob("*.nbc"))


def test_a_directory_of_the_settings_that_cannot_be_used_is_named(installed: ReadOnlyInstall, private: Path) -> None:
    done = installed.run("-c", DIGESTS, TMPDIR=str(private), NUMBA_CACHE_DIR="/dev/null/kernel")
    assert done.returncode == 0
    assert done.stderr.startswith("cache.directory cannot be used: /dev/null/kernel: Not a directory. Compiled code is")
    assert done.stderr.count("\n") == 1


def test_where_nothing_can_be_written_it_compiles_in_memory_and_says_so_once(
    installed: ReadOnlyInstall, private: Path
) -> None:
    (taken := private / f"fraudstream-cache-{os.geteuid()}").write_text("not a directory")
    done = installed.run("-c", AFTER_A_COMMAND, TMPDIR=str(private))
    assert done.returncode == 0, done.stderr
    assert done.stderr.count(NOT_CACHED) == 1
    assert f"{taken}: File exists" in done.stderr
    assert "cache.directory" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_working_directory_that_may_not_be_searched_is_no_fault(installed: ReadOnlyInstall, private: Path) -> None:
    (closed := private / "closed").mkdir(mode=0)
    done = installed.run(
        "-P", "-m", "fraudstream.cli.main", "rules", "check", str(installed.site / "rules"), cwd=closed
    )
    assert (done.returncode, done.stderr) == (0, "")

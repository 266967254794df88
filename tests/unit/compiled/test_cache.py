"""Machine code is cached in a directory that this user can write to and no other user can."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from fraudstream.compiled.cache import jit_cache, seed

UID = os.geteuid()


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory for temporary files, as sticky as /tmp."""
    directory = tmp_path / "tmp"
    directory.mkdir()
    directory.chmod(0o1777)
    monkeypatch.setattr(tempfile, "tempdir", str(directory))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return directory


def unusable(tmp_path: Path) -> Path:
    """A directory that nobody can make: its parent is a file."""
    (tmp_path / "file").write_text("")
    return tmp_path / "file" / "cache"


def test_the_given_directory_comes_first_then_the_one_beside_the_sources(tmp_path: Path) -> None:
    package = tmp_path / "package"
    assert jit_cache({"NUMBA_CACHE_DIR": str(tmp_path / "given")}, package).directory == tmp_path / "given"
    assert jit_cache({}, package).directory == package
    assert jit_cache({"NUMBA_CACHE_DIR": ""}, package).refused == ()


def test_a_directory_that_cannot_be_written_to_is_passed_over_with_the_reason(tmp_path: Path) -> None:
    wrong, home = unusable(tmp_path), tmp_path / "xdg"
    found = jit_cache({"NUMBA_CACHE_DIR": str(wrong), "XDG_CACHE_HOME": str(home)}, tmp_path / "file" / "package")
    assert found.directory == home / "fraudstream"
    assert found.refused == (f"{wrong}: Not a directory", f"{tmp_path}/file/package: Not a directory")
    assert (home / "fraudstream").stat().st_mode & 0o777 == 0o700


def test_without_xdg_cache_home_it_is_the_users_cache(tmp_path: Path) -> None:
    for environment in ({}, {"XDG_CACHE_HOME": ""}, {"XDG_CACHE_HOME": "relative/path"}):
        assert jit_cache(environment, unusable(tmp_path)).directory == tmp_path / "home/.cache/fraudstream"


def test_without_a_home_it_is_the_directory_for_temporary_files(
    tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "file" / "home"))
    found = jit_cache({}, unusable(tmp_path))
    assert found.directory == temporary / f"fraudstream-cache-{UID}"
    assert jit_cache({}, unusable(tmp_path)).directory == found.directory  # and the next start finds it again


def test_a_directory_of_somebody_else_is_not_used(
    tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They could have put machine code there."""
    monkeypatch.setenv("HOME", str(tmp_path / "file" / "home"))
    package, other = unusable(tmp_path), UID + 1
    (theirs := temporary / f"fraudstream-cache-{other}").mkdir(mode=0o700)
    found = jit_cache({}, package, uid=other)
    assert found.directory is None
    assert found.refused[-1] == f"{theirs}: it belongs to user {UID}"
    assert str(found).startswith(f"nowhere ({package}: Not a directory")


@pytest.mark.parametrize(
    ("made", "why"),
    [("link", "it is a link"), ("writable", "other users can write to it"), ("replaceable", "other users can replace")],
)
def test_a_directory_that_others_can_write_to_is_not_used(
    made: str, why: str, tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "file" / "home"))
    directory = temporary / f"fraudstream-cache-{UID}"
    if made == "link":
        (tmp_path / "elsewhere").mkdir()
        directory.symlink_to(tmp_path / "elsewhere")
    else:
        directory.mkdir(mode=0o700)
        directory.chmod(0o777 if made == "writable" else 0o700)
        temporary.chmod(0o777 if made == "replaceable" else 0o1777)
    found = jit_cache({}, unusable(tmp_path))
    assert found.directory is None
    assert why in found.refused[-1]


def test_where_nothing_can_be_written_the_cache_is_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_directory() -> str:
        raise FileNotFoundError("No usable temporary directory found")

    monkeypatch.setattr(tempfile, "gettempdir", no_directory)
    monkeypatch.setenv("HOME", str(tmp_path / "file" / "home"))
    assert jit_cache({}, unusable(tmp_path)).directory is None


def shipped_code(tmp_path: Path) -> Path:
    """A read-only directory as an image ships it."""
    shipped = tmp_path / "shipped"
    (shipped / "numba-1" / "engine").mkdir(parents=True)
    (shipped / "numba-1" / "engine" / "kernel.1.nbc").write_bytes(b"code")
    return shipped


def test_compiled_code_that_ships_with_the_program_is_copied_to_the_cache(tmp_path: Path) -> None:
    shipped = shipped_code(tmp_path)
    (cache := tmp_path / "cache").mkdir()
    seed(cache, "numba-1", shipped)
    assert (cache / "numba-1" / "engine" / "kernel.1.nbc").read_bytes() == b"code"
    assert [path.name for path in cache.iterdir()] == ["numba-1"]


def test_a_cache_that_has_code_of_these_sources_keeps_it(tmp_path: Path) -> None:
    shipped, cache = shipped_code(tmp_path), tmp_path / "cache"
    (cache / "numba-1").mkdir(parents=True)
    seed(cache, "numba-1", shipped)
    assert not list((cache / "numba-1").iterdir())


def test_code_of_other_sources_is_not_copied(tmp_path: Path) -> None:
    shipped = shipped_code(tmp_path)
    (cache := tmp_path / "cache").mkdir()
    seed(cache, "numba-2", shipped)
    seed(cache, "numba-1", tmp_path / "nothing ships")
    assert not list(cache.iterdir())


def test_of_two_processes_that_copy_at_once_the_first_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shipped = shipped_code(tmp_path)
    (cache := tmp_path / "cache").mkdir()
    rename = Path.rename

    def second(copied: Path, to: Path) -> Path:
        (to / "engine").mkdir(parents=True)
        (to / "engine" / "kernel.1.nbc").write_bytes(b"first")
        return rename(copied, to)

    monkeypatch.setattr(Path, "rename", second)
    seed(cache, "numba-1", shipped)
    assert (cache / "numba-1" / "engine" / "kernel.1.nbc").read_bytes() == b"first"
    assert [path.name for path in cache.iterdir()] == ["numba-1"]

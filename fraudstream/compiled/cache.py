"""Where compiled machine code is cached: the first of these directories that can be written to and trusted.

    1. NUMBA_CACHE_DIR, which the setting `cache.directory` sets
    2. `__pycache__` beside the sources, as Python's own
    3. fraudstream in XDG_CACHE_HOME, else in ~/.cache
    4. fraudstream-cache-UID in the directory for temporary files

Anyone who can write a cache can run code as its reader. So 3 and 4 are used only if no other user can write there. If
none can be used, the program compiles again at every start.

An image may ship compiled code in `shipped/compiled` of the package, which is read-only. It is copied to the cache, and
used there on the kind of processor that it was compiled for (NUMBA_CPU_NAME).
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

GIVEN: Final = "NUMBA_CACHE_DIR"
SHIPPED: Final = Path(__file__).parents[1] / "shipped" / "compiled"

_NAME: Final = "fraudstream"
_PACKAGE: Final = Path(__file__).parent / "__pycache__"
_OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH


class JitCache(NamedTuple):
    """`directory`: where machine code is cached; None: nowhere. `refused`: the directories tried before, each with why
    it cannot be used."""

    directory: Path | None
    refused: tuple[str, ...]

    def __str__(self) -> str:
        return str(self.directory) if self.directory is not None else f"nowhere ({'; '.join(self.refused)})"


def jit_cache(environment: Mapping[str, str], package: Path = _PACKAGE, uid: int | None = None) -> JitCache:
    """The cache of this process. `environment`: its variables. `uid`: of its user, by default the real one.

    Makes the directory, and tries to write to it.
    """
    uid = os.geteuid() if uid is None else uid
    refused: list[str] = []
    for directory, is_private in _candidates(environment, package, uid):
        try:
            directory.mkdir(mode=0o700 if is_private else 0o777, parents=True, exist_ok=True)
            if is_private and (why := _distrust(directory, uid)) is not None:
                refused.append(f"{directory}: {why}")
                continue
            with tempfile.TemporaryFile(dir=directory):
                return JitCache(directory, tuple(refused))
        except OSError as error:
            refused.append(f"{directory}: {error.strerror}")
    return JitCache(None, tuple(refused))


def seed(directory: Path, entry: str, shipped: Path = SHIPPED) -> None:
    """Copy the folder `entry` of compiled code that ships with the program, unless the cache has one or none ships.

    In one step: other processes find all of it, or nothing. Raises `OSError`.
    """
    if (directory / entry).exists() or not (shipped / entry).is_dir():
        return
    with tempfile.TemporaryDirectory(dir=directory, prefix=f"{entry}.") as unfinished:
        shutil.copytree(shipped / entry, copied := Path(unfinished) / entry)
        try:
            copied.rename(directory / entry)
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):  # another process was first
                raise


def _candidates(environment: Mapping[str, str], package: Path, uid: int) -> Iterator[tuple[Path, bool]]:
    """The directories in the order in which they are tried, each with whether it must be private to the user."""
    if given := environment.get(GIVEN):
        yield Path(given), False
    yield package, False
    home = environment.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(home):  # as the XDG Base Directory Specification says
        home = os.path.expanduser("~/.cache")  # noqa: PTH111: Path.home() fails for a user without a home
    if os.path.isabs(home):
        yield Path(home) / _NAME, True
    try:
        yield Path(tempfile.gettempdir()) / f"{_NAME}-cache-{uid}", True
    except OSError:  # no directory for temporary files can be written to
        return


def _distrust(directory: Path, uid: int) -> str | None:
    """Why somebody else may have written to the directory; None if nobody may. Raises `OSError`."""
    found, parent = directory.lstat(), directory.parent.stat()
    if not stat.S_ISDIR(found.st_mode):
        return "it is a link, which another user may have made"
    if found.st_uid != uid:
        return f"it belongs to user {found.st_uid}"
    if found.st_mode & _OTHERS_WRITE:
        return "other users can write to it"
    if parent.st_mode & _OTHERS_WRITE and not parent.st_mode & stat.S_ISVTX:
        return f"other users can replace it, as they can write to {directory.parent}"
    return None

"""The files that a command line names: files as given, directories as the files in them, in order of their names."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from fraudstream.backtest.file_error import PaymentFileError
from fraudstream.backtest.readers.formats import ENDINGS, MESSAGE_ENDINGS, ending_of
from fraudstream.contracts.error_text import system_error_text


def input_files(paths: Iterable[Path]) -> list[Path]:
    """Every file of `paths`, each once; those of a directory, and of the directories in it, sorted by path.

    In a directory, names that begin with `.` or `_` are skipped, as Spark and Kubernetes write them. Raises
    `PaymentFileError` for a directory without files or with a file of an unknown ending, and for a file named twice.
    """
    found: list[Path] = []
    for path in paths:
        found += _files_in(path) if path.is_dir() else [path]
    seen: dict[Path, Path] = {}
    for path in found:
        whole = path.resolve()
        if whole in seen:
            raise PaymentFileError(str(path), f"is given twice (first as {seen[whole]}); its payments would repeat.")
        seen[whole] = path
    return found


def _files_in(directory: Path) -> list[Path]:
    try:
        files = [path for path in sorted(directory.rglob("*")) if path.is_file() and not _hidden(path, directory)]
    except OSError as error:
        raise PaymentFileError(str(directory), f"can't be read: {system_error_text(error)}.") from error
    if not files:
        raise PaymentFileError(str(directory), "is a directory without files.")
    known = (*ENDINGS, *MESSAGE_ENDINGS)
    for path in files:
        if ending_of(path.name) not in known:
            raise PaymentFileError(
                str(path),
                f"has no ending of a file of payments ({', '.join(known)}, also .gz, .zst, .bz2, .lz4). Take it out "
                "of the directory, or name the files to read.",
            )
    return files


def _hidden(path: Path, directory: Path) -> bool:
    return any(part.startswith((".", "_")) for part in path.relative_to(directory).parts)

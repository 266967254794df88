"""`fraudstream cases attach CASE FILE`: stores the file, to be added to the case."""

from __future__ import annotations

import mimetypes
from pathlib import Path
from typing import TYPE_CHECKING, Final

from fraudstream.cli.failure import Failure
from fraudstream.cli.settings import Settings
from fraudstream.contracts.error_text import system_error_text

if TYPE_CHECKING:
    from fraudstream.contracts.attached_file import FileDescription

PIECE_BYTES: Final = 1024 * 1024
UNKNOWN_TYPE: Final = "application/octet-stream"


def stored_file(settings: Settings, path: str, media_type: str | None) -> FileDescription:
    """The file at `path`, stored. `media_type`: by default what its name says. Raises `Failure`, and
    `InvalidValueError` for a name that is too long."""
    from fraudstream.contracts.attached_file import FileDescription
    from fraudstream.evidence.store import FileError
    from fraudstream.operations.checked_text import check_file

    store = settings.evidence.required_store()
    name = Path(path).name
    kind = media_type or mimetypes.guess_type(name)[0] or UNKNOWN_TYPE
    check_file(FileDescription("0" * 64, name, 1, kind))
    try:
        with Path(path).open("rb") as source, store.incoming(settings.evidence.file_bytes_max) as file:
            while piece := source.read(PIECE_BYTES):
                file.write(piece)
            stored = file.keep()
    except FileError as error:
        raise Failure(f"{path}: {error.sentence}") from error
    except OSError as error:
        at = error.filename or path
        raise Failure(f"{at}: {system_error_text(error)}.") from error
    return FileDescription(stored.sha256, name, stored.size_bytes, kind)

"""The files of a state export on a disk that cannot take them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fraudstream.engine.packed_records import pack_pairs
from fraudstream.operations.state_files import ExportError, RowFile

FULL_DISK = Path("/dev/full")


@pytest.mark.skipif(not FULL_DISK.exists(), reason="needs /dev/full")
def test_an_export_to_a_full_disk_names_the_file_and_says_that_no_space_is_left() -> None:
    def export() -> None:
        RowFile(FULL_DISK).restore_packed(pack_pairs((os.urandom(16), os.urandom(64)) for _ in range(60_000)))

    with pytest.raises(ExportError) as raised:
        export()
    assert raised.value.sentence == "/dev/full: cannot be written: No space left on device."
    assert raised.value.path == FULL_DISK

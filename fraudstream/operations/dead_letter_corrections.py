"""Corrections of dead letters: the record that is sent in place of a letter's record.

Each raises `NotReplayableError` for a letter that it cannot correct.
"""

from __future__ import annotations

import asyncio
from typing import Final

import msgspec

from fraudstream.contracts.undecodable import UNDECODABLE
from fraudstream.operations.dead_letter_replay import CorrectedRecord, Correction, NotReplayableError
from fraudstream.operations.dead_letters import StoredLetter

COMMAND_S_MAX: Final = 60.0


async def unchanged(stored: StoredLetter) -> CorrectedRecord:
    """The record as it was, where the fault was ours or a clock's. Raises `NotReplayableError`."""
    if stored.cut:
        raise NotReplayableError(
            f"the letter has only {len(stored.letter.value)} of its {stored.letter.value_bytes} bytes."
        )
    return CorrectedRecord(stored.letter.key, stored.letter.value)


def with_value(value: bytes) -> Correction:
    """`value` in place of the record's bytes."""

    async def correction(stored: StoredLetter) -> CorrectedRecord:
        return CorrectedRecord(stored.letter.key, value)

    return correction


def with_command(command: list[str], within_s: float = COMMAND_S_MAX) -> Correction:
    """What `command` writes to stdout when it reads the record's bytes from stdin; a letter on which it fails, or takes
    longer than `within_s`, is skipped."""

    async def correction(stored: StoredLetter) -> CorrectedRecord:
        before = await unchanged(stored)
        process = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        try:
            async with asyncio.timeout(within_s):
                value, complaint = await process.communicate(before.value)
        except TimeoutError:
            process.kill()
            await process.wait()
            raise NotReplayableError(f"{command[0]} did not end within {within_s:g} s.") from None
        if process.returncode != 0:
            lines = complaint.decode(errors="replace").strip().splitlines()
            raise NotReplayableError(
                f"{command[0]} ended with {process.returncode}{': ' + lines[-1] if lines else ''}."
            )
        return CorrectedRecord(before.key, value)

    return correction


class _Account(msgspec.Struct):
    account_id: str


def keyed_by_account(correction: Correction) -> Correction:
    """The same, under the account_id that the corrected record names: for letters whose key was wrong."""

    async def keyed(stored: StoredLetter) -> CorrectedRecord:
        corrected = await correction(stored)
        try:
            account = msgspec.json.decode(corrected.value, type=_Account)
        except UNDECODABLE as error:
            raise NotReplayableError(f"it names no account_id: {error}.") from error
        return CorrectedRecord(account.account_id.encode(), corrected.value)

    return keyed

"""Checks of passwords are slow on purpose: few run at the same time, and few may wait."""

from __future__ import annotations

import asyncio
import threading
from typing import Literal

import pytest
from argon2 import PasswordHasher

from fraudstream.console.access.passwords import AT_ONCE_MAX, WAITING_MAX, BusyError, Passwords, is_acceptable
from tests.unit.console.console_app import CHEAP


class SlowHasher(PasswordHasher):
    """Counts how many checks run at the same time."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=8, parallelism=1)
        self._lock, self.running, self.most = threading.Lock(), 0, 0
        self.may_end, self.two_run = threading.Event(), threading.Event()

    def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:
        with self._lock:
            self.running += 1
            self.most = max(self.most, self.running)
            if self.running == 2:
                self.two_run.set()
        self.may_end.wait(10)
        with self._lock:
            self.running -= 1
        return True


async def test_a_password_matches_its_hash_alone() -> None:
    passwords = Passwords(CHEAP)
    kept = await passwords.hash("correct horse battery")
    assert await passwords.matches(kept, "correct horse battery")
    assert not await passwords.matches(kept, "correct horse battery ")
    assert not await passwords.matches("not a hash", "correct horse battery")


async def test_a_name_that_nobody_has_costs_a_check_as_well() -> None:
    hasher = SlowHasher()
    hasher.may_end.set()
    assert not await Passwords(hasher).matches(None, "correct horse battery")
    assert hasher.most == 1


async def test_few_checks_run_at_once_and_few_may_wait() -> None:
    hasher = SlowHasher()
    passwords = Passwords(hasher)
    checks = [asyncio.create_task(passwords.matches("x", "y")) for _ in range(AT_ONCE_MAX + WAITING_MAX)]
    await asyncio.to_thread(hasher.two_run.wait, 10)
    with pytest.raises(BusyError):
        await passwords.matches("x", "y")
    hasher.may_end.set()
    assert all(await asyncio.gather(*checks))
    assert hasher.most == AT_ONCE_MAX


def test_the_length_alone_makes_a_password_acceptable() -> None:
    assert [is_acceptable("x" * length) for length in (11, 12, 256, 257)] == [False, True, True, False]

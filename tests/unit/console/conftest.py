"""A console on the session's Redis, emptied after each test."""

from collections.abc import AsyncIterator, Callable

import pytest

from tests.unit.console.console_app import ConsoleUnderTest


@pytest.fixture
async def console(redis_url: str, unique_name: Callable[[str], str]) -> AsyncIterator[ConsoleUnderTest]:
    console = ConsoleUnderTest(redis_url, f"{unique_name('cases')}:")
    yield console
    await console.close()

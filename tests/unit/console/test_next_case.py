"""Taking the next case: many analysts at once get a case each, the most urgent first."""

from __future__ import annotations

import asyncio

import pytest

from tests.unit.console.console_app import ConsoleUnderTest, case, post

ANALYSTS = 20


async def test_many_at_once_take_a_case_each_and_none_is_asked_for_twice(console: ConsoleUnderTest) -> None:
    await console.put(*(case(f"{number:032x}", f"acc-{number}") for number in range(ANALYSTS)))
    clients = [await console.logged_in(f"ann-{number}", "analyst") for number in range(ANALYSTS)]
    answers = await asyncio.gather(*(post(client, "/next") for client in clients))
    assert [answer.status_code for answer in answers] == [303] * ANALYSTS
    assert len({answer.headers["location"] for answer in answers}) == ANALYSTS
    assert len(console.published) == ANALYSTS


@pytest.mark.parametrize("waiting", [0, 3])
async def test_who_comes_when_all_are_taken_is_told(console: ConsoleUnderTest, waiting: int) -> None:
    await console.put(*(case(f"{number:032x}", f"acc-{number}") for number in range(waiting)))
    clients = [await console.logged_in(f"ann-{number}", "analyst") for number in range(5)]
    answers = await asyncio.gather(*(post(client, "/next") for client in clients))
    assert sorted(answer.status_code for answer in answers) == [303] * waiting + [404] * (5 - waiting)

"""Commands take the beginning of a case id, as `cases list` shows it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from fraudstream.cases.grouping import opened
from fraudstream.cases.view import CaseView
from fraudstream.cli.main import main
from fraudstream.embedded import embedded_redis
from tests.unit.cases.events import alert

IDS = ("b42be4f8" + "0" * 24, "b42be4f9" + "0" * 24, "0" * 32)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A Redis whose view has three cases, one of them closed."""

    async def fill(url: str) -> None:
        view = CaseView(url)
        cases = [replace(opened(alert(account_id=case_id)), case_id=case_id) for case_id in IDS]
        await view.put(
            0, [*cases[:2], replace(cases[2], status="closed", disposition="false_positive", closed_by="ann")]
        )
        await view.close()

    with embedded_redis() as url:
        asyncio.run(fill(url))
        yield url


def show(url: str, case_id: str) -> int:
    return main(["cases", "show", case_id, "--redis-url", url, "--json"])


@pytest.mark.parametrize("given", [IDS[0], "b42be4f8", "b42be4f80000", "0000", IDS[2]])
def test_a_case_is_found_by_its_id_or_by_the_beginning_of_it(
    url: str, given: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert show(url, given) == 0
    assert json.loads(capsys.readouterr().out)["case_id"].startswith(given)


def test_a_beginning_that_several_ids_have_is_refused_and_they_are_named(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert show(url, "b42be4f") == 1
    assert (
        f"several cases have ids that begin with b42be4f: {IDS[0]}, {IDS[1]}. Give more digits."
        in capsys.readouterr().err
    )


@pytest.mark.parametrize("given", ["b42", "*", "b42be4f?", "ffff", "B42BE4F8", ""])
def test_what_is_not_the_beginning_of_an_id_finds_no_case(
    url: str, given: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert show(url, given) == 1
    assert f"the view has no case {given}: it is unknown" in capsys.readouterr().err

"""`fraudstream dead-letters`: records that a worker could not decide are listed, shown, corrected and replayed."""

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fraudstream.cli.main import main
from fraudstream.contracts import DeadLetter
from fraudstream.contracts.headers import FEATURES_HEADER, source_header
from fraudstream.operations.dead_letters import REPLAYED_FROM
from tests.integration.stream.world import World, payment

TRACE = ("trace", b"\x00\xff")
NO_CURRENCY = payment(1, "a1", currency="EUO")
NOT_TEXT = b"\x1b[2Jnot a payment\xff"


@pytest.fixture
async def world(broker: str, unique_name: Callable[[str], str], tmp_path: Path) -> World:
    world = World(broker, unique_name, tmp_path / "rules")
    await world.create_topics()
    return world


class Cli:
    """Runs the command on the topics of a test."""

    def __init__(self, world: World, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self._flags = ["--bootstrap-servers", world.broker, "--topic", world.settings.dead_letters_topic]

    async def __call__(self, *args: str) -> tuple[int, str]:
        self._capsys.readouterr()
        code = await asyncio.to_thread(main, ["dead-letters", *args, *self._flags])
        captured = self._capsys.readouterr()
        return code, captured.out + captured.err

    async def json(self, *args: str) -> Any:
        return json.loads((await self(*args, "--json"))[1])


@pytest.fixture
def cli(world: World, capsys: pytest.CaptureFixture[str]) -> Cli:
    return Cli(world, capsys)


async def test_a_dead_letter_corrected_and_replayed_is_decided_once(world: World, cli: Cli, tmp_path: Path) -> None:
    async with world.worker():
        await world.publish_records(
            [(b"a1", payment(0, "a1")), (b"a1", NO_CURRENCY), (b"a1", NOT_TEXT)], headers=[TRACE]
        )
        await world.dead_letters(2)
        listed = await cli.json("list", "--reason", "currency")
        (letter,) = listed["dead_letters"]
        assert listed["counts"] == {"currency": 1, "not_json": 1}

        corrected = tmp_path / "corrected.json"
        corrected.write_bytes(payment(1, "a1"))
        for _ in range(2):  # twice is harmless
            code, out = await cli("replay", "--position", letter["position"], "--edit", str(corrected))
            assert (code, out) == (0, "1 replayed, 0 skipped\n")
        decisions = await world.records(world.settings.decisions_topic, lambda records: len(records) == 3)

    decoded = [msgspec.json.decode(record.value) for record in decisions]
    assert [(decision["event_id"], decision.get("repeat", False)) for decision in decoded] == [
        ("e0", False),
        ("e1", False),
        ("e1", True),
    ]
    log = await world.records(world.settings.payments_topic, lambda records: len(records) == 5)
    assert len({record.partition for record in log}) == 1
    replayed_from = (REPLAYED_FROM, f"{world.settings.dead_letters_topic}:{letter['position']}".encode())
    assert log[3].key == b"a1"
    assert log[3].headers == (TRACE, replayed_from)


async def test_a_command_corrects_all_letters_of_a_reason_and_its_failures_are_named(world: World, cli: Cli) -> None:
    async with world.worker():
        await world.publish_records((b"a1", payment(n, "a1", currency="EUO" if n else "XXQ")) for n in range(4))
        await world.dead_letters(4)
        script = (
            "import sys; text = sys.stdin.read(); "
            "sys.exit('no euro') if 'EUO' not in text else print(text.replace('EUO', 'EUR'), end='')"
        )
        code, out = await cli("replay", "--reason", "currency", "--with", f'{sys.executable} -c "{script}"')
        decisions = await world.decisions(3)

    assert code == 1
    assert "no euro" in out
    assert "3 replayed, 1 skipped\n" in out
    assert [decision.event_id for decision in decisions] == ["e1", "e2", "e3"]


async def test_a_letter_with_the_wrong_key_is_replayed_under_its_account(world: World, cli: Cli) -> None:
    async with world.worker():
        await world.publish_records([(b"somebody", payment(1, "a1")), (b"somebody", payment(2, "a2"))])
        await world.dead_letters(2)
        assert (await cli("replay", "--reason", "key", "--rekey"))[0] == 0
        decisions = await world.decisions(2)

    assert {decision.account_id for decision in decisions} == {"a1", "a2"}


async def test_a_record_that_still_cannot_be_decided_becomes_a_letter_again_and_says_it_was_replayed(
    world: World, cli: Cli
) -> None:
    async with world.worker():
        await world.publish_records([(b"a1", NOT_TEXT)])
        await world.dead_letters(1)
        await cli("replay", "--all")
        letters = await world.dead_letters(2)

    assert [name for name, _ in letters[-1].headers] == [REPLAYED_FROM]


async def test_a_letter_is_shown_in_full_and_without_control_characters(world: World, cli: Cli) -> None:
    async with world.worker():
        await world.publish_records([(b"a1", NO_CURRENCY), (b"a1", NOT_TEXT)], headers=[TRACE])
        await world.dead_letters(2)
    positions = {line["reason"]: line["position"] for line in (await cli.json("list"))["dead_letters"]}

    _, text = await cli("show", positions["currency"])
    assert NO_CURRENCY.decode() in text
    assert "trace: \\x00\\xff" in text
    _, binary = await cli("show", positions["not_json"])
    assert NOT_TEXT.hex()[:8] in binary.replace(" ", "")
    _, listed = await cli("list")
    assert "\x1b" not in binary + listed

    shown = await cli.json("show", positions["currency"])
    assert shown["text"] == NO_CURRENCY.decode()
    assert msgspec.convert(shown, DeadLetter).value == NO_CURRENCY


async def test_a_letter_that_holds_only_the_beginning_of_its_record_is_not_replayed(world: World, cli: Cli) -> None:
    async with world.worker():
        await world.publish_records([(b"a1", b"x" * 600 * 1024)])
        await world.dead_letters(1)
    code, out = await cli("replay", "--all")

    assert code == 1
    assert "only 524288 of its 614400 bytes are here" in out


async def test_a_record_forwarded_between_stages_is_not_replayed_as_it_would_be_dropped(world: World, cli: Cli) -> None:
    headers = [source_header(0, 17), (FEATURES_HEADER, b"packed")]
    async with world.worker():
        await world.publish_records([(b"a1", NOT_TEXT)], headers=headers)
        await world.dead_letters(1)
    code, out = await cli("replay", "--all")

    assert code == 1
    assert "publish its payment again, to the log of payments." in out
    assert "0 replayed, 1 skipped\n" in out


async def test_a_list_is_limited_and_counts_all_letters(world: World, cli: Cli) -> None:
    async with world.worker():
        await world.publish_records((b"a1", b"{") for _ in range(7))
        await world.dead_letters(7)
    _, out = await cli("list", "--limit", "2")

    assert "... and 5 more" in out
    assert out.endswith("7 dead letters: 7 not_json\n")


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (("show", "nonsense"), "write PARTITION:OFFSET"),
        (("show", "0:5"), "no dead letter at 0:5"),
        (("show", "99:0"), "no dead letter at 99:0"),
        (("replay", "--all", "--edit", "file"), "name its letter with --position"),
        (("replay", "--position", "0:0", "--edit", "no-such-file"), "cannot read it"),
        (("replay", "--all", "--with", "no-such-command-here"), "there is no such command"),
    ],
)
async def test_wrong_arguments_are_answered_with_one_sentence(cli: Cli, args: tuple[str, ...], sentence: str) -> None:
    code, out = await cli(*args)

    assert code == 1
    assert sentence in out
    assert len(out.splitlines()) == 1


def test_without_a_broker_one_sentence_is_all(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["dead-letters", "list", "--bootstrap-servers", "127.0.0.1:1"]) == 1
    assert capfd.readouterr().err == (
        "fraudstream: no broker answers at 127.0.0.1:1: is the cluster up, and is kafka.bootstrap_servers right?\n"
    )

"""`fraudstream dead-letters`: what a worker could not judge is listed, shown, mended, replayed and then decided."""

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
from fraudstream.stream.dead_letter_replay import REPLAYED_FROM
from tests.integration.stream.cluster import StreamCluster
from tests.integration.stream.payments import payment

TRACE = ("trace", b"\x00\xff")
NO_CURRENCY = payment(1, "a1", currency="EUO")
NOT_TEXT = b"\x1b[2Jnot a payment\xff"


@pytest.fixture
async def stream_cluster(broker: str, unique_name: Callable[[str], str], tmp_path: Path) -> StreamCluster:
    stream_cluster = StreamCluster(broker, unique_name, tmp_path / "rules")
    await stream_cluster.create_topics()
    return stream_cluster


class Cli:
    """Runs the command on the topics of a stream_cluster."""

    def __init__(self, stream_cluster: StreamCluster, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self._flags = [
            "--bootstrap-servers",
            stream_cluster.broker,
            "--topic",
            stream_cluster.settings.dead_letters_topic,
        ]

    async def __call__(self, *args: str) -> tuple[int, str]:
        self._capsys.readouterr()
        code = await asyncio.to_thread(main, ["dead-letters", *args, *self._flags])
        captured = self._capsys.readouterr()
        return code, captured.out + captured.err

    async def json(self, *args: str) -> Any:
        return json.loads((await self(*args, "--json"))[1])


@pytest.fixture
def cli(stream_cluster: StreamCluster, capsys: pytest.CaptureFixture[str]) -> Cli:
    return Cli(stream_cluster, capsys)


async def test_a_dead_letter_mended_and_replayed_is_decided_once(
    stream_cluster: StreamCluster, cli: Cli, tmp_path: Path
) -> None:
    async with stream_cluster.worker():
        await stream_cluster.publish_records(
            [(b"a1", payment(0, "a1")), (b"a1", NO_CURRENCY), (b"a1", NOT_TEXT)], headers=[TRACE]
        )
        await stream_cluster.dead_letters(2)
        listed = await cli.json("list", "--reason", "currency")
        (letter,) = listed["dead_letters"]
        assert listed["counts"] == {"currency": 1, "not_json": 1}

        mended = tmp_path / "mended.json"
        mended.write_bytes(payment(1, "a1"))
        for _ in range(2):  # twice is harmless
            code, out = await cli("replay", "--position", letter["position"], "--edit", str(mended))
            assert (code, out) == (0, "1 replayed, 0 skipped\n")
        decisions = await stream_cluster.records(
            stream_cluster.settings.decisions_topic, lambda records: len(records) == 3
        )

    decoded = [msgspec.json.decode(record.value) for record in decisions]
    assert [(decision["event_id"], decision.get("repeat", False)) for decision in decoded] == [
        ("e0", False),
        ("e1", False),
        ("e1", True),
    ]
    log = await stream_cluster.records(stream_cluster.settings.payments_topic, lambda records: len(records) == 5)
    assert len({record.partition for record in log}) == 1
    replayed_from = (REPLAYED_FROM, f"{stream_cluster.settings.dead_letters_topic}:{letter['position']}".encode())
    assert log[3].key == b"a1"
    assert log[3].headers == (TRACE, replayed_from)


async def test_a_command_mends_all_letters_of_a_reason_and_what_it_cannot_mend_is_told(
    stream_cluster: StreamCluster, cli: Cli
) -> None:
    async with stream_cluster.worker():
        await stream_cluster.publish_records(
            (b"a1", payment(n, "a1", currency="EUO" if n else "XXQ")) for n in range(4)
        )
        await stream_cluster.dead_letters(4)
        mend = (
            "import sys; text = sys.stdin.read(); "
            "sys.exit('no euro') if 'EUO' not in text else print(text.replace('EUO', 'EUR'), end='')"
        )
        code, out = await cli("replay", "--reason", "currency", "--with", f'{sys.executable} -c "{mend}"')
        decisions = await stream_cluster.decisions(3)

    assert code == 1
    assert "no euro" in out
    assert "3 replayed, 1 skipped\n" in out
    assert [decision.event_id for decision in decisions] == ["e1", "e2", "e3"]


async def test_a_letter_with_the_wrong_key_is_replayed_under_its_account(
    stream_cluster: StreamCluster, cli: Cli
) -> None:
    async with stream_cluster.worker():
        await stream_cluster.publish_records([(b"somebody", payment(1, "a1")), (b"somebody", payment(2, "a2"))])
        await stream_cluster.dead_letters(2)
        assert (await cli("replay", "--reason", "key", "--rekey"))[0] == 0
        decisions = await stream_cluster.decisions(2)

    assert {decision.account_id for decision in decisions} == {"a1", "a2"}


async def test_what_still_cannot_be_judged_becomes_a_letter_again_and_says_it_was_replayed(
    stream_cluster: StreamCluster, cli: Cli
) -> None:
    async with stream_cluster.worker():
        await stream_cluster.publish_records([(b"a1", NOT_TEXT)])
        await stream_cluster.dead_letters(1)
        await cli("replay", "--all")
        letters = await stream_cluster.dead_letters(2)

    assert [name for name, _ in letters[-1].headers] == [REPLAYED_FROM]


async def test_a_letter_is_shown_whole_and_cannot_play_with_the_terminal(
    stream_cluster: StreamCluster, cli: Cli
) -> None:
    async with stream_cluster.worker():
        await stream_cluster.publish_records([(b"a1", NO_CURRENCY), (b"a1", NOT_TEXT)], headers=[TRACE])
        await stream_cluster.dead_letters(2)
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


async def test_only_the_beginning_of_a_record_is_not_replayed(stream_cluster: StreamCluster, cli: Cli) -> None:
    async with stream_cluster.worker():
        await stream_cluster.publish_records([(b"a1", b"x" * 600 * 1024)])
        await stream_cluster.dead_letters(1)
    code, out = await cli("replay", "--all")

    assert code == 1
    assert "only 524288 of its 614400 bytes are here" in out


async def test_what_stood_between_stages_is_not_replayed_for_it_would_be_dropped(
    stream_cluster: StreamCluster, cli: Cli
) -> None:
    headers = [source_header(0, 17), (FEATURES_HEADER, b"packed")]
    async with stream_cluster.worker():
        await stream_cluster.publish_records([(b"a1", NOT_TEXT)], headers=headers)
        await stream_cluster.dead_letters(1)
    code, out = await cli("replay", "--all")

    assert code == 1
    assert "publish its payment again, to the log of payments." in out
    assert "0 replayed, 1 skipped\n" in out


async def test_a_list_is_limited_and_says_how_many_there_are(stream_cluster: StreamCluster, cli: Cli) -> None:
    async with stream_cluster.worker():
        await stream_cluster.publish_records((b"a1", b"{") for _ in range(7))
        await stream_cluster.dead_letters(7)
    _, out = await cli("list", "--limit", "2")

    assert "... and 5 more" in out
    assert out.endswith("7 dead letters: 7 not_json\n")


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (("show", "nonsense"), "write PARTITION:OFFSET"),
        (("show", "0:5"), "no dead letter at 0:5"),
        (("show", "99:0"), "no dead letter at 99:0"),
        (("replay", "--all", "--edit", "file"), "name it with --position"),
        (("replay", "--position", "0:0", "--edit", "no-such-file"), "cannot read it"),
        (("replay", "--all", "--with", "no-such-command-here"), "there is no such command"),
    ],
)
async def test_a_slip_is_answered_with_one_sentence(cli: Cli, args: tuple[str, ...], sentence: str) -> None:
    code, out = await cli(*args)

    assert code == 1
    assert sentence in out
    assert len(out.splitlines()) == 1


def test_without_a_broker_one_sentence_is_all(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["dead-letters", "list", "--bootstrap-servers", "127.0.0.1:1"]) == 1
    assert capfd.readouterr().err == (
        "fraudstream: no broker answers at 127.0.0.1:1: is the cluster up, and is kafka.bootstrap_servers right?\n"
    )

"""`fraudstream dead-letters`: invalid records are listed, shown, corrected, replayed and then decided."""

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
from fraudstream.contracts.headers import FEATURES_HEADER, LABEL_HEADER, REPLAYED_FROM_HEADER, source_header
from fraudstream.contracts.record_signature import RecordSignatures, parse_secrets
from tests.integration.stream.cluster import StreamCluster
from tests.integration.stream.payments import fraud_label, payment
from tests.integration.stream.topic_output import judged

TRACE = ("trace", b"\x00\xff")
NO_CURRENCY = payment(1, "a1", currency="EUO")
NOT_TEXT = b"\x1b[2Jnot a payment\xff"


@pytest.fixture
async def stream_cluster(broker: str, unique_name: Callable[[str], str], tmp_path: Path) -> StreamCluster:
    stream_cluster = StreamCluster(broker, unique_name, tmp_path / "rules")
    await stream_cluster.create_topics()
    return stream_cluster


class DeadLetterCommand:
    """`fraudstream dead-letters` on the topics of a test."""

    def __init__(self, stream_cluster: StreamCluster, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self._flags = [
            "--bootstrap-servers",
            stream_cluster.broker,
            "--topic",
            stream_cluster.settings.dead_letters_topic,
        ]

    async def __call__(self, *args: str) -> tuple[int, str]:
        """Exit code and output, stderr after stdout."""
        self._capsys.readouterr()
        code = await asyncio.to_thread(main, ["dead-letters", *args, *self._flags])
        captured = self._capsys.readouterr()
        return code, captured.out + captured.err

    async def json(self, *args: str) -> Any:
        """The output of `--json`."""
        return json.loads((await self(*args, "--json"))[1])


@pytest.fixture
def command(stream_cluster: StreamCluster, capsys: pytest.CaptureFixture[str]) -> DeadLetterCommand:
    return DeadLetterCommand(stream_cluster, capsys)


async def test_a_dead_letter_corrected_and_replayed_is_decided_once(
    stream_cluster: StreamCluster, command: DeadLetterCommand, tmp_path: Path
) -> None:
    async with stream_cluster.worker():
        await stream_cluster.publish_records(
            [(b"a1", payment(0, "a1")), (b"a1", NO_CURRENCY), (b"a1", NOT_TEXT)], headers=[TRACE]
        )
        await stream_cluster.dead_letters(2)
        listed = await command.json("list", "--reason", "currency")
        (letter,) = listed["dead_letters"]
        assert listed["counts"] == {"currency": 1, "not_json": 1}

        corrected = tmp_path / "corrected.json"
        corrected.write_bytes(payment(1, "a1"))
        replay = ("replay", "--position", letter["position"], "--edit", str(corrected), "--as", "ann")
        for _ in range(2):  # a second replay does no harm
            code, out = await command(*replay)
            assert (code, out) == (0, "1 replayed, 0 skipped\n")
        decisions = await stream_cluster.records(
            stream_cluster.settings.decisions_topic, lambda records: len(judged(records)) == 3
        )

    after = await command.json("list")
    marks = {line["reason"]: line.get("replayed_by") for line in after["dead_letters"]}
    assert marks == {"currency": "ann", "not_json": None}
    assert after["counts"] == {"currency": 1, "not_json": 1}
    assert "by ann\n" in (await command("list"))[1]
    decoded = [msgspec.json.decode(record.value) for record in judged(decisions)]
    assert [(decision["event_id"], decision.get("repeat", False)) for decision in decoded] == [
        ("e0", False),
        ("e1", False),
        ("e1", True),
    ]
    log = await stream_cluster.records(stream_cluster.settings.payments_topic, lambda records: len(records) == 5)
    assert len({record.partition for record in log}) == 1
    origin = f"{stream_cluster.settings.dead_letters_topic}:{letter['position']}"
    assert log[3].key == b"a1"
    assert log[3].headers == (TRACE, (REPLAYED_FROM_HEADER, origin.encode()))


async def test_a_corrected_label_is_signed_again_and_a_forged_one_is_not_replayed(
    stream_cluster: StreamCluster, command: DeadLetterCommand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = parse_secrets("label", f"labels-1 {'cd' * 32}")
    signatures = RecordSignatures(labels=secrets)
    stream_cluster.settings = msgspec.structs.replace(stream_cluster.settings, signatures=signatures)
    (tmp_path / "labels").write_text(f"labels-1 {'cd' * 32}")
    monkeypatch.setenv("FRAUDSTREAM_SIGNATURES_LABELS_FILE", str(tmp_path / "labels"))
    good = fraud_label(1, "a1")
    bad = good.replace(b"fraud", b"frauds")
    async with stream_cluster.worker():
        await stream_cluster.publish_records([(b"a1", payment(1, "a1")), (b"a1", payment(2, "a1"))])
        for value, headers in ((bad, [LABEL_HEADER, secrets.header(bad)]), (good, [LABEL_HEADER])):
            await stream_cluster.publish_records([(b"a1", value)], headers=headers)
        await stream_cluster.dead_letters(2)
        listed = await command.json("list")
        assert listed["counts"] == {"invalid": 1, "signature": 1}
        code, out = await command("replay", "--reason", "signature")
        assert (code, "publishes it again, signed." in out) == (1, True)
        (tmp_path / "good").write_bytes(good)
        [invalid] = [each for each in listed["dead_letters"] if each["reason"] == "invalid"]
        code, out = await command("replay", "--position", invalid["position"], "--edit", str(tmp_path / "good"))
        assert (code, out) == (0, "1 replayed, 0 skipped\n")
        log = await stream_cluster.records(stream_cluster.settings.payments_topic, lambda found: len(found) == 5)
    assert [signatures.accepts(record) for record in log] == [True, True, True, False, True]
    assert dict(log[-1].headers)["signature"] == secrets.header(good)[1]


async def test_a_command_corrects_all_letters_of_a_reason_and_failures_are_reported(
    stream_cluster: StreamCluster, command: DeadLetterCommand
) -> None:
    async with stream_cluster.worker():
        await stream_cluster.publish_records(
            (b"a1", payment(n, "a1", currency="EUO" if n else "XXQ")) for n in range(4)
        )
        await stream_cluster.dead_letters(4)
        correct = (
            "import sys; text = sys.stdin.read(); "
            "sys.exit('no euro') if 'EUO' not in text else print(text.replace('EUO', 'EUR'), end='')"
        )
        code, out = await command("replay", "--reason", "currency", "--with", f'{sys.executable} -c "{correct}"')
        decisions = await stream_cluster.decisions(3)

    assert code == 1
    assert "no euro" in out
    assert "3 replayed, 1 skipped\n" in out
    assert [decision.event_id for decision in decisions] == ["e1", "e2", "e3"]


async def test_a_letter_with_the_wrong_key_is_replayed_under_its_account(
    stream_cluster: StreamCluster, command: DeadLetterCommand
) -> None:
    async with stream_cluster.worker():
        await stream_cluster.publish_records([(b"somebody", payment(1, "a1")), (b"somebody", payment(2, "a2"))])
        await stream_cluster.dead_letters(2)
        assert (await command("replay", "--reason", "key", "--rekey"))[0] == 0
        decisions = await stream_cluster.decisions(2)

    assert {decision.account_id for decision in decisions} == {"a1", "a2"}


async def test_a_replayed_record_that_is_still_invalid_becomes_a_letter_marked_as_replayed(
    stream_cluster: StreamCluster, command: DeadLetterCommand
) -> None:
    async with stream_cluster.worker():
        await stream_cluster.publish_records([(b"a1", NOT_TEXT)])
        await stream_cluster.dead_letters(1)
        await command("replay", "--all")
        letters = await stream_cluster.dead_letters(2)

    assert [name for name, _ in letters[-1].headers] == [REPLAYED_FROM_HEADER]


async def test_a_letter_is_shown_whole_and_without_terminal_escapes(
    stream_cluster: StreamCluster, command: DeadLetterCommand
) -> None:
    async with stream_cluster.worker():
        await stream_cluster.publish_records([(b"a1", NO_CURRENCY), (b"a1", NOT_TEXT)], headers=[TRACE])
        await stream_cluster.dead_letters(2)
    positions = {line["reason"]: line["position"] for line in (await command.json("list"))["dead_letters"]}

    _, text = await command("show", positions["currency"])
    assert NO_CURRENCY.decode() in text
    assert "trace: \\x00\\xff" in text
    _, binary = await command("show", positions["not_json"])
    assert NOT_TEXT.hex()[:8] in binary.replace(" ", "")
    _, listed = await command("list")
    assert "\x1b" not in binary + listed

    shown = await command.json("show", positions["currency"])
    assert shown["text"] == NO_CURRENCY.decode()
    assert msgspec.convert(shown, DeadLetter).value == NO_CURRENCY


async def test_a_truncated_record_is_not_replayed(stream_cluster: StreamCluster, command: DeadLetterCommand) -> None:
    async with stream_cluster.worker():
        await stream_cluster.publish_records([(b"a1", b"x" * 600 * 1024)])
        await stream_cluster.dead_letters(1)
    code, out = await command("replay", "--all")

    assert code == 1
    assert "the letter has only 524288 of its 614400 bytes" in out


async def test_a_record_forwarded_between_stages_is_not_replayed(
    stream_cluster: StreamCluster, command: DeadLetterCommand
) -> None:
    headers = [source_header(0, 17), (FEATURES_HEADER, b"packed")]
    async with stream_cluster.worker():
        await stream_cluster.publish_records([(b"a1", NOT_TEXT)], headers=headers)
        await stream_cluster.dead_letters(1)
    code, out = await command("replay", "--all")

    assert code == 1
    assert "publish its payment again, to the log of payments." in out
    assert "0 replayed, 1 skipped\n" in out


async def test_a_limited_list_has_the_total_count(stream_cluster: StreamCluster, command: DeadLetterCommand) -> None:
    async with stream_cluster.worker():
        await stream_cluster.publish_records((b"a1", b"{") for _ in range(7))
        await stream_cluster.dead_letters(7)
    _, out = await command("list", "--limit", "2")

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
async def test_invalid_arguments_are_reported_in_one_sentence(
    command: DeadLetterCommand, args: tuple[str, ...], sentence: str
) -> None:
    code, out = await command(*args)

    assert code == 1
    assert sentence in out
    assert len(out.splitlines()) == 1


def test_an_unreachable_broker_is_reported_in_one_sentence(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["dead-letters", "list", "--bootstrap-servers", "127.0.0.1:1"]) == 1
    assert capfd.readouterr().err == (
        "fraudstream: no broker answers at 127.0.0.1:1: is the cluster up, and is kafka.bootstrap_servers right?\n"
    )

"""From a payment in the log to its decision, its alert or its dead letter, through a real broker."""

import msgspec
import pytest

from fraudstream.contracts import UnjudgedDecision
from fraudstream.contracts.headers import SOURCE_HEADER
from tests.integration.stream.cluster import StreamCluster
from tests.integration.stream.payments import payment


async def test_a_payment_becomes_a_decision_and_when_suspicious_an_alert(cluster: StreamCluster) -> None:
    async with cluster.worker():
        positions = await cluster.publish_records((b"a1", payment(n, "a1")) for n in range(2))
        first, second = await cluster.decisions(2)
        (alert,) = await cluster.alerts(1)
    assert (first.event_id, first.outcome, first.alert_id) == ("e0", "allow", None)
    assert (second.event_id, second.outcome, second.rules) == ("e1", "review", ("test/counted",))
    assert (alert.alert_id, alert.event_id, alert.rules[0].message) == (second.alert_id, "e1", "2")

    decided = await cluster.records(cluster.settings.decisions_topic, lambda records: len(records) == 2)
    assert [record.key for record in decided] == [b"a1", b"a1"]
    assert {record.partition for record in decided} == {positions[0][0]}, "not in the partition of its payment"
    assert [dict(record.headers)[SOURCE_HEADER] for record in decided] == [
        f"{partition}:{offset}".encode() for partition, offset in positions
    ]


async def test_decisions_can_be_switched_off(cluster: StreamCluster) -> None:
    settings = msgspec.structs.replace(cluster.settings, decisions=False)
    async with cluster.worker(settings=settings):
        await cluster.publish_records((b"a1", payment(n, "a1")) for n in range(3))
        assert len(await cluster.alerts(2)) == 2
    assert await cluster.records(cluster.settings.decisions_topic, lambda records: True) == []


async def test_a_duplicate_gets_its_first_verdict_marked_repeat_and_is_not_counted(cluster: StreamCluster) -> None:
    async with cluster.worker():
        await cluster.publish_records((b"a1", payment(n, "a1")) for n in (0, 1, 1, 0, 2))
        decisions = await cluster.decisions(3)
        alerts = await cluster.alerts(2)
    assert [(d.event_id, d.outcome, d.repeat) for d in decisions] == [
        ("e0", "allow", False),
        ("e1", "review", False),
        ("e1", "review", True),
        ("e0", "allow", True),
        ("e2", "review", False),
    ]
    assert [alert.rules[0].message for alert in alerts] == ["2", "3"]


MALFORMED = {
    "not_json": b'{"event_id": "e1", ',
    "bad_utf8": b'{"event_id": "\xff\xfe"}',
    "null_bytes": b"\0" * 40,
    "empty": b"",
    "missing_field": b'{"event_id": "e1"}',
    "wrong_type": payment(1, "a1", account_id=7),
    "unknown_currency": payment(1, "a1", currency="XXQ"),
    "negative": payment(1, "a1", amount="-1"),
    "year_9999": payment(1, "a1", occurred_at="9999-12-31T00:00:00Z"),
    "deep": b"[" * 100_000,
    "two_in_one": payment(1, "a1") + b"\n" + payment(2, "a1"),
    "large": payment(1, "a1", attributes={"note": "x" * (10 << 20)}),
}


async def test_malformed_records_become_dead_letters_with_their_bytes_and_the_rest_is_decided(
    cluster: StreamCluster,
) -> None:
    records: list[tuple[bytes | None, bytes | None]] = [(b"a1", value) for value in MALFORMED.values()]
    records.insert(5, (b"a1", payment(100, "a1")))
    records += [(b"another-account", payment(101, "a1")), (b"a1", None), (b"a1", payment(102, "a1"))]
    async with cluster.worker():
        positions = await cluster.publish_records(records, headers=[("trace", b"\x00\xff")])
        decisions = await cluster.decisions(2)
        letters = await cluster.dead_letters(len(MALFORMED) + 2)
    assert {decision.event_id for decision in decisions} == {"e100", "e102"}
    assert len(letters) == len(MALFORMED) + 2
    by_position = {(letter.partition, letter.offset): letter for letter in letters}
    for (key, value), position in zip(records, positions, strict=True):
        if position not in by_position:
            continue
        letter = by_position.pop(position)
        original = value or b""
        assert letter.value == original[: 512 * 1024], letter.sentence
        assert letter.value_bytes == len(original)
        assert (letter.key, letter.headers) == (key, (("trace", b"\x00\xff"),))
        assert letter.topic == cluster.settings.payments_topic
        assert letter.sentence.endswith("."), letter.sentence
    assert by_position == {}
    assert {letter.reason for letter in letters} >= {"not_json", "invalid", "amount", "currency", "too_large", "key"}


async def test_a_malformed_record_is_answered_at_its_position_with_its_key_and_event_id(cluster: StreamCluster) -> None:
    async with cluster.worker():
        positions = await cluster.publish_records([(b"a1", value) for value in MALFORMED.values()])
        found = await cluster.records(cluster.settings.decisions_topic, lambda records: len(records) == len(MALFORMED))
    answers = [msgspec.json.decode(record.value, type=UnjudgedDecision) for record in found]
    event_ids = {name: answer.event_id for name, answer in zip(MALFORMED, answers, strict=True)}
    assert [dict(record.headers)[SOURCE_HEADER] for record in found] == [b"%d:%d" % at for at in positions]
    assert {record.key for record in found} == {b"a1"}
    assert {name for name, event_id in event_ids.items() if event_id is None} == {
        *("bad_utf8", "null_bytes", "empty", "deep", "two_in_one"),
    }
    assert set(event_ids.values()) - {None} == {"e1"}


@pytest.mark.parametrize("size", [400 * 1024, 700 * 1024])
async def test_dead_letters_larger_than_a_batch_are_sent_one_by_one(cluster: StreamCluster, size: int) -> None:
    async with cluster.worker():
        await cluster.publish_records((b"a1", b"x" * size) for _ in range(5))
        letters = await cluster.dead_letters(5)
    assert [letter.value_bytes for letter in letters] == [size] * 5


async def test_labels_of_the_labels_topic_are_forwarded_to_the_log_keyed_and_marked(cluster: StreamCluster) -> None:
    label = msgspec.json.encode({"event_id": "e0", "account_id": "a1", "label": "fraud", "labelled_at": 1})
    async with cluster.worker():
        await cluster.publish_records([(b"a1", payment(0, "a1"))])
        await cluster.publish_records([(None, label), (b"a1", label)], cluster.settings.labels_topic)
        log = await cluster.records(cluster.settings.payments_topic, lambda records: len(records) == 3)
    forwarded = [record for record in log if record.headers]
    assert [(r.key, r.value, r.headers) for r in forwarded] == [(b"a1", label, (("type", b"label"),))] * 2
    assert len({record.partition for record in log}) == 1, "a label is not in the partition of its account's payments"

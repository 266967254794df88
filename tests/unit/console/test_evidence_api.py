"""Files of a case for programs: added once, given to who may see identifiers, and what is refused."""

from __future__ import annotations

import pytest

from fraudstream.console.access.teams import Team
from fraudstream.console.web.file_answers import CONTENT_POLICY
from fraudstream.evidence.directory_store import path_of
from tests.unit.console.case_alerts import CASE
from tests.unit.console.console_app import FILE_BYTES_MAX, ConsoleUnderTest, case
from tests.unit.console.evidence_files import CONTENT, DIGEST, FILE, add, stored

API_FILE = f"/api/v1{FILE}"


async def test_a_program_adds_a_file_and_reads_it_back(console: ConsoleUnderTest) -> None:
    await console.put(case(CASE))
    client = await console.program("cases:act", "cases:read", "identifiers:read")
    answer = await add(client)
    assert (answer.status_code, answer.json()["version"], answer.headers["etag"]) == (200, 2, '"2"')
    (file,) = (await client.get(f"/api/v1/cases/{CASE}")).json()["files"]
    assert (file["sha256"], file["file_name"], file["attached_by"]) == (DIGEST, "statement.pdf", "api:core")
    assert (file["media_type"], file["size_bytes"]) == ("application/pdf", len(CONTENT))
    given = await client.get(API_FILE)
    assert (given.content, given.headers["content-type"]) == (CONTENT, "application/octet-stream")
    assert given.headers["content-disposition"].startswith("attachment;")
    assert given.headers["content-security-policy"] == CONTENT_POLICY
    assert console.audit.of("download")[0][0] == "api:core"


async def test_a_repeated_request_adds_the_file_once(console: ConsoleUnderTest) -> None:
    await console.put(case(CASE))
    client = await console.program("cases:act")
    answers = [await add(client), await add(client)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json() == answers[1].json()
    assert answers[1].headers["idempotent-replay"] == "true"
    assert len(console.published) == 1
    assert (await add(client, b"another file")).json()["code"] == "idempotency_key_reused"
    assert (await add(client, name="renamed.pdf")).json()["code"] == "idempotency_key_reused"
    again = await add(client, key="k2")
    assert (again.status_code, again.json()["code"]) == (409, "already_attached")


@pytest.mark.parametrize(
    ("params", "key", "content", "expected"),
    [
        ({"name": ""}, "k", CONTENT, (400, "invalid")),
        ({"name": "a\nb"}, "k", CONTENT, (400, "invalid")),
        ({"path": "x"}, "k", CONTENT, (400, "invalid")),
        ({}, "", CONTENT, (400, "idempotency_key")),
        ({}, "k", b"", (400, "empty")),
        ({}, "k", b"x" * (FILE_BYTES_MAX + 1), (413, "too_large")),
    ],
)
async def test_what_is_no_file_is_refused(
    console: ConsoleUnderTest, params: dict[str, str], key: str, content: bytes, expected: tuple[int, str]
) -> None:
    await console.put(case(CASE))
    answer = await add(await console.program("cases:act"), content, key, **params)
    assert (answer.status_code, answer.json()["code"]) == expected
    assert (console.published, stored(console)) == ([], [])


async def test_a_file_needs_the_scopes_and_the_team(console: ConsoleUnderTest) -> None:
    await console.add_team(Team("cards", queues=("urgent",)))
    await console.put(case(CASE))
    await add(await console.program("cases:act"))
    masked = await (await console.program("cases:read")).get(API_FILE)
    assert (masked.status_code, masked.json()["code"]) == (403, "scope")
    stranger = await console.program("cases:read", "cases:act", "identifiers:read", team="cards")
    for answer in (await stranger.get(API_FILE), await add(stranger, b"planted", key="s")):
        assert (answer.status_code, answer.json()["code"]) == (404, "no_case")
    assert len(console.published) == 1


async def test_damaged_bytes_are_not_given(console: ConsoleUnderTest) -> None:
    await console.put(case(CASE))
    client = await console.program("cases:act", "cases:read", "identifiers:read")
    await add(client)
    path_of(console.files, DIGEST).write_bytes(b"forged")
    answer = await client.get(API_FILE)
    assert (answer.status_code, answer.json()["code"], b"forged" in answer.content) == (500, "damaged", False)
    assert (await client.get(f"/api/v1/cases/{CASE}/files/{'f' * 64}")).json()["code"] == "no_file"


async def test_a_file_is_not_added_by_words_nor_removed_by_a_program(console: ConsoleUnderTest) -> None:
    await console.put(case(CASE))
    client = await console.program("cases:act")
    await add(client)
    for action, expected in (("attach", (400, "invalid")), ("detach", (403, "removal"))):
        sent = await client.post(
            f"/api/v1/cases/{CASE}/actions",
            json={"action": action, "note": "x"},
            headers={"idempotency-key": action},
        )
        assert (sent.status_code, sent.json()["code"]) == expected
    console.keep_no_files()
    assert (await add(client, b"more", key="n")).json()["code"] == "no_evidence"

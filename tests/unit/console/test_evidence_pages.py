"""Files of a case on its page: added, listed, saved, removed, and what attacks on that get."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from fraudstream.cases.refusal import FILES_MAX
from fraudstream.console.access.roles import Role
from fraudstream.console.access.teams import Team
from fraudstream.console.evidence import EvidenceCleanUp
from fraudstream.console.web.file_answers import CONTENT_POLICY
from fraudstream.contracts.attached_file import AttachedFile
from fraudstream.evidence.directory_store import path_of
from fraudstream.operations.errors import OperationError
from tests.unit.cases.events import alert
from tests.unit.console.case_alerts import CASE, put
from tests.unit.console.console_app import FILE_BYTES_MAX, ConsoleUnderTest, case, post
from tests.unit.console.evidence_files import CONTENT, DIGEST, FILE, stored, upload
from tests.unit.console.hostile_text import HOSTILE, foreign_code

NAMES = [
    HOSTILE,
    'x"; filename="evil.exe',
    "x\r\nset-cookie: planted=1\r\n\r\n<script>",
    "../../../etc/passwd",
    "..\\..\\windows\\system32",
    "\u202egnp.exe",
    "银行流水.pdf",
    ".",
]


async def test_a_file_is_added_listed_and_saved_as_it_was(console: ConsoleUnderTest) -> None:
    await console.put(case(CASE))
    client = await console.logged_in("sen", "senior")
    page = await upload(client)
    assert page.status_code == 200
    assert "The file is added." in page.text
    assert "statement.pdf" in page.text
    assert DIGEST in page.text
    assert f'href="{FILE}"' in page.text
    answer = await client.get(FILE)
    assert (answer.status_code, answer.content) == (200, CONTENT)
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"] == CONTENT_POLICY
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-disposition"] == (
        "attachment; filename=\"statement.pdf\"; filename*=UTF-8''statement.pdf"
    )
    (action,) = console.published
    assert action.file is not None
    assert (action.action, action.actor, action.file.sha256) == ("attach", "sen", DIGEST)
    assert console.audit.of("act", "download") == [
        ("sen", "act", "asked", f"case:{CASE}", f"attach sha256:{DIGEST}"),
        ("sen", "act", "done", f"case:{CASE}", f"attach sha256:{DIGEST}"),
        ("sen", "download", "done", f"case:{CASE}", f"sha256:{DIGEST}"),
    ]


@pytest.mark.parametrize("name", NAMES)
async def test_no_name_breaks_a_page_a_header_or_a_path(console: ConsoleUnderTest, name: str) -> None:
    await console.put(case(CASE))
    client = await console.logged_in("sen", "senior")
    page = await upload(client, name)
    assert page.status_code == 200
    assert "The file is added." in page.text
    assert list(foreign_code(page.text)) == []
    assert "\u202e" not in page.text
    assert stored(console) == [path_of(console.files, DIGEST)]
    answer = await client.get(FILE)
    assert answer.status_code == 200
    assert "set-cookie" not in answer.headers
    disposition = answer.headers["content-disposition"]
    assert disposition.isascii()
    assert disposition.isprintable()
    assert disposition.count('"') == 2
    assert not {"/", "\\"} & set(disposition)
    assert disposition.startswith('attachment; filename="')


async def test_a_name_of_a_person_is_masked_with_the_case(console: ConsoleUnderTest) -> None:
    await put(console, alert("a1", "account-of-erika-1001"), account_id="account-of-erika-1001")
    senior, viewer = await console.logged_in("sen", "senior"), await console.logged_in("vi", "viewer")
    await upload(senior, "statement account-of-erika-1001 4929000000006.pdf")
    assert "account-of-erika-1001" in (await senior.get(f"/cases/{CASE}")).text
    page = (await viewer.get(f"/cases/{CASE}")).text
    assert "account-of-erika-1001" not in page
    assert "4929000000006" not in page
    assert DIGEST in page


@pytest.mark.parametrize("digest", ["f" * 64, "../" * 20 + "etc/passwd", "..%2f..%2fusers", "%00", "*"])
async def test_only_a_file_that_the_case_lists_is_given(console: ConsoleUnderTest, digest: str) -> None:
    await console.put(case(CASE), case("d" * 32))
    client = await console.logged_in("sen", "senior")
    await upload(client)
    assert (await client.get(f"/cases/{'d' * 32}/files/{DIGEST}")).status_code == 404
    assert (await client.get(f"/cases/{CASE}/files/{digest}")).status_code == 404
    assert console.audit.of("download") == []


async def pieces(size_bytes: int, counted: list[int]) -> AsyncIterator[bytes]:
    """A body without an announced size. `counted`: how much of it was asked for."""
    for _ in range(size_bytes // 1000):
        counted.append(1000)
        yield b"x" * 1000


async def test_what_is_too_large_is_refused_before_it_is_read(console: ConsoleUnderTest) -> None:
    await console.put(case(CASE))
    client = await console.logged_in("ann", "analyst")
    asked: list[int] = []
    announced = await upload(client, content=pieces(1_000_000, asked), **{"content-length": "1000000"})
    assert (announced.status_code, sum(asked)) == (413, 0)
    assert "The file is too large: at most" in announced.text
    unannounced = await upload(client, content=pieces(100_000_000, asked))
    assert unannounced.status_code == 413
    assert sum(asked) < 1_000_000  # the rest was never asked for
    largest = await upload(client, content=b"x" * FILE_BYTES_MAX)
    assert largest.status_code == 200
    assert len(stored(console)) == 1


async def test_what_is_empty_or_has_no_name_is_refused(console: ConsoleUnderTest) -> None:
    await console.put(case(CASE))
    client = await console.logged_in("ann", "analyst")
    empty = await upload(client, content=b"")
    assert (empty.status_code, "The file is empty." in empty.text) == (400, True)
    for name in ("", "x" * 201):
        assert (await upload(client, name)).status_code == 400
    assert (console.published, stored(console)) == ([], [])


async def test_bytes_with_another_digest_are_never_given(console: ConsoleUnderTest) -> None:
    await console.put(case(CASE))
    client = await console.logged_in("sen", "senior")
    await upload(client)
    path_of(console.files, DIGEST).write_bytes(b"forged")
    answer = await client.get(FILE)
    assert answer.status_code == 500
    assert "do not have the digest" in answer.text
    assert "forged" not in answer.text
    path_of(console.files, DIGEST).unlink()
    assert (await client.get(FILE)).status_code == 404
    assert [outcome for _, _, outcome, *_ in console.audit.of("download")] == ["failed", "failed"]


async def test_nothing_is_given_or_added_without_the_audit_log(console: ConsoleUnderTest) -> None:
    await console.put(case(CASE))
    client = await console.logged_in("sen", "senior")
    await upload(client)
    console.audit.fails = True
    answer = await client.get(FILE)
    assert (answer.status_code, CONTENT in answer.content) == (503, False)
    assert (await upload(client, content=b"more")).status_code == 503
    assert len(console.published) == 1


async def test_a_file_of_another_team_is_not_there(console: ConsoleUnderTest) -> None:
    await console.add_team(Team("cards", queues=("urgent",)))
    await console.put(case(CASE))
    owner = await console.logged_in("sen", "senior")
    await upload(owner)
    stranger = await console.logged_in("str", "senior", team="cards")
    answers = [
        await stranger.get(FILE),
        await upload(stranger, content=b"planted"),
        await post(stranger, f"/cases/{CASE}/detach", sha256=DIGEST, note="x"),
    ]
    assert [answer.status_code for answer in answers] == [404, 404, 404]
    assert len(console.published) == 1
    assert [path.name for path in stored(console)] == [DIGEST]
    assert {detail for *_, detail in console.audit.of("refuse")} == {f"case {CASE} is not for the team cards"}


@pytest.mark.parametrize("role", ["viewer", "auditor", "rule_author"])
async def test_a_file_is_not_given_where_identifiers_are_masked(console: ConsoleUnderTest, role: Role) -> None:
    await console.put(case(CASE))
    await upload(await console.logged_in("sen", "senior"))
    client = await console.logged_in("other", role)
    page = (await client.get(f"/cases/{CASE}")).text
    assert "statement.pdf" in page
    assert f'href="{FILE}"' not in page
    answer = await client.get(FILE)
    assert (answer.status_code, CONTENT in answer.content) == (403, False)
    told = f"role {role} does not permit see_identifiers, and the case is not revealed"
    assert console.audit.of("refuse")[-1][-1] == told


async def test_an_analyst_saves_a_file_of_a_case_that_they_have_revealed(console: ConsoleUnderTest) -> None:
    await console.put(case(CASE))
    client = await console.logged_in("ann", "analyst")
    await upload(client)
    assert (await client.get(FILE)).status_code == 403
    await post(client, f"/cases/{CASE}/unmask", reason="the statement")
    assert (await client.get(FILE)).content == CONTENT


async def test_a_file_is_removed_by_a_senior_with_a_reason(console: ConsoleUnderTest) -> None:
    await console.put(case(CASE))
    analyst, senior = await console.logged_in("ann", "analyst"), await console.logged_in("sen", "senior")
    await upload(analyst)
    assert "detach" not in (await analyst.get(f"/cases/{CASE}")).text
    assert (await post(analyst, f"/cases/{CASE}/detach", sha256=DIGEST, note="x")).status_code == 403
    assert (await post(senior, f"/cases/{CASE}/detach", sha256=DIGEST)).status_code == 400
    assert (await post(senior, f"/cases/{CASE}/detach", sha256="../x", note="x")).status_code == 400
    page = await post(senior, f"/cases/{CASE}/detach", sha256=DIGEST, note="of another customer")
    assert page.status_code == 200
    assert "The file is removed." in page.text
    assert "of another customer" in page.text
    assert (await senior.get(FILE)).status_code == 404
    assert ("sen", "act", "done", f"case:{CASE}", f"detach sha256:{DIGEST}") in console.audit.of("act")


async def test_a_file_needs_the_token_of_the_session(console: ConsoleUnderTest) -> None:
    await console.put(case(CASE))
    client, other = await console.logged_in("ann", "analyst"), await console.logged_in("bob", "analyst")
    token = (await upload(other)).request.headers["x-csrf-token"]
    assert (await upload(client, content=b"2", **{"x-csrf-token": token})).status_code == 403
    assert (await upload(client, content=b"3", **{"x-csrf-token": "x"})).status_code == 403
    without = await client.post(f"/cases/{CASE}/files?name=x", content=b"4", headers={"content-type": "text/plain"})
    assert without.status_code == 415
    form = await post(client, f"/cases/{CASE}/files", name="x")
    assert form.status_code == 415
    elsewhere = await upload(client, content=b"5", **{"sec-fetch-site": "cross-site"})
    assert elsewhere.status_code == 403
    assert len(console.published) == 1


async def test_no_form_adds_a_file_whose_bytes_are_not_there(console: ConsoleUnderTest) -> None:
    await console.put(case(CASE))
    client = await console.logged_in("ann", "analyst")
    assert (await post(client, f"/cases/{CASE}/attach", file="x", sha256=DIGEST)).status_code == 404
    assert console.published == []


async def test_a_case_that_takes_no_file_reads_none(console: ConsoleUnderTest) -> None:
    full = tuple(AttachedFile(f"{n:064x}", "x", 1, "text/plain", "ann", 1) for n in range(1, FILES_MAX + 1))
    await console.put(case(CASE, status="closed", disposition="inconclusive"), case("d" * 32, "acc-2", files=full))
    client = await console.logged_in("ann", "analyst")
    asked: list[int] = []
    closed = await upload(client, content=pieces(10_000, asked))
    assert (closed.status_code, "reopen it first" in closed.text) == (409, True)
    crowded = await upload(client, content=pieces(10_000, asked), case_id="d" * 32)
    assert (crowded.status_code, "cannot hold that many files" in crowded.text) == (409, True)
    assert (asked, console.published, stored(console)) == ([], [], [])
    assert "data-upload" not in (await client.get(f"/cases/{CASE}")).text


async def test_a_directory_that_cannot_be_written_is_told(
    console: ConsoleUnderTest, caplog: pytest.LogCaptureFixture
) -> None:
    await console.put(case(CASE))
    client = await console.logged_in("ann", "analyst")
    (console.files / "incoming").write_text("in the way")
    answer = await upload(client)
    assert (answer.status_code, "Files cannot be stored at this moment." in answer.text) == (503, True)
    assert "the evidence store cannot be used" in caplog.text
    assert console.published == []


async def test_without_a_directory_there_is_no_form_and_no_file(console: ConsoleUnderTest) -> None:
    await console.put(case(CASE))
    client = await console.logged_in("sen", "senior")
    await upload(client)
    console.keep_no_files()
    page = (await client.get(f"/cases/{CASE}")).text
    assert "statement.pdf" in page
    assert "data-upload" not in page
    assert (await client.get(FILE)).status_code == (await upload(client)).status_code == 404


async def test_a_clean_up_that_fails_is_logged_and_the_console_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    async def fail() -> int:
        raise OperationError("cases-0: offset 7 is not a case.")

    await EvidenceCleanUp(fail).clean_up()
    assert "files that no case lists were not removed: cases-0: offset 7 is not a case" in caplog.text

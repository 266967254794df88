"""Cases and actions of earlier builds are still read, with the values of today."""

from pathlib import Path

import msgspec
import pytest

from fraudstream.contracts import Case, CaseAction
from fraudstream.contracts.case_typologies import TYPOLOGIES

STORED = Path(__file__).parent / "stored"


@pytest.mark.parametrize(
    ("former", "present"), [("open", "new"), ("claimed", "in_review"), ("closed", "closed"), ("waiting", "waiting")]
)
def test_a_former_status_is_read_as_that_of_today(former: str, present: str) -> None:
    record = msgspec.json.decode((STORED / "case.v0.json").read_bytes()) | {"status": former}
    case = msgspec.json.decode(msgspec.json.encode(record), type=Case)
    assert case.status == present
    assert msgspec.json.decode(msgspec.json.encode(case))["status"] == present


@pytest.mark.parametrize(
    ("former", "present"),
    [("fraud", "confirmed_fraud"), ("genuine", "false_positive"), ("inconclusive", "inconclusive")],
)
def test_a_former_disposition_is_read_as_that_of_today_and_needs_no_typology(former: str, present: str) -> None:
    record = msgspec.json.decode((STORED / "case.v0.json").read_bytes()) | {"status": "closed", "disposition": former}
    assert msgspec.json.decode(msgspec.json.encode(record), type=Case).disposition == present
    event = msgspec.json.decode((STORED / "case-action.v0.json").read_bytes()) | {
        "action": "close",
        "disposition": former,
    }
    action = msgspec.json.decode(msgspec.json.encode(event), type=CaseAction)
    assert (action.disposition, action.typology) == (present, None)


def test_every_typology_is_described() -> None:
    page = (Path(__file__).parents[3] / "docs" / "typologies.md").read_text().lower().replace("-", " ")
    sections = {line.removeprefix("## ").replace(" ", "_") for line in page.splitlines() if line.startswith("## ")}
    assert set(TYPOLOGIES) - {"other"} <= sections

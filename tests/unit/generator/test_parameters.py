"""The parameters are one YAML file: printed with every default, read back the same, refused with a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from fraudstream.cli.generator_parameters import parse_parameters
from fraudstream.cli.main import main
from fraudstream.engine.document import DocumentErrors
from fraudstream.generator.parameters import Customers, Parameters, Typologies, Typology
from fraudstream.generator.parameters_text import parameters_text

EXAMPLE = Path(__file__).parents[3] / "examples" / "generator.yaml"


def test_the_example_is_what_the_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["generate", "--show-parameters"]) == 0
    assert capsys.readouterr().out == EXAMPLE.read_text(), "write it anew: generate --show-parameters > " + str(EXAMPLE)


def test_what_is_printed_is_read_back() -> None:
    parameters = Parameters(
        customers=Customers(payments_a_day=3.5, pay_day_days=2),
        typologies=Typologies(card_testing=Typology(0.25, 0.5, 1)),
    )
    assert parse_parameters(parameters_text(parameters), "p.yaml") == parameters
    assert parse_parameters("customers: {payments_a_day: 3}", "p.yaml").customers == Customers(payments_a_day=3)


def test_parameters_of_a_file_are_in_force(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, out = tmp_path / "world.yaml", tmp_path / "p.jsonl"
    path.write_text("customers: {household_share: 0}\nactivities: {partner: 500}\n")
    flags = ["--count", "2000", "--accounts", "200", "--fraud-share", "0"]
    assert main(["generate", "--out", str(out), "--parameters", str(path), *flags]) == 0
    assert out.read_text().count('"channel":"partner"') > 1_200
    assert '"dev-h' not in out.read_text()
    capsys.readouterr()
    assert main(["generate", "--show-parameters", "--parameters", str(path)]) == 0
    assert "  partner: 500.0" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "customers:\n  payment_a_day: 2\n",
            "p.yaml:2:3: customers has no key 'payment_a_day'. Nearest: 'payments_a_day'. Known: payments_a_day, ",
        ),
        ("merchant: {}\n", "p.yaml:1:1: the file has no key 'merchant'. Nearest: 'merchants'."),
        ("customers:\n  household_share: 1.5\n", "p.yaml:2:20: household_share must be a number <= 1.0."),
        ("customers:\n  pay_day_days: 2.5\n", "p.yaml:2:17: pay_day_days must be a whole number."),
        ("customers: {payments_a_day: many}\n", "payments_a_day must be a number, not 'many'."),
        ("typologies: {card_testing: 3}\n", "card_testing must be a mapping of keys to values."),
        ("bust_outs: {days_min: 9, days_max: 2}\n", "bust_outs: days_min is greater than days_max. Exchange them."),
    ],
)
def test_a_fault_is_told_at_its_place(text: str, sentence: str) -> None:
    with pytest.raises(DocumentErrors) as errors:
        parse_parameters(text, "p.yaml")
    assert sentence in str(errors.value)


def test_the_command_shows_all_faults_of_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "world.yaml"
    path.write_text("customer: {}\nmerchants: {terminals_max: 0}\n")
    assert main(["generate", "--out", str(tmp_path / "p.jsonl"), "--parameters", str(path)]) == 1
    told = capsys.readouterr().err
    assert "no key 'customer'" in told
    assert "terminals_max must be a whole number >= 1" in told
    assert main(["generate", "--show-parameters", "--parameters", str(tmp_path / "none.yaml")]) == 1
    assert "none.yaml can't be read" in capsys.readouterr().err

import pytest

from fraudstream.contracts.country import COUNTRIES, country_fault


def test_the_countries_are_the_249_assigned_codes_and_kosovo() -> None:
    assert len(COUNTRIES) == 249 + 1
    assert all(len(code) == 2 and code.isascii() and code.isalpha() and code.isupper() for code in COUNTRIES)
    assert {"DE", "GB", "US", "BQ", "SX", "SS", "TL", "XK"} <= COUNTRIES


@pytest.mark.parametrize("code", ["UK", "EU", "AN", "YU", "SU", "CS", "ZZ", "AA", "QM", "XX", "XA", "EL", "00", "de"])
def test_reserved_withdrawn_and_private_codes_are_not_countries(code: str) -> None:
    assert code not in COUNTRIES


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("de", "write 'DE'"),
        ("De", "write 'DE'"),
        (" de ", "write 'DE'"),
        ("uk", "write 'GB'"),
        ("EL", "write 'GR'"),
        ("ZR", "write 'CD'"),
        ("  ", "leave the field out where the country is unknown"),
        ("ZZ", "leave the field out where the country is unknown"),
    ],
)
def test_a_code_that_is_not_a_country_is_answered_with_what_to_write(text: str, advice: str) -> None:
    assert country_fault(text) == f"is not a country of ISO 3166-1 alpha-2: {advice}"

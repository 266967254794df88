"""ISO 3166-1: the alpha-2 codes of countries, and the code to write in place of an invalid one."""

from __future__ import annotations

from typing import Final

from fraudstream.contracts.country_alpha3 import ALPHA_2

# Source: ISO 3166-1:2020 as maintained by the ISO 3166 Maintenance Agency to 2025, the 249 codes officially assigned.
_ASSIGNED = (
    "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ "
    "CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO "
    "FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE "
    "JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO "
    "MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW "
    "PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM "
    "TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW"
)
# Kosovo has no assigned code. SWIFT's IBAN registry, the card schemes and the EU write XK, from the range that
# ISO 3166-1 leaves to its users, so payments have it.
_USER_ASSIGNED = "XK"

COUNTRIES: Final = frozenset((_ASSIGNED + " " + _USER_ASSIGNED).split())

# Codes that payment systems write for a country that has another: reserved codes, and those of states that are gone.
_ASSIGNED_FOR = {"UK": "GB", "EL": "GR", "FX": "FR", "SF": "FI", "BU": "MM", "TP": "TL", "ZR": "CD", "DD": "DE"}


def country_meant(text: str) -> str | None:
    """The code of the country that another spelling of it means: small letters, alpha-3, a code that is gone.

    >>> country_meant("de"), country_meant("DEU"), country_meant("UK"), country_meant("ZZ")
    ('DE', 'DE', 'GB', None)
    """
    upper = text.strip().upper()
    return _ASSIGNED_FOR.get(upper) or ALPHA_2.get(upper) or (upper if upper in COUNTRIES else None)


def country_fault(text: str) -> str | None:
    """Why `text` is not the code of a country, as the end of a sentence; None if it is one.

    >>> country_fault("DE") is None
    True
    >>> country_fault("de"), country_fault("UK")
    ("is not a country of ISO 3166-1 alpha-2: write 'DE'", "is not a country of ISO 3166-1 alpha-2: write 'GB'")
    >>> country_fault("ZZ")
    'is not a country of ISO 3166-1 alpha-2: leave the field out where the country is unknown'
    """
    if text in COUNTRIES:
        return None
    meant = country_meant(text)
    advice = f"write '{meant}'" if meant else "leave the field out where the country is unknown"
    return f"is not a country of ISO 3166-1 alpha-2: {advice}"

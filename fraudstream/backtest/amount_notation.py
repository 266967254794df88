"""How amounts are written in text: separators, signs, symbols. Text in, exact decimals out.

Every notation that means one thing is read: `-50.00`, `50.00-`, `(50.00)`, a Unicode minus, `€-50.00`. A notation that
may mean two things is a fault, which says the option that decides it.
"""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fraudstream.backtest.null_words import is_null_word
from fraudstream.backtest.row_faults import BoolArray, ColumnFaults, as_mask
from fraudstream.backtest.shortened_numbers import shortened, shortened_sentence
from fraudstream.backtest.sources import SEPARATORS, AmountSource

SCALE = 9  # decimals kept while reading; no currency has more
WIDE = pa.decimal128(38, SCALE)

_MINUS = str.maketrans(dict.fromkeys("\u2010\u2011\u2012\u2013\u2212\ufe63\uff0d", "-"))
_SIDES = re.compile(r"(?<![A-Za-z])(CR|DR|C|D)\s*$|^\s*(CR|DR|C|D)(?![A-Za-z])", re.IGNORECASE)


def decimals_of_texts(texts: Any, source: AmountSource, faults: ColumnFaults) -> Any:
    """Amounts with their sign as decimal128(38, 9), null where a text is empty or faulty.

    `texts`: Arrow strings. Faults: what is not an amount in the notation that `source` declares.
    """
    bare = without_symbols(texts, source)
    bare = pc.if_else(pc.equal(bare, ""), None, bare)
    plain = pc.match_substring_regex(bare, _plain_pattern(source)).fill_null(True)
    ambiguous = _ambiguous(texts, bare, source)
    faults.add(ambiguous, lambda index: _ambiguous_sentence(texts[index].as_py(), source))
    plain_texts = _point_only(pc.if_else(plain, bare, None), source)
    if not pc.all(plain).as_py():
        plain_texts = _with_unusual(texts, bare, plain_texts, as_mask(pc.invert(plain)) & ~ambiguous, source, faults)
    return pc.if_else(pa.array(ambiguous), None, plain_texts.cast(WIDE))


def without_symbols(texts: Any, source: AmountSource) -> Any:
    """Arrow strings without what `strip` removes, and without blanks around them; separators of thousands stay."""
    for word in source.stripped_words:
        texts = pc.replace_substring(texts, word, "")
    for character in source.stripped_characters:
        if character not in SEPARATORS:
            texts = pc.replace_substring(texts, character, "")
    return pc.utf8_trim_whitespace(texts)


def _plain_pattern(source: AmountSource) -> str:
    return rf"^[-+]?(?:{_whole_pattern(source)})(?:{re.escape(source.decimal_separator)}\d{{0,9}})?$"


def _body_pattern(source: AmountSource) -> str:
    """An amount without a sign; `.5` too."""
    return rf"(?:{_whole_pattern(source)})?(?:{re.escape(source.decimal_separator)}\d*)?"


def _whole_pattern(source: AmountSource) -> str:
    """Digits, or groups of three; or as in India, of two and a last one of three."""
    if not source.grouping:
        return r"\d{1,19}"
    between = f"[{re.escape(source.grouping)}]"
    return rf"\d{{1,19}}|\d{{1,3}}(?:{between}\d{{3}}){{1,6}}|\d{{1,2}}(?:{between}\d{{2}}){{1,8}}{between}\d{{3}}"


def _point_only(texts: Any, source: AmountSource) -> Any:
    """Plain texts without separators of thousands and plus signs, with a decimal point."""
    for character in source.grouping:
        texts = pc.replace_substring(texts, character, "")
    if source.decimal_separator != ".":
        texts = pc.replace_substring(texts, source.decimal_separator, ".")
    return pc.utf8_ltrim(pc.utf8_rtrim(texts, characters="."), characters="+")


def _ambiguous(texts: Any, bare: Any, source: AmountSource) -> BoolArray:
    """Which amounts may mean two things: numbers that a spreadsheet has shortened, zero-padded whole numbers without a
    `scale`, and a sign or an exponent that is stripped."""
    wrong = as_mask(shortened(bare)).copy()
    if source.scale is None:
        wrong |= as_mask(pc.match_substring_regex(bare, r"^[-+]?0\d+$"))
    if {"E"} <= {*source.stripped_characters.upper()}:
        wrong |= as_mask(pc.match_substring_regex(texts, r"\d[eE][-+]?\d"))
    if {"C", "R"} <= {*source.stripped_characters.upper()} or {"D", "R"} <= {*source.stripped_characters.upper()}:
        wrong |= as_mask(pc.match_substring_regex(texts, r"(?i)(^|[^A-Z])(CR|DR)\s*$"))
    return wrong


def _ambiguous_sentence(text: str, source: AmountSource) -> str:
    if "E+" in text:
        return shortened_sentence(text)
    if _SIDES.search(text):
        return f"{text!r} says debit or credit, which strip removes. Set `signs: {{CR: '-', DR: '+'}}` or the reverse."
    if re.search(r"\d[eE][-+]?\d", text):
        return f"{text!r} has an exponent, which strip removes. Strip fewer characters."
    return (
        f"{text!r} is padded with zeros and has no decimal separator, as amounts in minor units are. "
        "Set `scale: minor`, the number of its decimals (`scale: 2`), or `scale: major`."
    )


def _with_unusual(
    texts: Any, bare: Any, plain: Any, unusual: BoolArray, source: AmountSource, faults: ColumnFaults
) -> Any:
    """`plain` with the texts of the `unusual` rows, parsed one by one: they are rare."""
    repaired = plain.to_numpy(zero_copy_only=False).copy()
    wrong: dict[int, str] = {}
    for index in np.flatnonzero(unusual).tolist():
        try:
            repaired[index] = _unusual_text(bare[index].as_py(), source)
        except ValueError as error:
            wrong[index] = f"{texts[index].as_py()!r} {error}"
    mask = np.zeros(len(repaired), np.bool_)
    mask[list(wrong)] = True
    faults.add(mask, wrong.__getitem__)
    return pa.array(repaired, pa.string())


def _unusual_text(text: str, source: AmountSource) -> str:
    """An amount as a plain decimal. Raises `ValueError` with the end of a sentence."""
    body, negative = _without_sign(text.translate(_MINUS), source)
    if re.fullmatch(_body_pattern(source), body, re.ASCII) and body[-1:].isdigit():
        for character in source.grouping:
            body = body.replace(character, "")
        number = Decimal(body.replace(source.decimal_separator, "."))
    elif source.decimal_separator == "." and re.fullmatch(r"([0-9]+\.?[0-9]*|\.[0-9]+)[eE][-+]?[0-9]{1,3}", body):
        number = Decimal(body)
    else:
        raise ValueError(_not_an_amount(body, source))
    if number >= 10**19:
        raise ValueError("is too large for an amount.")
    try:
        shortened = number.quantize(Decimal(1).scaleb(-SCALE))
    except InvalidOperation:
        raise ValueError("is not a decimal amount.") from None
    if shortened != number and not source.round:
        raise ValueError(f"has more than {SCALE} decimals. Set `round: true` to round it.")
    return f"{'-' if negative else ''}{shortened:f}"


def _without_sign(text: str, source: AmountSource) -> tuple[str, bool]:
    """The amount without its sign, and whether it is negative. Raises `ValueError` if there are two signs."""
    signs: list[str] = []
    for word, sign in sorted((source.signs or {}).items(), key=lambda item: -len(item[0])):
        if text.endswith(word) or text.startswith(word):
            text = (text.removesuffix(word) if text.endswith(word) else text.removeprefix(word)).strip()
            signs.append(sign)
    if text.startswith("(") and text.endswith(")"):
        text = text[1:-1].strip()
        signs.append("-")
    while text[:1] in ("-", "+"):
        signs.append(text[0])
        text = text[1:].strip()
    while text[-1:] in ("-", "+"):
        signs.append(text[-1])
        text = text[:-1].strip()
    if len(signs) > 1:
        raise ValueError("has more than one sign.")
    return text, signs == ["-"]


def _not_an_amount(body: str, source: AmountSource) -> str:
    """What to do about text that is not an amount."""
    if is_null_word(body):
        return f"is not a decimal amount. If it means that there is none, set `file: {{null_values: ['{body}']}}`."
    if _SIDES.search(body):
        return "has a word beside the number. If it is the sign, set `signs: {CR: '-', DR: '+'}`, or the reverse."
    if re.fullmatch(rf"[0-9]{{20,}}({re.escape(source.decimal_separator)}[0-9]*)?", body):
        return "is too large for an amount."
    separators = [c for c in dict.fromkeys(body.strip(SEPARATORS)) if c in SEPARATORS and c != source.decimal_separator]
    if separators and re.fullmatch(rf"[0-9{re.escape(SEPARATORS)}]+", body):
        found = separators[0]
        if found in source.grouping:
            hint = f" If {found!r} is the decimal separator, set `decimal: '{found}'`." if found in ",." else ""
            return f"is not a decimal amount: {found!r} does not separate groups of three digits.{hint}"
        decimal = f"If {found!r} separates decimals, set `decimal: '{found}'`; if" if found in ",." else "If"
        shown = f'"{found}"' if found == "'" else f"'{found}'"
        return f"is not a decimal amount. {decimal} it separates thousands, set `thousands: {shown}`."
    if (word := re.search(r"[^\W\d_]+\.(?=[\s\d])", body)) is not None:
        return f"is not a decimal amount. If {word[0]!r} has no meaning, set `strip: ['{word[0]}']`."
    if re.search(r"[0-9]", body) and re.search(r"[^\d.,' -]", body):
        return "is not a decimal amount. Characters without a meaning, such as a currency sign, can go into `strip`."
    return "is not a decimal amount."

"""What a wrong expression is told: where, what was wrong, what was meant."""

import pytest

from fraudstream.engine.expression import PAYMENT_FIELDS, ExpressionError, Origin, Type, compile_expression

SYMBOLS = {
    **PAYMENT_FIELDS,
    "account.payments_1h": Type.NUMBER,
    "account.amount_mean_30d": Type.MONEY,
    "account.since_last": Type.DURATION,
    "account.new_device": Type.BOOL,
}


def error_of(source: str, expected: Type = Type.BOOL) -> ExpressionError:
    with pytest.raises(ExpressionError) as caught:
        compile_expression(source, SYMBOLS, expected, Origin("takeover/new.yaml", 9, 7))
    return caught.value


@pytest.mark.parametrize(
    ("source", "column", "part"),
    [
        ("acount.payments_1h > 5", 7, "Nearest: 'account.payments_1h'"),
        ("amount_minor > 5", 7, "Nearest: 'amount'"),
        ("amount > account.payments_1h", 16, "'amount' is an amount of money, 'account.payments_1h' is a plain number"),
        ("account.since_last < 3600", 28, "Write the unit"),
        ("account.since_last < 86_400_000", 28, "If milliseconds were meant, write 1d"),
        ("account.payments_1h > 1h", 29, "'1h' is a duration"),
        ("amount > 24h", 16, "'24h' is a duration"),
        ("amount * amount > 3", 7, "their product has no meaning"),
        ("account.since_last / amount > 3", 7, "their quotient has no meaning"),
        ("amount + account.since_last > 3", 16, "can't be added"),
        ("amount / 0 > 3", 16, "division by zero"),
        ("round_down(amount, 0) == 3", 26, "the step must be more than zero"),
        ("rarity(amount, 3) > 1", 14, "'amount' is an amount of money: rarity() takes plain numbers"),
        ("burst(account.payments_1h, 1h) > 1", 34, "'1h' is a duration: burst() takes plain numbers"),
        ("burst(account.payments_1h, 2) < 0", 7, "never"),
        ("direction == 'debt'", 20, "direction is never 'debt'; it is one of debit, credit. Nearest: 'debit'"),
        ("channel in ('app', 'wep')", 26, "Nearest: 'web'"),
        ("currency == 'EURO'", 19, "it is a currency of ISO 4217, in capital letters. Nearest: 'EUR'"),
        ("direction < 'debit'", 7, "no meaning for text"),
        ("direction == 5", 20, "they can't be compared"),
        ("card_present > true", 7, "no meaning for true and false"),
        ("amount", 7, "where true or false is expected"),
        ("hour + card_present > 3", 14, "where a number, an amount or a duration is expected"),
        ("amount in ('a')", 7, "only text can be looked for in a list"),
        ("channel in (app)", 19, "a list holds text in quotes"),
        ("1 < hour < 3", 16, "comparisons can't be chained"),
        ("amount = 3", 14, "write '=='"),
        ("card_present && night", 20, "write 'and'"),
        ("!card_present", 7, "write 'not'"),
        ("hour % 2 == 0", 12, "'%' is not an operator"),
        ("amount > 3 # large", 18, "a comment can't be part of an expression"),
        ("channel == 'app", 18, "no closing quote"),
        ("channel == ''", 18, "write 'is missing'"),
        ("amount is None", 17, "'is' must be followed by 'missing' or 'present'"),
        ("eval('1')", 7, "no function 'eval'"),
        ("maxx(1, 2) > 1", 7, "Nearest: 'max'"),
        ("min(amount) > 1", 7, "takes 2 to 8 values, found 1"),
        ("amount.__class__ == 1", 7, "no field or feature 'amount.__class__'"),
        ("direction == debit", 20, "no field or feature 'debit'. Write text in quotes."),
        ("channel == null", 18, "write 'is missing' or 'is present'"),
        ("card_present AND hour < 5", 20, "found 'AND'. Write 'and'."),
        ("account.since_last < 90x", 30, "'x' is not a unit of time"),
        ("amount > ", 16, "expected a value here, found the end"),
        ("", 7, "expected a value here, found the end"),
        ("amount > 1 hour", 18, "should end here or continue with an operator"),
        ("(amount > 1", 18, "expected ')'"),
        ("mcc == 5411", 14, "Write text in quotes: '5411'."),
    ],
)
def test_a_fault_says_where_and_what_was_meant(source: str, column: int, part: str) -> None:
    error = error_of(source)
    assert part in error.sentence
    assert (error.path, error.line, error.column) == ("takeover/new.yaml", 9, column)


def test_a_fault_shows_the_line_with_a_caret() -> None:
    assert str(error_of("amount > 100\n    and acount.payments_1h > 5")).splitlines() == [
        "takeover/new.yaml:10:9: no field or feature 'acount.payments_1h'. Nearest: 'account.payments_1h'.",
        "    and acount.payments_1h > 5",
        "        ^",
    ]


def test_an_expression_of_another_type_than_due_is_refused() -> None:
    assert "but a plain number is expected" in error_of("amount / 2", Type.NUMBER).sentence
    assert "but an amount of money is expected" in error_of("hour", Type.MONEY).sentence


@pytest.mark.parametrize(
    ("source", "part"),
    [
        ("(" * 100_000, "too many for one expression"),
        ("(" * 1_000 + "hour" + ")" * 1_000, "nested deeper"),
        ("not " * 900 + "card_present", "nested deeper"),
        ("-" * 3_000 + "1 > 0", "nested deeper"),
        ("hour > 0 and " * 200 + "hour > 0", "too large"),
        ("+".join(["1"] * 500) + " > 0", "too large"),
        ("channel in (" + ", ".join(["'app'"] * 400) + ")", "too large"),
        ("min(" * 200 + "1", "nested deeper"),
        ("9" * 400 + " > 1", "more than 20 digits"),
        ("a" * 3_000 + " > 1", "longer than 128 characters"),
        ("'" + "x" * 3_000 + "' == channel", "longer than 1,024 characters"),
        ("channel == 'a\x00b'", "can't be printed"),
        ("channel == '\ud800'", "can't be printed"),
        ("__import__('os') == 1", "no function '__import__'"),
        ("(amount).__class__ == 1", "'.' is not allowed in an expression"),
        ("(lambda: 1)() == 1", "':' is not allowed in an expression"),
        ("amount > 1; hour > 2", "is not allowed in an expression"),
    ],
)
def test_hostile_text_is_refused_at_once(source: str, part: str) -> None:
    assert part in error_of(source).sentence


def test_a_fault_in_a_long_line_shows_a_part_of_it() -> None:
    error = error_of("channel == 'branch' and " * 30 + "oops > 0")
    assert all(len(line) < 300 for line in str(error).splitlines())
    assert str(error).splitlines()[1][4:][error.fault.caret :].startswith("oops")

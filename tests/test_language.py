"""Languages: every sentence has its translation, with the same values in it, and numbers are written as people do."""

from __future__ import annotations

import ast
import datetime as dt
import io
import re
from pathlib import Path
from string import Formatter
from typing import Any, NamedTuple

import pytest
from babel.messages.pofile import read_po

import kundenwert as kw
from kundenwert.economics.base.segments import SEGMENTS
from kundenwert.economics.relationship.phase_rules import PHASES
from kundenwert.errors import SpecificationError
from kundenwert.language import language_of, languages

SOURCE = Path(kw.__file__).parent
TRANSLATED = [code for code in languages() if code != "en"]
SAID = {"say", "mark"}
IN_TEMPLATES = re.compile(r"say\(\"([^\"]+)\"\)")


class Message(NamedTuple):
    """What the program says."""

    one: str
    many: str = ""
    context: str = ""


def messages() -> set[Message]:
    """All that is said, or marked to be said later, anywhere in the source."""
    found = {Message(name) for name in (*SEGMENTS, *PHASES, "more")}  # names that tables give
    for path in SOURCE.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        if "kundenwert.language" not in text and path.parent.name != "language":
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call):
                found |= said_by(node)
    for path in SOURCE.rglob("*.jinja"):
        found |= {Message(text) for text in IN_TEMPLATES.findall(path.read_text(encoding="utf-8"))}
    return found


def said_by(node: ast.Call) -> set[Message]:
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    texts = [argument.value for argument in node.args if isinstance(argument, ast.Constant)]
    if name in SAID and texts:
        return {Message(str(texts[0]))}
    if name in {"several", "mark_several"} and len(texts) > 1:
        pair = Message(str(texts[0]), str(texts[1]))
        length = bool(re.fullmatch(r"\{number\} \w+", pair.many)) and "purchase" not in pair.one
        return {pair, Message(*pair[:2], "within")} if name == "mark_several" and length else {pair}
    return set()


def catalogue(code: str) -> dict[Message, tuple[str, ...]]:
    """The translations of a language."""
    text = (SOURCE / "language" / f"{code}.po").read_text(encoding="utf-8")
    result = {}
    for message in read_po(io.StringIO(text), locale=code):
        if message.id:
            one, many = message.id if isinstance(message.id, tuple) else (str(message.id), "")
            said = message.string if isinstance(message.string, tuple) else (message.string,)
            result[Message(one, many, message.context or "")] = tuple(str(text) for text in said)
    return result


def values_in(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


def test_there_is_much_to_say():
    assert len(messages()) > 200
    assert Message("Early warnings") in messages()
    assert Message("{number} week", "{number} weeks", "within") in messages()


@pytest.mark.parametrize("code", TRANSLATED)
def test_everything_is_translated_and_nothing_else(code):
    known = catalogue(code)
    assert sorted(messages() - set(known)) == []
    assert sorted(set(known) - messages()) == []
    assert [message for message, said in known.items() if not all(said)] == []


@pytest.mark.parametrize("code", TRANSLATED)
def test_translations_hold_the_same_values(code):
    for message, said in catalogue(code).items():
        wanted = values_in(message.many or message.one)
        for number, text in enumerate(said):
            got = values_in(text)
            assert got == wanted or (message.many and number == 0 and got | {"number"} == wanted), message


def test_a_language_that_is_not_there_is_refused_with_those_that_are():
    for code in ("fr", "", "../de", None, 3):
        with pytest.raises(SpecificationError, match="'en', 'de'") as caught:
            language_of(code)
        assert repr(code) in str(caught.value)


ENGLISH, GERMAN = language_of("en"), language_of("de")


@pytest.mark.parametrize(
    "amount,currency,decimals,english,german",
    [
        (1234.56, "EUR", 2, "€1,234.56", "1.234,56\xa0€"),
        (-1234.56, "EUR", 0, "−€1,235", "−1.235\xa0€"),
        (1e9, "JPY", 0, "¥1,000,000,000", "1.000.000.000\xa0¥"),
        (12.0, "points", 2, "12.00 points", "12,00 points"),
        (-0.001, "", 2, "0.00", "0,00"),
        (1.0, "\u202e$", 0, "1 \u2068\u202e$\u2069", "1 \u2068\u202e$\u2069"),
    ],
)
def test_money(amount, currency, decimals, english, german):
    assert ENGLISH.money(amount, currency, decimals) == english
    assert GERMAN.money(amount, currency, decimals) == german


def test_numbers_and_shares():
    numbers = (0.0, -0.25, 1234.5, 12.0, -1e6, 0.123456)
    assert [ENGLISH.plain(value) for value in numbers] == ["0", "−0.25", "1,234", "12", "−1,000,000", "0.1235"]
    assert [GERMAN.plain(value) for value in numbers] == ["0", "−0,25", "1.234", "12", "−1.000.000", "0,1235"]
    assert [GERMAN.percent(value) for value in (0.9, 0.726, 1.0)] == ["90 %", "72,6 %", "100 %"]
    assert GERMAN.significant(99.96) == "100"
    assert GERMAN.significant(0.00123) == "0,00123"


def test_times():
    lengths: list[Any] = [kw.weeks(13), kw.years(1), kw.opportunities(1), kw.opportunities(3), kw.days(10.5)]
    assert [ENGLISH.length(length) for length in lengths] == [
        "13 weeks",
        "1 year",
        "1 opportunity",
        "3 opportunities",
        "10.5 days",
    ]
    assert [GERMAN.length(kw.years(3)), GERMAN.within(kw.years(3))] == ["3 Jahre", "3 Jahren"]
    assert [ENGLISH.next(kw.years(1)), ENGLISH.next(kw.weeks(26))] == [
        "within the next year",
        "within the next 26 weeks",
    ]
    assert [GERMAN.next(kw.years(1)), GERMAN.first(kw.months(18))] == ["im nächsten Jahr", "in den ersten 18 Monaten"]
    day = dt.datetime(1997, 9, 30, 13)  # noqa: DTZ001 - logs tell wall-clock times
    assert (ENGLISH.date(day), GERMAN.date(day), GERMAN.time(day)) == (
        "Sep 30, 1997",
        "30.09.1997",
        "30.09.1997, 13:00",
    )

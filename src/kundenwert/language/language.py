"""A language: how sentences are said in it, and how numbers, money, dates and lengths of time are written."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast, final

from babel import Locale
from babel.core import get_global
from babel.dates import format_date, format_time
from babel.numbers import format_decimal, get_currency_precision, get_decimal_symbol, parse_pattern

from kundenwert.duration import Duration, Periods
from kundenwert.errors import SpecificationError
from kundenwert.language.catalogues import SOURCE, languages, translations
from kundenwert.language.marking import Several, mark, mark_several

if TYPE_CHECKING:
    from datetime import date, datetime
    from gettext import NullTranslations

    from kundenwert.duration import Horizon, Unit

__all__ = ["ENGLISH", "Language", "decimals_of", "language_of"]

LENGTHS: Final = {
    "hour": mark_several("{number} hour", "{number} hours"),
    "day": mark_several("{number} day", "{number} days"),
    "week": mark_several("{number} week", "{number} weeks"),
    "month": mark_several("{number} month", "{number} months"),
    "year": mark_several("{number} year", "{number} years"),
    "opportunity": mark_several("{number} opportunity", "{number} opportunities"),
    "renewal": mark_several("{number} renewal", "{number} renewals"),
}
NEXT: Final = {
    "day": mark_several("within the next day", "within the next {number} days"),
    "week": mark_several("within the next week", "within the next {number} weeks"),
    "month": mark_several("within the next month", "within the next {number} months"),
    "year": mark_several("within the next year", "within the next {number} years"),
    "opportunity": mark_several("at the next opportunity", "within the next {number} opportunities"),
}
FIRST: Final = {
    "day": mark_several("within the first day", "within the first {number} days"),
    "week": mark_several("within the first week", "within the first {number} weeks"),
    "month": mark_several("within the first month", "within the first {number} months"),
    "year": mark_several("within the first year", "within the first {number} years"),
    "opportunity": mark_several("at the first opportunity", "within the first {number} opportunities"),
}
UNITS: Final = {
    "hour": mark("hours"),
    "day": mark("days"),
    "week": mark("weeks"),
    "month": mark("months"),
    "year": mark("years"),
    "opportunity": mark("opportunities"),
    "renewal": mark("renewals"),
}
INCLUDING: Final = "within"  # the context of lengths after a preposition: "innerhalb von 13 Wochen", not "Wochen"
BEYOND_DIGITS: Final = 1e15  # a floating-point number has no more digits than that
BIDIRECTIONAL: Final = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Language:
    """A language.

    Attributes
    ----------
    code
        Such as ``"de"``.
    locale
        How numbers and dates are written.
    catalogue
        Translations of what is said.
    """

    code: str
    locale: Locale
    catalogue: NullTranslations

    def say(self, text: str, /, **values: str) -> str:
        """A sentence, with these values in it."""
        return self.catalogue.gettext(text).format(**values)

    def several(self, one: str, many: str, number: float, /, **values: str) -> str:
        """A sentence about a number of things, written in it as ``{number}``."""
        whole = int(number) if number == int(number) else 2  # a part of something is said as several
        return self.catalogue.ngettext(one, many, whole).format(number=self.plain(number), **values)

    def several_written(self, one: str, many: str, written: str) -> str:
        """The same with a number that is written already."""
        return self.catalogue.ngettext(one, many, 1 if written == "1" else 2).format(number=written)

    # numbers

    def decimal(self, value: float, decimals: int) -> str:
        """A number with so many decimals."""
        text = format_decimal(value, format=f"#,##0{'.' if decimals else ''}{'0' * decimals}", locale=self.locale)
        return _with_minus(text, value)

    def plain(self, value: float) -> str:
        """A number with the digits that it needs, four at most: 12,000 or 0.25."""
        size = abs(value)
        if size >= 1000 or size == int(size):
            return self.decimal(value, 0)
        return self.significant(value, 4, keep=False)

    def significant(self, value: float, digits: int = 3, *, keep: bool = True) -> str:
        """A number with so many digits; without `keep`, zeros at its end are dropped."""
        if value == 0 or not math.isfinite(value):
            return self.decimal(value, 0)
        rounded = float(f"{value:.{digits}g}")
        decimals = max(0, digits - 1 - math.floor(math.log10(abs(rounded))))
        text = self.decimal(rounded, min(decimals, 12))
        point = get_decimal_symbol(self.locale)
        return text if keep or point not in text else text.rstrip("0").removesuffix(point)

    def percent(self, share: float) -> str:
        """A share with the digits that it needs, three at most: 73 %."""
        return f"{self.significant(100 * share, keep=False)} %"

    def money(self, value: float, currency: str, decimals: int) -> str:
        """An amount: known currencies as the language writes them, other labels behind the number."""
        if not is_currency(currency):
            number = self.decimal(value, decimals)
            return f"{number} {isolated(currency)}" if currency else number
        pattern = parse_pattern(self.locale.currency_formats["standard"].pattern)
        pattern.frac_prec = (decimals, decimals)
        text = pattern.apply(abs(value), self.locale, currency=currency, currency_digits=False)
        return _with_minus(text, value)

    # times

    def length(self, horizon: Horizon) -> str:
        """A length of time: 13 weeks."""
        unit, number = _count(horizon)
        return self.several(*LENGTHS[unit], number)

    def within(self, horizon: Horizon) -> str:
        """A length of time after a preposition such as "within"."""
        unit, number = _count(horizon)
        one, many = LENGTHS[unit]
        whole = int(number) if number == int(number) else 2
        found = self.catalogue.npgettext(INCLUDING, one, many, whole)
        return found.format(number=self.plain(number))

    def counted(self, written: str, unit: str) -> str:
        """A measured length of time, its number written already: 9.25 weeks."""
        return self.several_written(*LENGTHS[unit], written)

    def next(self, horizon: Horizon) -> str:
        """How far ahead: within the next 3 years."""
        return self._ahead(NEXT, horizon)

    def first(self, horizon: Horizon) -> str:
        """How long from the start: within the first 3 years."""
        return self._ahead(FIRST, horizon)

    def _ahead(self, phrases: dict[str, Several], horizon: Horizon) -> str:
        if horizon.is_lifetime:
            return self.say(mark("for as long as they stay"))
        unit, number = _count(horizon)
        return self.several(*phrases[unit], number)

    def units(self, unit: Unit) -> str:
        """Several of a unit, in general: weeks."""
        return self.say(UNITS[unit])

    def date(self, day: date) -> str:
        """A day."""
        return format_date(day, format="medium", locale=self.locale)

    def time(self, moment: datetime) -> str:
        """A day and an hour."""
        return f"{self.date(moment)}, {format_time(moment, format='short', locale=self.locale)}"


def language_of(code: object) -> Language:
    """The language of a code such as "de".

    Raises
    ------
    SpecificationError
        If there is none; the message lists what there is.
    """
    if not isinstance(code, str) or code not in languages():
        known = ", ".join(map(repr, languages()))
        message = f"language takes one of {known}, got {code!r}; write for example language='de'"
        raise SpecificationError(message)
    return Language(code=code, locale=Locale.parse(code), catalogue=translations(code))


ENGLISH: Final = language_of(SOURCE)


def is_currency(label: str) -> bool:
    """Whether a label is the code of a currency, such as EUR."""
    return len(label) == 3 and label in cast("dict[str, object]", get_global("all_currencies"))


def decimals_of(currency: str) -> int:
    """How many decimals amounts of a currency have."""
    return get_currency_precision(currency) if is_currency(currency) else 2


def isolated(text: str) -> str:
    """Text whose marks of writing direction end with it."""
    return f"\u2068{text}\u2069" if BIDIRECTIONAL.intersection(text) else text


def _with_minus(text: str, value: float) -> str:
    """The number with a minus sign, unless it is written as zero."""
    bare = text.lstrip("-−")
    return f"−{bare}" if value < 0 and any(digit in bare for digit in "123456789") else bare


def _count(horizon: Horizon) -> tuple[str, float]:
    """The unit in which a length of time is said, and the number."""
    if isinstance(horizon, Periods):
        return horizon.of, horizon.count
    assert isinstance(horizon, Duration)  # noqa: S101 - the other kind of horizon
    for unit in ("year", "month", "week", "day"):
        length = horizon.in_unit(unit)
        if length >= 1 and abs(length - round(length)) < 1e-9:
            return unit, round(length)
    return "day", horizon.in_days

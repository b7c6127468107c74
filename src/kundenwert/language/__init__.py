"""The languages that people are spoken to in: sentences, numbers, dates and lengths of time."""

from kundenwert.language.catalogues import languages
from kundenwert.language.language import ENGLISH, Language, decimals_of, language_of
from kundenwert.language.marking import mark, mark_several

__all__ = ["ENGLISH", "Language", "decimals_of", "language_of", "languages", "mark", "mark_several"]

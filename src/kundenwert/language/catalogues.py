"""Catalogues of translations: gettext's .po files beside this one, read as they are."""

from __future__ import annotations

import io
from functools import cache
from gettext import GNUTranslations, NullTranslations
from importlib.resources import files

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from kundenwert.errors import SpecificationError

__all__ = ["SOURCE", "languages", "translations"]

SOURCE = "en"
"""The language that sentences are written in."""


def languages() -> tuple[str, ...]:
    """Codes of the languages that there are."""
    found = (entry.name for entry in files("kundenwert.language").iterdir())
    return (SOURCE, *sorted(name.removesuffix(".po") for name in found if name.endswith(".po")))


@cache
def translations(code: str) -> NullTranslations:
    """The catalogue of a language; of the source, an empty one.

    Raises
    ------
    SpecificationError
        If there is none.
    """
    known = languages()
    if code not in known:
        message = f"language takes one of {', '.join(map(repr, known))}, got {code!r}; write for example language='de'"
        raise SpecificationError(message)
    if code == SOURCE:
        return NullTranslations()
    text = files("kundenwert.language").joinpath(f"{code}.po").read_text(encoding="utf-8")
    compiled = io.BytesIO()
    write_mo(compiled, read_po(io.StringIO(text), locale=code))
    compiled.seek(0)
    return GNUTranslations(compiled)

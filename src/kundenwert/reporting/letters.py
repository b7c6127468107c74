"""Letters that have a place on a page."""

from __future__ import annotations

import unicodedata
from typing import Final

__all__ = ["clean"]

VOID: Final = "�"


def clean(text: str) -> str:
    """Text without what has no place on a page: control characters but for line ends, and halves of characters."""
    return text if text.isprintable() else "".join(map(_letter, text))


def _letter(letter: str) -> str:
    if letter == "\n":
        return letter
    if letter.isspace():
        return max(letter, " ")
    return VOID if unicodedata.category(letter) in {"Cc", "Cs"} else letter

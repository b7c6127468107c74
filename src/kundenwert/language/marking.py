"""Marks for sentences that stand in constants, so that tests find what has to be translated."""

from __future__ import annotations

from typing import NamedTuple, final

__all__ = ["Several", "mark", "mark_several"]


@final
class Several(NamedTuple):
    """What is said of one, and of several."""

    one: str
    many: str


def mark(text: str) -> str:
    """A sentence to be said later, in the language of the reader."""
    return text


def mark_several(one: str, many: str) -> Several:
    """The same with a number in it."""
    return Several(one, many)

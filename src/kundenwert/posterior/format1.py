"""Posteriors of format 1: what version 0.1 wrote as JSON, checked field by field."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from kundenwert.duration import check_unit_or_count
from kundenwert.errors import KundenwertError
from kundenwert.inference.diagnostics import Diagnostics
from kundenwert.models.core import Model, SpendModel
from kundenwert.posterior.assembly import posterior_of
from kundenwert.posterior.base import Posterior, Provenance
from kundenwert.posterior.supports import check_draws
from kundenwert.priors import Prior
from kundenwert.storage.blocks import UnreadableError
from kundenwert.storage.hints import fits, hints_of
from kundenwert.storage.registry import KINDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kundenwert.models.core import Array

__all__ = ["posterior_of_format_1"]

DAMAGED: Final = "; it is damaged or of another kind"
DEEPEST: Final = 10


def posterior_of_format_1(meta: dict[str, Any], arrays: dict[str, Array], own: Mapping[str, type[Any]]) -> Posterior:
    """The posterior that such a file holds.

    Raises
    ------
    UnreadableError
        If it holds what cannot be.
    """
    try:
        return _posterior(meta, arrays, own)
    except (KundenwertError, KeyError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        message = f"cannot be read as a saved posterior ({error}){DAMAGED}"
        raise UnreadableError(message) from error


def _posterior(meta: dict[str, Any], arrays: dict[str, Array], own: Mapping[str, type[Any]]) -> Posterior:
    model = _described(meta["model"], own)
    if not isinstance(model, Model):
        message = f"holds a {type(model).__name__} where a model was expected{DAMAGED}"
        raise UnreadableError(message)
    p_infinite_mean, spend = meta["p_infinite_mean"], isinstance(model, SpendModel)
    if not (fits(p_infinite_mean, float) if spend else p_infinite_mean is None):
        message = f"p_infinite_mean is {p_infinite_mean!r}"
        raise TypeError(message)
    unit = check_unit_or_count(meta["unit"])
    return posterior_of(
        model,
        check_draws(model, arrays, unit),
        unit=unit,
        diagnostics=_made(Diagnostics, meta["diagnostics"]),
        provenance=_made(Provenance, meta["provenance"]),
        p_infinite_mean=p_infinite_mean,
    )


def _described(described: Any, own: Mapping[str, type[Any]], depth: int = 0) -> Any:  # noqa: ANN401 - from JSON
    """A model, or a part of one, from its name and fields."""
    name, given = described["name"], described["fields"]
    kind = KINDS.get(name)
    cls = own.get(name) or (kind.cls if kind is not None else None)
    if cls is None:
        models = ", ".join(sorted(each for each, known in KINDS.items() if issubclass(known.cls, Model)))
        message = (
            f"holds a {name}, which is none of {models}; if it is a model of your own, write "
            f"kundenwert.load(path, models=({name},))"
        )
        raise UnreadableError(message)
    if depth > DEEPEST or not isinstance(given, dict):
        message = f"{name} has the fields {given!r:.80}"
        raise TypeError(message)
    content = {field: _value(value, own, depth) for field, value in given.items()}
    return _made(cls, content, checked=name not in own)


def _value(value: Any, own: Mapping[str, type[Any]], depth: int) -> Any:  # noqa: ANN401 - from JSON
    if not isinstance(value, dict):
        return _tuples(value)
    if "part" in value:
        return _described(value["part"], own, depth + 1)
    fields = dict(value)
    kind = KINDS.get(fields.pop("prior"))
    if kind is None or not issubclass(kind.cls, Prior):
        message = f"holds a prior {value['prior']!r} that this version does not know; upgrade kundenwert"
        raise UnreadableError(message)
    return _made(kind.cls, fields)


def _tuples(value: Any) -> Any:  # noqa: ANN401 - from JSON
    """Lists are tuples in JSON."""
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _made(cls: type[Any], content: dict[str, Any], *, checked: bool = True) -> Any:  # noqa: ANN401 - of any class
    content = {name: _tuples(value) for name, value in content.items()}
    for name, value in content.items():
        if checked and not fits(value, hints_of(cls)[name]):
            message = f"{name} of {cls.__name__} is {value!r:.80}"
            raise TypeError(message)
    return cls(**{**getattr(cls, "before", {}), **content})  # fields that came later

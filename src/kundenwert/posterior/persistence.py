"""Saving and loading posteriors: NetCDF with the draws, and JSON for everything else; no pickle, no customers."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, SupportsFloat

import numpy as np

from kundenwert import priors
from kundenwert.duration import Duration, Periods, check_unit_or_count
from kundenwert.errors import FileFormatError
from kundenwert.inference.diagnostics import Diagnostics
from kundenwert.models import (
    MODELS,
    AdditiveHazard,
    ByState,
    HierarchicalLogit,
    Observational,
    PriorOnly,
    Randomised,
    Refuse,
)
from kundenwert.posterior.assembly import posterior_of
from kundenwert.posterior.base import Posterior, Provenance
from kundenwert.posterior.spend import SpendPosterior
from kundenwert.scalars import is_whole

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike

    from kundenwert.models.core import Model
    from kundenwert.posterior.campaign import CampaignPosterior
    from kundenwert.posterior.contract import ContractPosterior
    from kundenwert.posterior.purchase import PurchasePosterior


__all__ = ["load", "save"]

FORMAT: Final = "kundenwert posterior"
FORMAT_VERSION: Final = 1
ATTRIBUTE: Final = "kundenwert"
PARTS: Final[tuple[type[Any], ...]] = (
    Randomised,
    Observational,
    Refuse,
    PriorOnly,
    HierarchicalLogit,
    AdditiveHazard,
    ByState,
    Duration,
    Periods,
)
"""What a model may be made of beside numbers and priors."""


def save(posterior: Posterior, path: str | PathLike[str]) -> None:
    """Write a posterior to a NetCDF file."""
    import h5netcdf

    meta = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "model": _described(posterior.model),
        "unit": posterior.unit,
        "diagnostics": asdict(posterior.diagnostics),
        "provenance": asdict(posterior.provenance),
        "p_infinite_mean": posterior.p_infinite_mean if isinstance(posterior, SpendPosterior) else None,
    }
    chains, draws = posterior.values[0].shape
    with h5netcdf.File(path, "w") as file:
        file.attrs[ATTRIBUTE] = json.dumps(meta, default=_plain)
        file.dimensions = {"chain": chains, "draw": draws}
        for name, value in zip(posterior.model.parameter_names, posterior.values, strict=True):
            file.create_variable(name, ("chain", "draw"), dtype=np.float64, data=value)


def _plain(number: SupportsFloat) -> float:
    """A number of NumPy, or a fraction, in a prior or another setting of a model."""
    return int(number) if is_whole(number) else float(number)


def load(
    path: str | PathLike[str], *, models: Sequence[type[Model[Any]]] = ()
) -> PurchasePosterior | SpendPosterior | ContractPosterior | CampaignPosterior:
    """Read a posterior that its method ``save`` wrote.

    Parameters
    ----------
    path : str or path
        The file.
    models : sequence of model classes
        Models that do not come with kundenwert, if the file may hold one of them.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FileFormatError
        If the file is damaged, is not a saved posterior, or comes from a newer version.
    """
    import h5py  # NetCDF 4 is HDF5; h5netcdf stumbles over damaged files when it closes them

    if not Path(path).exists():
        message = f"there is no file {path}; save a posterior there first with its method save"
        raise FileNotFoundError(message)
    try:
        with h5py.File(path, "r") as file:
            meta = _meta(path, file.attrs.get(ATTRIBUTE))
            model = _model(path, meta["model"], models)
            values = model.named([np.array(file[name][...]) for name in model.parameter_names])
        notes = tuple(meta["diagnostics"].pop("notes"))
        return posterior_of(
            model,
            values,
            unit=check_unit_or_count(meta["unit"]),
            diagnostics=Diagnostics(**meta["diagnostics"], notes=notes),
            provenance=Provenance(**meta["provenance"]),
            p_infinite_mean=meta["p_infinite_mean"],
        )
    except FileFormatError:
        raise
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, AttributeError) as error:
        message = f"{path} cannot be read as a saved posterior ({error}); it is damaged or of another kind"
        raise FileFormatError(message) from error


def _meta(path: str | PathLike[str], text: object) -> dict[str, Any]:
    """What the file says of itself."""
    if text is None:
        message = f"{path} is a NetCDF file, but not a saved posterior of kundenwert"
        raise FileFormatError(message)
    meta: dict[str, Any] = json.loads(str(text))
    _check_version(path, meta)
    return meta


def _check_version(path: str | PathLike[str], meta: dict[str, Any]) -> None:
    if meta.get("format") != FORMAT:
        message = f"{path} is not a saved posterior of kundenwert"
        raise FileFormatError(message)
    if meta["format_version"] > FORMAT_VERSION:
        message = (
            f"{path} has format {meta['format_version']}, this version of kundenwert reads up to {FORMAT_VERSION}; "
            "upgrade kundenwert"
        )
        raise FileFormatError(message)


def _described(model: Model[Any]) -> dict[str, Any]:
    """Name and fields of a model, or of a part of one; priors by name and fields."""
    content: dict[str, Any] = {}
    for field in fields(model):  # type: ignore[arg-type]  # every model is a dataclass
        value = getattr(model, field.name)
        if isinstance(value, priors.Prior):
            value = {"prior": type(value).__name__, **asdict(value)}  # type: ignore[call-overload]  # a dataclass too
        elif isinstance(value, PARTS):
            value = {"part": _described(value)}
        content[field.name] = value
    return {"name": type(model).__name__, "fields": content}


def _model(path: str | PathLike[str], described: dict[str, Any], models: Sequence[type[Model[Any]]]) -> Model[Any]:
    known = {model.__name__: model for model in (*MODELS, *models)}
    name = described["name"]
    if name not in known:
        message = (
            f"{path} holds a {name}, which is none of {', '.join(known)}; if it is a model of your own, "
            f"write kundenwert.load(path, models=({name},))"
        )
        raise FileFormatError(message)
    return known[name](**_fields(path, described))


def _fields(path: str | PathLike[str], described: dict[str, Any]) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for field, value in described["fields"].items():
        if not isinstance(value, dict):
            content[field] = value
        elif "part" in value:
            content[field] = _part(path, value["part"])
        else:
            content[field] = _prior(path, dict(value))
    return content


def _part(path: str | PathLike[str], described: dict[str, Any]) -> object:
    """A part of a model, such as its link."""
    known = {part.__name__: part for part in PARTS}
    if described["name"] not in known:
        message = f"{path} holds a {described['name']}, which this version does not know; upgrade kundenwert"
        raise FileFormatError(message)
    part: object = known[described["name"]](**_fields(path, described))
    return part


def _prior(path: str | PathLike[str], described: dict[str, Any]) -> priors.Prior:
    name = described.pop("prior")
    if name not in priors.__all__ or name == "Prior":
        message = f"{path} holds a prior {name!r} that this version does not know; upgrade kundenwert"
        raise FileFormatError(message)
    prior: priors.Prior = getattr(priors, name)(**described)
    return prior

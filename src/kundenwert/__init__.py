"""Probabilistic customer value: from a log of purchases to what every customer is still worth, with uncertainty.

::

    import kundenwert as kw

    histories = kw.summarize(log, customer="customer_id", time="date", amount="amount")
    purchases = kw.fit(kw.MBGNBD(), histories, seed=1)
    spend = kw.fit(kw.GammaGamma(), histories, seed=1)
    economics = kw.Economics(margin=0.30, annual_discount_rate=0.10)
    kw.score(purchases, spend, histories, economics, horizon=kw.years(1))

Public names are loaded when first used: ``import kundenwert`` loads no third-party package.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kundenwert import datasets, errors
    from kundenwert.checks.holdout import holdout
    from kundenwert.duration import LIFETIME, Duration, days, hours, months, weeks, years
    from kundenwert.economics import Economics, net_present_value, score
    from kundenwert.fitting import fit, fixed
    from kundenwert.histories import CustomerHistories
    from kundenwert.inference import MAP, NUTS, Diagnostics, ImportanceSampling
    from kundenwert.inference.pymc import to_pymc
    from kundenwert.models import BGNBD, MBGNBD, GammaGamma
    from kundenwert.posterior import Estimate, PurchasePosterior, SpendPosterior, load
    from kundenwert.priors import Beta, Flat, Gamma, LogitNormal, LogNormal, Prior
    from kundenwert.transactions import summarize

__version__ = "0.1.0"

_HOME = {
    "BGNBD": "models",
    "LIFETIME": "duration",
    "MAP": "inference",
    "MBGNBD": "models",
    "NUTS": "inference",
    "Beta": "priors",
    "CustomerHistories": "histories",
    "Diagnostics": "inference",
    "Duration": "duration",
    "Economics": "economics",
    "Estimate": "posterior",
    "Flat": "priors",
    "Gamma": "priors",
    "GammaGamma": "models",
    "ImportanceSampling": "inference",
    "LogNormal": "priors",
    "LogitNormal": "priors",
    "Prior": "priors",
    "PurchasePosterior": "posterior",
    "SpendPosterior": "posterior",
    "datasets": "",
    "days": "duration",
    "errors": "",
    "fit": "fitting",
    "fixed": "fitting",
    "holdout": "checks",
    "hours": "duration",
    "load": "posterior",
    "months": "duration",
    "net_present_value": "economics",
    "score": "economics",
    "summarize": "transactions",
    "to_pymc": "inference.pymc",
    "weeks": "duration",
    "years": "duration",
}
"""The module below kundenwert that each public name is loaded from; an empty name is a module itself."""

__all__ = [
    "BGNBD",
    "LIFETIME",
    "MAP",
    "MBGNBD",
    "NUTS",
    "Beta",
    "CustomerHistories",
    "Diagnostics",
    "Duration",
    "Economics",
    "Estimate",
    "Flat",
    "Gamma",
    "GammaGamma",
    "ImportanceSampling",
    "LogNormal",
    "LogitNormal",
    "Prior",
    "PurchasePosterior",
    "SpendPosterior",
    "__version__",
    "datasets",
    "days",
    "errors",
    "fit",
    "fixed",
    "holdout",
    "hours",
    "load",
    "months",
    "net_present_value",
    "score",
    "summarize",
    "to_pymc",
    "weeks",
    "years",
]


def __getattr__(name: str) -> object:
    home = _HOME.get(name)
    if home is None:
        message = f"module 'kundenwert' has no attribute {name!r}"
        raise AttributeError(message)
    module = import_module(f"kundenwert.{home or name}")
    value: object = getattr(module, name) if home else module
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)

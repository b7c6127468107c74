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
    from kundenwert import datasets, errors, testing
    from kundenwert.checks.comparison import compare
    from kundenwert.checks.holdout import holdout
    from kundenwert.checks.regularity import regularity
    from kundenwert.checks.rolling_origin import rolling_origin
    from kundenwert.duration import (
        LIFETIME,
        Duration,
        Periods,
        days,
        hours,
        months,
        opportunities,
        renewals,
        weeks,
        years,
    )
    from kundenwert.economics import (
        Continuously,
        Economics,
        EndOfPeriod,
        EveryoneFor,
        Growing,
        KnownAmount,
        MiddleOfPeriod,
        PerCustomer,
        Referral,
        Schedule,
        StartOfPeriod,
        WhileActive,
        WhilePAliveAbove,
        WhileReturnProbabilityAbove,
        net_present_value,
        score,
    )
    from kundenwert.fitting import fit, fixed
    from kundenwert.histories import ContractHistories, CustomerHistories, OpportunityHistories
    from kundenwert.inference import MAP, NUTS, Diagnostics, ImportanceSampling
    from kundenwert.inference.pymc import to_pymc
    from kundenwert.models import (
        BGBB,
        BGCNBD,
        BGNBD,
        MBGCNBD,
        MBGNBD,
        BetaDiscreteWeibull,
        GammaGamma,
        GGompNBD,
        LogNormalSpend,
        ParetoNBD,
        ShiftedBetaGeometric,
    )
    from kundenwert.posterior import ContractPosterior, Estimate, PurchasePosterior, SpendPosterior, load
    from kundenwert.priors import Beta, Flat, Gamma, HalfNormal, LogitNormal, LogNormal, Normal, Prior
    from kundenwert.transactions import summarize, summarize_opportunities

__version__ = "0.1.0"

_HOME = {
    "BGBB": "models",
    "BGCNBD": "models",
    "BGNBD": "models",
    "LIFETIME": "duration",
    "MAP": "inference",
    "MBGCNBD": "models",
    "MBGNBD": "models",
    "NUTS": "inference",
    "Beta": "priors",
    "BetaDiscreteWeibull": "models",
    "ContractHistories": "histories",
    "ContractPosterior": "posterior",
    "CustomerHistories": "histories",
    "Diagnostics": "inference",
    "Duration": "duration",
    "Economics": "economics",
    "Estimate": "posterior",
    "Flat": "priors",
    "Gamma": "priors",
    "GGompNBD": "models",
    "GammaGamma": "models",
    "HalfNormal": "priors",
    "ImportanceSampling": "inference",
    "LogNormal": "priors",
    "LogNormalSpend": "models",
    "LogitNormal": "priors",
    "Normal": "priors",
    "OpportunityHistories": "histories",
    "ParetoNBD": "models",
    "Periods": "duration",
    "Prior": "priors",
    "PurchasePosterior": "posterior",
    "ShiftedBetaGeometric": "models",
    "SpendPosterior": "posterior",
    "compare": "checks",
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
    "opportunities": "duration",
    "regularity": "checks",
    "renewals": "duration",
    "rolling_origin": "checks",
    "score": "economics",
    "summarize": "transactions",
    "summarize_opportunities": "transactions",
    "testing": "",
    "to_pymc": "inference.pymc",
    "weeks": "duration",
    "years": "duration",
    "Continuously": "economics",
    "EndOfPeriod": "economics",
    "EveryoneFor": "economics",
    "Growing": "economics",
    "KnownAmount": "economics",
    "MiddleOfPeriod": "economics",
    "PerCustomer": "economics",
    "Referral": "economics",
    "Schedule": "economics",
    "StartOfPeriod": "economics",
    "WhileActive": "economics",
    "WhilePAliveAbove": "economics",
    "WhileReturnProbabilityAbove": "economics",
}
"""The module below kundenwert that each public name is loaded from; an empty name is a module itself."""

__all__ = [
    "BGBB",
    "BGCNBD",
    "BGNBD",
    "LIFETIME",
    "MAP",
    "MBGCNBD",
    "MBGNBD",
    "NUTS",
    "Beta",
    "BetaDiscreteWeibull",
    "Continuously",
    "ContractHistories",
    "ContractPosterior",
    "CustomerHistories",
    "Diagnostics",
    "Duration",
    "Economics",
    "EndOfPeriod",
    "Estimate",
    "EveryoneFor",
    "Flat",
    "GGompNBD",
    "Gamma",
    "GammaGamma",
    "Growing",
    "HalfNormal",
    "ImportanceSampling",
    "KnownAmount",
    "LogNormal",
    "LogNormalSpend",
    "LogitNormal",
    "MiddleOfPeriod",
    "Normal",
    "OpportunityHistories",
    "ParetoNBD",
    "PerCustomer",
    "Periods",
    "Prior",
    "PurchasePosterior",
    "Referral",
    "Schedule",
    "ShiftedBetaGeometric",
    "SpendPosterior",
    "StartOfPeriod",
    "WhileActive",
    "WhilePAliveAbove",
    "WhileReturnProbabilityAbove",
    "__version__",
    "compare",
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
    "opportunities",
    "regularity",
    "renewals",
    "rolling_origin",
    "score",
    "summarize",
    "summarize_opportunities",
    "testing",
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

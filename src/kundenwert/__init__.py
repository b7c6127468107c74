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
    from kundenwert import datasets, errors, plot, testing
    from kundenwert.checks.comparison import compare
    from kundenwert.checks.counts import purchase_counts
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
        CustomerEquity,
        Economics,
        EndOfPeriod,
        EveryoneFor,
        Growing,
        KnownAmount,
        MiddleOfPeriod,
        NewCustomerValue,
        PerCustomer,
        PhaseRules,
        Quantile,
        Referral,
        Schedule,
        Segmentation,
        SpendDependence,
        StartOfPeriod,
        WhileActive,
        WhilePAliveAbove,
        WhileReturnProbabilityAbove,
        acquisition_cohort,
        contribution_to_date,
        customer_equity,
        early_warning,
        net_present_value,
        new_customer_value,
        phase,
        realised_value,
        score,
        second_purchase,
        segment,
        spend_dependence,
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
    from kundenwert.reporting import Report, report
    from kundenwert.transactions import summarize, summarize_opportunities

__version__ = "0.1.0"

_HOME = {
    "Quantile": "economics",
    "Segmentation": "economics",
    "SpendDependence": "economics",
    "spend_dependence": "economics",
    "segment": "economics",
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
    "new_customer_value": "economics",
    "opportunities": "duration",
    "realised_value": "economics",
    "plot": "",
    "purchase_counts": "checks",
    "regularity": "checks",
    "report": "reporting",
    "Report": "reporting",
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
    "CustomerEquity": "economics",
    "EndOfPeriod": "economics",
    "EveryoneFor": "economics",
    "Growing": "economics",
    "KnownAmount": "economics",
    "MiddleOfPeriod": "economics",
    "NewCustomerValue": "economics",
    "PerCustomer": "economics",
    "PhaseRules": "economics",
    "early_warning": "economics",
    "phase": "economics",
    "second_purchase": "economics",
    "Referral": "economics",
    "Schedule": "economics",
    "StartOfPeriod": "economics",
    "WhileActive": "economics",
    "WhilePAliveAbove": "economics",
    "WhileReturnProbabilityAbove": "economics",
    "acquisition_cohort": "economics",
    "contribution_to_date": "economics",
    "customer_equity": "economics",
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
    "CustomerEquity",
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
    "NewCustomerValue",
    "Normal",
    "OpportunityHistories",
    "ParetoNBD",
    "PerCustomer",
    "Periods",
    "PhaseRules",
    "Prior",
    "PurchasePosterior",
    "Quantile",
    "Referral",
    "Report",
    "Schedule",
    "Segmentation",
    "ShiftedBetaGeometric",
    "SpendDependence",
    "SpendPosterior",
    "StartOfPeriod",
    "WhileActive",
    "WhilePAliveAbove",
    "WhileReturnProbabilityAbove",
    "__version__",
    "acquisition_cohort",
    "compare",
    "contribution_to_date",
    "customer_equity",
    "datasets",
    "days",
    "early_warning",
    "errors",
    "fit",
    "fixed",
    "holdout",
    "hours",
    "load",
    "months",
    "net_present_value",
    "new_customer_value",
    "opportunities",
    "phase",
    "plot",
    "purchase_counts",
    "realised_value",
    "regularity",
    "renewals",
    "report",
    "rolling_origin",
    "score",
    "second_purchase",
    "segment",
    "spend_dependence",
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

"""Files of format 1, as kundenwert 0.1.0 saved them, and what they hold: the draws to the last bit.

Run with that version, whose posteriors save format 1: ``python tests/reference/make_format1.py``. It writes
``tests/reference/format1/*.nc`` and ``tests/reference/format1/content.json``.
"""

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np

import kundenwert as kw

HERE = Path(__file__).parent / "format1"
DRAWS = 20


def purchases():
    histories = kw.CustomerHistories.from_pandas(
        table(),
        unit="week",
    )
    own = kw.MBGNBD(mean_rate=kw.Gamma(2.0, 0.1), mean_dropout=kw.Beta(0.3, 1 / 3), shape=kw.LogNormal(-0.1, 0.7))
    models: dict[str, Any] = {
        "bgnbd": kw.BGNBD(),
        "mbgnbd_own_priors": own,
        "bgcnbd": kw.BGCNBD(k=2),
        "mbgcnbd": kw.MBGCNBD(k=3),
        "pareto_nbd": kw.ParetoNBD(),
        "ggomp_nbd": kw.GGompNBD(),
        "revival_nbd": kw.RevivalNBD(gaps=False),
        "gamma_gamma": kw.GammaGamma(),
    }
    found = {name: kw.fit(model, histories, seed=1) for name, model in models.items()}
    yield from ((name, posterior.thinned(DRAWS)) for name, posterior in found.items())
    yield "mode", kw.fit(kw.MBGNBD(), histories, method=kw.MAP(), seed=2)
    yield "published", kw.fixed(kw.BGNBD.Parameters(r=0.243, alpha=4.414, a=0.793, b=2.426, unit="week"))
    chains = found["bgnbd"].thinned(DRAWS)
    yield "chains", replace(chains, values=chains.model.named([each.reshape(4, -1) for each in chains.theta]))


def table():
    import pandas as pd

    rng = np.random.default_rng(1)
    frequency = rng.poisson(rng.gamma(0.7, 3.0, 80))
    T = rng.integers(20, 60, 80).astype(float)
    recency = np.where(frequency > 0, np.ceil(T * rng.uniform(0.05, 1, 80)), 0.0)
    return pd.DataFrame(
        {
            "customer_id": np.arange(80),
            "frequency": frequency,
            "recency": recency,
            "T": T,
            "monetary_value": np.where(frequency > 0, rng.gamma(3.0, 12.0, 80).round(2), np.nan),
        }
    )


def counted():
    import pandas as pd

    rng = np.random.default_rng(2)
    had = rng.integers(2, 7, 80)
    used = rng.binomial(had, rng.beta(1, 2, 80))
    last = np.where(used > 0, np.maximum(used, rng.integers(1, 7, 80).clip(max=had)), 0)
    frame = pd.DataFrame({"customer_id": np.arange(80), "frequency": used, "recency": last, "opportunities": had})
    histories = kw.OpportunityHistories.from_pandas(frame, every=kw.years(1))
    yield "bgbb", kw.fit(kw.BGBB(), histories, seed=3).thinned(DRAWS)
    cohorts = kw.ContractHistories.from_cohorts(kw.datasets.subscription_cohorts(), cohort="cohort", every=kw.years(1))
    yield "contracts", kw.fit(kw.BetaDiscreteWeibull(), cohorts, seed=4).thinned(DRAWS)
    one = kw.fit(kw.ShiftedBetaGeometric(), cohorts, method=kw.MAP(), seed=4)
    yield "contracts_mode", one


def campaigns():
    import pandas as pd

    rng = np.random.default_rng(5)
    ids = [f"c{i}" for i in range(400)]
    organic = kw.OrganicReturn.from_probabilities(ids, rng.beta(1, 4, (400, 50)), window=kw.weeks(13))
    offer = pd.array(rng.choice(np.array(["10 % off", "gift / card", None], dtype=object), 400), dtype="string")
    table = pd.DataFrame(
        {
            "customer_id": ids,
            "offer": offer,
            "returned": rng.random(400) < 0.2 + 0.1 * pd.notna(offer),
            "segment": rng.choice(["north", "south"], 400),
            "age": rng.integers(20, 80, 400),
        }
    )
    log = kw.CampaignLog.from_pandas(table, organic=organic, window=kw.weeks(13), segment="segment", covariates=["age"])
    model = kw.CampaignResponse(assignment=kw.Randomised())
    yield "campaign", kw.fit(model, log, seed=6).thinned(5)
    yield (
        "campaign_prior",
        kw.CampaignPosterior.from_prior(
            kw.CampaignResponse(assignment=kw.Observational(), link=kw.ByState()),
            offers=["letter"],
            states=["alive", "gone"],
            window=kw.weeks(8),
            draws=DRAWS,
            seed=7,
        ),
    )


def described(value):
    """The name and the fields: later versions may have more of them."""
    return {"class": type(value).__name__} | {field.name: repr(getattr(value, field.name)) for field in fields(value)}


def main():
    HERE.mkdir(exist_ok=True)
    content = {}
    for make in (purchases, counted, campaigns):
        for name, posterior in make():
            posterior.save(HERE / f"{name}.nc")
            content[name] = {
                "class": type(posterior).__name__,
                "model": described(posterior.model),
                "unit": posterior.unit,
                "diagnostics": described(posterior.diagnostics),
                "provenance": described(posterior.provenance),
                "values": {
                    each: [[number.hex() for number in chain] for chain in values.tolist()]
                    for each, values in zip(posterior.model.parameter_names, posterior.values, strict=True)
                },
                "p_infinite_mean": getattr(posterior, "p_infinite_mean", None),
            }
    (HERE / "content.json").write_text(json.dumps(content, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()

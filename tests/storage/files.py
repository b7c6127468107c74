"""Files of format 2, opened and sealed by hand, as the documentation of the format says; and things to be kept."""

import hashlib
import json
import re
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

import kundenwert as kw
from kundenwert.errors import ComparisonWarning
from kundenwert.histories import Audit, Spend
from kundenwert.storage.keeping import written
from tests.customers import with_draws

START = b"kundenwert file\nsha256 "


def sealed(content: bytes) -> bytes:
    """The same bytes behind the digest that is right for them."""
    rest = content[len(START) + 64 :]
    return START + hashlib.sha256(rest).hexdigest().encode() + rest


def directory_of(content) -> Any:
    place, length = map(int, re.findall(rb"\ndirectory (\d+) (\d+)\n", content[:512])[0])
    return json.loads(content[place : place + length])


def with_directory(content, directory):
    """The file with another directory, which stands at its end, and a digest that is right."""
    text = directory if isinstance(directory, bytes) else json.dumps(directory).encode()
    rest = f"\nformat 2\ndirectory {len(content)} {len(text)}\n".encode().ljust(512 - len(START) - 64 - 1) + b"\n"
    return sealed(content[: len(START) + 64] + rest + content[512:] + text)


def rewrite(path, change):
    """Change what the directory says, behind a digest that is right."""
    content = path.read_bytes()
    directory = directory_of(content)
    changed = change(directory)
    path.write_bytes(with_directory(content, directory if changed is None else changed))


def rewrite_parts(path, change):
    """Change the parts of the object that was saved."""

    def inside(directory):
        change(directory["content"]["parts"])

    rewrite(path, inside)


def log(customers=60, seed=3):
    """Purchases of customers with awkward names."""
    rng = np.random.default_rng(seed)
    names = [*(f"{'äé≠'[i % 3]}{i}" for i in range(customers - 3)), "=1+1", "a", "a\x00"]
    who = np.repeat(np.arange(customers), rng.integers(1, 6, customers))
    return pd.DataFrame(
        {
            "customer_id": np.array(names, dtype=object)[who],
            "date": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 300, len(who)), unit="D"),
            "amount": rng.gamma(3.0, 10.0, len(who)).round(2),
        }
    )


@cache
def histories():
    found = kw.summarize(log(), customer="customer_id", time="date", amount="amount", until="2024-10-31", unit="week")
    ids = found.customer_id
    rng = np.random.default_rng(5)
    covariates = pd.DataFrame(
        {
            "age": rng.normal(40, 9, len(ids)),
            "channel": pd.Categorical(
                rng.choice(np.array(["web", "shop", None], dtype=object), len(ids)).tolist(),
                ["web", "shop", "unused"],
                ordered=True,
            ),
            "card": rng.random(len(ids)) < 0.5,
        },
        index=ids,
    )
    return replace(found, covariates=covariates)


@cache
def ready_made():
    table = pd.DataFrame({"customer_id": [2**63 - 1, -5, 7], "frequency": [0, 1, 2], "recency": [0, 1.5, 3], "T": 9.0})
    return kw.CustomerHistories.from_pandas(table, unit="month")


@cache
def opportunities():
    return kw.summarize_opportunities(log(), customer="customer_id", time="date", every="month", until="2024-12-31")


@cache
def contracts():
    return kw.ContractHistories.from_cohorts(
        kw.datasets.subscription_cohorts(), cohort="cohort", every=kw.years(1)
    ).take(np.arange(0, 2000, 50))


@cache
def campaign():
    rng = np.random.default_rng(5)
    ids = pd.Index([f"c{i}" for i in range(60)])
    offer = pd.array(rng.choice(np.array(["letter", "gift / card", None], dtype=object), 60), dtype="string")
    table = pd.DataFrame(
        {
            "customer_id": ids,
            "offer": offer,
            "returned": rng.random(60) < 0.3,
            "segment": rng.choice([1, 2], 60),
            "campaign": rng.choice(["spring", "autumn"], 60),
            "age": rng.integers(20, 80, 60),
            "spend": rng.gamma(2, 10, 60),
        }
    )
    table["spend"] = table["spend"].where(table["returned"], 0.0)
    return kw.CampaignLog.from_pandas(
        table,
        organic=organic(),
        window=kw.weeks(13),
        segment="segment",
        campaign="campaign",
        covariates=["age"],
        spend="spend",
    )


@cache
def organic():
    rng = np.random.default_rng(6)
    return kw.OrganicReturn.from_probabilities(
        pd.Index([f"c{i}" for i in range(60)]), rng.beta(1, 4, (60, 7)), window=kw.weeks(13)
    )


OFFERS = (
    kw.Offer(label="letter", contact_cost=0.5, second_life=kw.LogNormal(-0.2, 0.3)),
    kw.Offer(
        label="=voucher",
        contact_cost=kw.PerCustomer("postage"),
        redemption_cost=6.0,
        silent_for=kw.weeks(4),
        eligible=kw.PerCustomer("may be called"),
    ),
)


@cache
def plan(customers=40):
    """A plan with everything in it that a plan may have."""
    rng = np.random.default_rng(8)
    ids = pd.Index([f"c{i}" for i in range(customers - 2)] + ['=cmd|"/C calc"!A0', "-1\x00ü"])
    found = with_gaps(customers, ids)
    table = pd.DataFrame(
        {
            "customer_id": ids,
            "postage": rng.uniform(0.2, 0.9, customers).round(2),
            "may be called": rng.random(customers) < 0.8,
            "region": rng.choice(["north", "south"], customers),
        }
    )
    purchases = with_draws(kw.MBGNBD, r=[0.5, 0.6, 0.4], alpha=[10.0, 11, 9], a=[0.8] * 3, b=[2.4] * 3, unit="week")
    spend: Any = with_draws(kw.GammaGamma, p=[6.0, 6.5, 6.2], q=[3.7] * 3, gamma=[15.0] * 3)
    with warnings.catch_warnings(action="ignore", category=ComparisonWarning):  # so few teach nothing
        return kw.plan_winback(
            purchases,
            replace(spend, p_infinite_mean=0.0),
            found,
            kw.Economics(
                margin=kw.Schedule([0.3, 0.35], every=kw.years(1)),
                annual_discount_rate=0.1,
                order_cost=1.0,
                acquisition_cost={"search": 12.0, "social": 20.0},
                referral=kw.Referral(per_purchase=0.02, value=20.0),
                currency="EUR",
            ),
            response=response(),
            offers=OFFERS,
            window=kw.weeks(13),
            horizon=kw.years(2),
            budget=30.0,
            hold_out=0.3,
            waits=[kw.weeks(4)],
            customers=table,
            segment="region",
            draws=3,
            seed=1,
        )


def with_gaps(customers, ids):
    rng = np.random.default_rng(9)
    x = rng.poisson(2, customers)
    t_x = np.where(x > 0, rng.integers(1, 40, customers), 0).astype(float)
    total = np.where(x > 0, rng.gamma(3, 10, customers).round(2) * x, 0.0)
    return kw.CustomerHistories(
        customer_id=ids,
        frequency=x,
        recency=t_x,
        T=t_x + rng.integers(0, 60, customers),
        unit="week",
        spend=Spend(total=total),
        audit=Audit(rows_read=customers, kept=customers, customers=customers, dropped={"no date": 3}),
    )


@cache
def response():
    model = kw.CampaignResponse(
        assignment=kw.Randomised(),
        link=kw.HierarchicalLogit(effect=kw.Normal(1.5, 0.2)),
        offer_spread=kw.HalfNormal(0.1),
    )
    labels = tuple(offer.label for offer in OFFERS)
    return kw.CampaignPosterior.from_prior(
        model, offers=labels, segments=("north", "south"), window=kw.weeks(13), draws=3, seed=1
    )


def outcomes():
    """What customers of the plan did."""
    table = plan().table
    table = table[table["decision"].isin(["contact", "hold out"])]
    returned = np.random.default_rng(3).random(len(table)) < 0.4
    return pd.DataFrame({"returned": returned, "spend": np.where(returned, 30.5, 0.0)}, index=table.index)


@cache
def evaluation():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", kw.errors.ComparisonWarning)  # few customers, on purpose
        return kw.evaluate_campaign(plan(), outcomes(), spend="spend", learn=False)


KEPT: dict[str, Callable[[], Any]] = {
    "purchases": lambda: with_draws(kw.BGNBD, r=[0.2, 0.3], alpha=[4.0, 5], a=[0.8, 0.9], b=[2.4, 2.5], unit="week"),
    "spend": lambda: kw.fixed(kw.GammaGamma.Parameters(p=6.25, q=3.74, gamma=15.44)),
    "contract": lambda: kw.fixed(kw.ShiftedBetaGeometric.Parameters(gamma=0.7, delta=1.2)),
    "response": response,
    "histories": histories,
    "ready-made histories": ready_made,
    "opportunities": opportunities,
    "contracts": contracts,
    "campaign": campaign,
    "organic": organic,
    "plan": plan,
    "evaluation": evaluation,
}
"""One of every kind that can be kept, small."""


@cache
def bytes_of(kind):
    return bytes(written(KEPT[kind]()))

"""Files of format 2, opened and sealed by hand, as the documentation of the format says; and things to be kept."""

import hashlib
import json
import re
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

import kundenwert as kw

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
    found = kw.summarize(log(), customer="customer_id", time="date", amount="amount", until="2024-12-31", unit="week")
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
    return kw.summarize_opportunities(log(), customer="customer_id", time="date", every="month")


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

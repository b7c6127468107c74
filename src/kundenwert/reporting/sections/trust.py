"""Whether the numbers can be trusted: diagnostics, fit, hold-out, and what the models take for granted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kundenwert import plot
from kundenwert.posterior import SpendPosterior
from kundenwert.reporting.blocks import Block, Column, Facts, Grid, Notes, Row, Section
from kundenwert.reporting.facts import Fact, Measure, count, share
from kundenwert.reporting.pictures import picture
from kundenwert.reporting.words import in_words, plural

if TYPE_CHECKING:
    import pandas as pd

    from kundenwert.posterior.base import Posterior
    from kundenwert.reporting.findings import Findings

__all__ = ["problems", "trust"]

MEANING: Final = {
    "mean_rate": "Purchases a year of an average customer, as long as they are one.",
    "shape": "How alike customers are in how often they buy; small means that few make most purchases.",
    "mean_dropout": "Mean probability of leaving, at each purchase or opportunity.",
    "concentration": "How alike customers are in this; large means about the same for all.",
    "dropout_rate": "How fast customers leave, a year.",
    "dropout_shape": "How alike customers are in how fast they leave.",
    "dropout_concentration": "How alike customers are in how they leave; large means about the same for all.",
    "aging": "How fast leaving becomes likelier with age, a year.",
    "mean_purchase": "Mean probability of using an opportunity.",
    "scale": "A typical amount, in the currency of the log.",
    "within": "How far amounts of one customer vary, on the logarithm.",
    "between": "How far customers differ in what they spend, on the logarithm.",
    "k": "How regularly customers buy; 1 is at random.",
}
SYMBOL: Final = "A parameter of the model, by its symbol in the literature."


def problems(found: Findings) -> tuple[str, ...]:
    """What is wrong with the posteriors, if anything is."""
    return tuple(
        f"{type(posterior.model).__name__}: {problem}"
        for posterior in _posteriors(found).values()
        for problem in posterior.diagnostics.problems
    )


def trust(found: Findings) -> Section:
    """Diagnostics and fit."""
    counts = found.counts
    outside = int(((counts["observed"] < counts["lower"]) | (counts["observed"] > counts["upper"])).sum())
    drawn = picture(
        "counts",
        lambda ax: plot.purchase_counts(counts, ax=ax),
        alt="Customers by number of repeat purchases, observed and expected by the model: "
        + ", ".join(f"{name}: {row.observed:,.0f} and {row.expected:,.0f}" for name, row in counts.iterrows())
        + ".",
        caption="Bars: how many customers have come back so often. Dots: how many the model expects, with intervals of "
        "what chance allows.",
    )
    rows = tuple(
        Row(
            f"{name}",
            (
                count("", float(counts["observed"].iloc[place]), "customers"),
                _expected(counts.iloc[place]),
            ),
        )
        for place, name in enumerate(counts.index)
    )
    grid = Grid(
        title="Customers by number of repeat purchases",
        corner="Repeat purchases",
        columns=(
            Column("observed", "How many customers there are."),
            Column("expected", "How many the model expects, and how many chance allows."),
        ),
        rows=rows,
    )
    fit = (
        "All counts of repeat purchases are within what chance allows."
        if outside == 0
        else f"{outside} of {len(counts)} counts of repeat purchases are outside what chance allows, where one in "
        f"{round(1 / (1 - found.asked.interval))} would be no surprise."
    )
    found_problems = problems(found)
    lead = [" ".join(found_problems) if found_problems else "The computation reports no problem.", fit]
    checks = (
        Facts(title="The computation", of=_computation(found)),
        Facts(title="Hold-out", of=_heldout(found)),
        Facts(title="What the models take for granted", of=_granted(found)),
    )
    if any(len(posterior.theta[0]) == 1 for posterior in _posteriors(found).values()):
        lead.append(
            "A model was given a single value of each parameter, so that ranges are too narrow or have no width."
        )
    blocks: list[Block] = [drawn, grid, *(facts for facts in checks if facts.of)]
    interval = found.asked.interval
    blocks += [_parameters(title, posterior, interval) for title, posterior in _posteriors(found).items()]
    if "dependence" in found.why_not:
        reason = f"Whether customers who buy often spend more was not checked: {found.why_not['dependence']}."
        blocks.append(Notes(title="Not checked", of=(reason,)))
    caution = (
        "That the computation went well says nothing about whether the model is right, and a model that fits the past "
        "may still predict badly. The test that counts is a hold-out: predict from an earlier date, and compare."
    )
    if found.heldout is None:
        caution += " None was asked for here."
    return Section(
        key="trust", title="Can the numbers be trusted?", lead=tuple(lead), blocks=tuple(blocks), caution=caution
    )


def _expected(row: pd.Series) -> Fact:
    mean, lower, upper = (float(row[name]) for name in ("expected", "lower", "upper"))
    return Fact(item="", value=mean, lower=lower, upper=upper, unit="customers", measure=Measure.COUNT)


def _posteriors(found: Findings) -> dict[str, Posterior]:
    result: dict[str, Posterior] = {"When customers buy": found.asked.purchases}
    if isinstance(found.asked.spend, SpendPosterior):
        result["How much they spend"] = found.asked.spend
    return result


def _computation(found: Findings) -> tuple[Fact, ...]:
    facts: list[Fact] = []
    for title, posterior in _posteriors(found).items():
        known = posterior.diagnostics
        name = f"{title} ({type(posterior.model).__name__})"
        draws = known.draws * known.chains
        facts.append(Fact(item=name, value=float(draws), unit="draws", meaning=f"By {known.method}."))
        if known.pareto_k is not None:
            facts.append(
                Fact(
                    item=f"{name}: Pareto k",
                    value=float(known.pareto_k),
                    meaning="Whether few points dominate the result; below 0.7 is good.",
                )
            )
        if known.r_hat is not None:
            meaning = "Whether the chains agree; below 1.01 is good."
            facts.append(Fact(item=f"{name}: r-hat", value=float(known.r_hat), meaning=meaning))
        if known.ess is not None:
            enough = "1,000" if known.pareto_k is not None else "400"
            meaning = f"How many independent draws these are worth; above {enough} is good."
            facts.append(Fact(item=f"{name}: effective sample size", value=float(known.ess), meaning=meaning))
        if known.divergences is not None:
            meaning = "Steps at which the sampler failed; 0 is good."
            facts.append(count(f"{name}: divergences", known.divergences, "steps", meaning))
    return tuple(facts)


def _heldout(found: Findings) -> tuple[Fact, ...]:
    held = found.heldout
    if held is None:
        return ()
    length = in_words(held.length)
    expected = Fact(
        item="Purchases expected",
        value=held.expected.mean,
        lower=held.expected.lower,
        upper=held.expected.upper,
        unit="purchases",
        meaning=f"Of these customers in the {length} after the observation.",
    )
    return (
        count("Purchases made", held.purchases, "purchases", f"In these {length}."),
        expected,
        share("Have bought", held.returned, "Share of the customers who came back in that time."),
        share("Expected to buy", held.expected_to_return, "What had been expected of that share."),
        share(
            "Purchases by the best",
            held.held_by_best,
            "Share of the purchases made by the 20 % who were expected to buy most: whether the ranking is good.",
        ),
    )


def _granted(found: Findings) -> tuple[Fact, ...]:
    """What models take for granted, as far as it can be checked."""
    facts: list[Fact] = []
    if found.regularity is not None:
        regular = found.regularity
        facts.append(
            Fact(
                item="Regularity of buying",
                value=regular.mean,
                lower=regular.lower,
                upper=regular.upper,
                meaning="1 if purchases come at random, as most models have it; well above if customers buy like "
                "clockwork.",
            )
        )
    if found.dependence is not None:
        linked = found.dependence
        correlation = linked.correlation
        facts.append(
            Fact(
                item="Frequency and spend",
                value=correlation.mean,
                lower=correlation.lower,
                upper=correlation.upper,
                meaning="Correlation of how often and how much; values take it as 0. Above 0, frequent buyers spend "
                "more.",
            )
        )
        effects = (
            ("all customers", linked.effect_on_value),
            ("customers who have not come back so far", linked.effect_on_one_time_buyers),
        )
        facts += [
            share(
                f"Spend of {whom} if that is true",
                effect,
                "Expected spend within a year, compared with what values on this page take it to be.",
            )
            for whom, effect in effects
            if effect is not None
        ]
    return tuple(facts)


def _parameters(title: str, posterior: Posterior, interval: float) -> Facts:
    table = posterior.parameters(interval=interval)
    return Facts(
        title=f"{title}: parameters of {type(posterior.model).__name__} (times in {plural(posterior.unit)})",
        of=tuple(
            Fact(
                item=name,
                value=float(table["mean"][name]),
                lower=float(table["lower"][name]),
                upper=float(table["upper"][name]),
                meaning=MEANING.get(name, SYMBOL),
            )
            for name in table.index
        ),
    )

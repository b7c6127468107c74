"""Markdown from what the benchmarks measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["render"]

PARAMETERS: Final = ("r", "alpha", "a", "b")

type Measured = Mapping[str, Mapping[str, Any]]


class _Failed(Exception):  # noqa: N818 - the name of what happened, caught a few lines below
    """A measurement that a section needs is missing."""


def render(results: Mapping[str, Any]) -> str:
    """Results as a page."""
    measured: Measured = results["measured"]
    parts = [_head(results)]
    for title, section in _SECTIONS.items():
        try:
            parts.append(f"## {title}\n\n{section(measured)}")
        except _Failed as failed:
            parts.append(f"## {title}\n\nNot measured: {failed}.")
    return "\n\n".join(parts) + "\n"


def _head(results: Mapping[str, Any]) -> str:
    machine, measured = results["machine"], results["measured"]
    versions = []
    for who, name in (
        ("kundenwert", "posterior_kundenwert"),
        ("PyMC-Marketing", "posterior_pymc_marketing"),
        ("lifetimes", "mode_lifetimes"),
    ):
        found = measured.get(name, {}).get("versions", {})
        versions.append(f"| environment of {who} | {', '.join(f'{k} {v}' for k, v in found.items()) or 'not run'} |")
    command = "benchmarks/run.py --quick" if results["quick"] else "make bench"
    lines = [
        "# Results",
        "",
        f"Written by `{command}` in one run; [README.md](README.md) says what is measured and how."
        + (" A dry run: its figures say nothing about the targets." if results["quick"] else ""),
        "",
        _table(
            ["", ""],
            [
                ["run", f"{machine['date']}, {results['minutes']:.0f} minutes"],
                ["processor", f"{machine['processor']}, {machine['processors']} logical processors used"],
                ["memory", f"{machine['memory']:.0f} GB"],
                ["system", machine["system"]],
                ["load average at the start", f"{machine['load']:.2f}"],
                ["commit", machine["commit"]],
            ],
        ),
        *versions,
    ]
    return "\n".join(lines)


def _posterior(measured: Measured) -> str:
    ours, theirs = _get(measured, "posterior_kundenwert"), _get(measured, "posterior_pymc_marketing")
    _same_data(ours, theirs)
    kept = min(ours["ess"], ours["draws"])
    rows = [
        ["time", _seconds(ours["seconds"]), _seconds(theirs["seconds"])],
        ["time of the first fit in a process", _seconds(ours["first"]), _seconds(theirs["first"])],
        ["effective sample size, worst parameter", f"{ours['ess']:,.0f}", f"{theirs['ess']:,.0f}"],
        ["draws kept", f"{ours['draws']:,}", f"{theirs['draws']:,}"],
        ["Pareto k, r-hat", f"k {ours['pareto_k']:.2f}", f"r-hat {theirs['r_hat']:.3f}"],
    ]
    for name in PARAMETERS:
        cells = [f"{one['mean'][name]:.4f} ± {one['sd'][name]:.4f}" for one in (ours, theirs)]
        rows.append([f"posterior of {name}: mean ± sd", *cells])
    about = (
        f"BG/NBD, {ours['customers']:,} customers of CDNOW ({ours['cells']:,} distinct histories), each package "
        "with its own default priors. PyMC-Marketing's time holds building and compiling its model."
    )
    faster, first = theirs["seconds"] / ours["seconds"], theirs["first"] / ours["first"]
    return "\n\n".join(
        [
            about,
            _table(["", "kundenwert", "PyMC-Marketing"], rows),
            _targets(
                [
                    ("times as fast", f"{faster:.0f}", "200 or more", faster >= 200),
                    ("the same, first fit in a process, imports included", f"{first:.0f}", "–", None),
                    (
                        "effective sample size, ours at most the draws kept",
                        f"{kept:,.0f} against {theirs['ess']:,.0f}",
                        "equal or better",
                        kept >= theirs["ess"],
                    ),
                ]
            ),
        ]
    )


def _mode(measured: Measured) -> str:
    ours, theirs = _get(measured, "mode_kundenwert"), _get(measured, "mode_lifetimes")
    _same_data(ours, theirs)
    mine, yours = ours["estimates"], theirs["estimates"]
    faster = theirs["seconds"] / ours["seconds"]
    apart = max(abs(mine[name] / yours[name] - 1) for name in PARAMETERS)
    rows = [
        ["time", f"{ours['seconds'] * 1000:.0f} ms", f"{theirs['seconds'] * 1000:.0f} ms"],
        ["time of the first fit in a process", f"{ours['first'] * 1000:.0f} ms", f"{theirs['first'] * 1000:.0f} ms"],
        *([name, f"{mine[name]:.6f}", f"{yours[name]:.6f}"] for name in PARAMETERS),
    ]
    return "\n\n".join(
        [
            "Flat priors and `MAP()` against `BetaGeoFitter().fit`, on the same customers.",
            _table(["", "kundenwert", "lifetimes"], rows),
            _targets(
                [
                    ("times as fast", f"{faster:.1f}", "5 or more", faster >= 5),
                    ("largest relative difference of the estimates", f"{apart:.1e}", "–", None),
                ]
            ),
        ]
    )


def _purchases(measured: Measured) -> str:
    ours, theirs = _get(measured, "purchases_kundenwert"), _get(measured, "purchases_pymc_marketing")
    faster = theirs["seconds"] / ours["seconds"]
    memory = ours["peak_of_the_table"] / theirs["peak_gigabytes"]
    rows = [
        ["time", _seconds(ours["seconds"]), _seconds(theirs["seconds"])],
        ["peak memory of the process", _gigabytes(ours["peak_of_the_table"]), _gigabytes(theirs["peak_gigabytes"])],
        ["sum over the customers", f"{ours['total']:,.0f}", f"{theirs['total']:,.0f}"],
        ["customers without a number", "0", f"{theirs['missing']:,}"],
    ]
    checks = [
        ("times as fast", f"{faster:.0f}", "25 or more", faster >= 25),
        ("part of the peak memory", f"{memory:.3f}", "0.1 or less", memory <= 0.1),
    ]
    if "difference_mean" in ours:
        parts = ", ".join(f"{part} {ours[f'difference_{part}']:.0e}" for part in ("mean", "lower", "upper"))
        name = "largest relative difference of a customer's numbers, from the same draws"
        checks.append((name, parts, "–", None))
    about = (
        f"Posterior mean and 90 % interval for {ours['customers']:,} customers, 39 weeks ahead, from "
        f"{ours['draws']:,} draws ({theirs['draws']:,} of PyMC-Marketing)."
    )
    return "\n\n".join(
        [
            about,
            _table(["", "kundenwert", "PyMC-Marketing"], rows),
            _targets(checks),
        ]
    )


def _family(measured: Measured) -> str:
    models = _get(measured, "family")["models"]
    rows = []
    for name, one in models.items():
        quality = f"{one['ess']:,.0f}" + (f", k {one['pareto_k']:.2f}" if one["pareto_k"] is not None else "")
        size = [f"{one['customers']:,}", f"{one['cells']:,}"]
        times = [f"{one['likelihood'] * 1000:.2f} ms", _seconds(one["seconds"]), _seconds(one["first"])]
        rows.append([name, *size, *times, one["method"], quality])
    head = ["model", "customers", "distinct histories", "log-likelihood", "posterior", "first fit", "method", "ESS"]
    about = (
        "Default fits, 2,000 draws. The log-likelihood is that of all customers at one point, many points at a time "
        "on two processors. CDNOW is the usual sample of 2,357 customers; the donors have six yearly opportunities."
    )
    bgbb = models["BG/BB"]["seconds"]
    checks = [("BG/BB on the donations", _seconds(bgbb), "1 s or less", bgbb <= 1)]
    theirs = measured.get("pareto_pymc_marketing", {"failed": "not run"})
    if "failed" not in theirs:
        faster = theirs["seconds"] / models["Pareto/NBD"]["seconds"]
        what = f"Pareto/NBD: times as fast as PyMC-Marketing's NUTS ({_seconds(theirs['seconds'])}, "
        what += f"{theirs['draws']:,} draws, ESS {theirs['ess']:,.0f}, r-hat {theirs['r_hat']:.3f})"
        checks.append((what, f"{faster:.0f}", "50 or more", faster >= 50))
    return "\n\n".join([about, _table(head, rows), _targets(checks)])


def _value(measured: Measured) -> str:
    ours, theirs = _get(measured, "value_kundenwert"), _get(measured, "value_pymc_marketing")
    rows = [
        ["time", _seconds(ours["seconds"]), _seconds(theirs["seconds"])],
        ["peak memory of the process", _gigabytes(ours["peak_of_the_table"]), _gigabytes(theirs["peak_gigabytes"])],
        ["sum over the customers", f"{ours['total']:,.0f}", f"{theirs['total']:,.0f}"],
        ["customers without a number", "0", f"{theirs['missing']:,}"],
    ]
    about = (
        f"Twelve months ahead, {ours['customers']:,} customers, discounted at the end of each month at 10 % a year, "
        f"with a known amount of a purchase; mean and 90 % interval from {ours['draws']:,} draws "
        f"({theirs['draws']:,} of PyMC-Marketing's `customer_lifetime_value`)."
    )
    faster = f"{theirs['seconds'] / ours['seconds']:.0f}"
    checks = _targets([("times as fast", faster, "–", None)])
    return "\n\n".join([about, _table(["", "kundenwert", "PyMC-Marketing"], rows), checks])


def _winback(measured: Measured) -> str:
    run = _get(measured, "winback")
    of_cdnow, of_many = (f"ESS {run[f'{name}_ess']:,.0f}, k {run[f'{name}_k']:.2f}" for name in ("cdnow", "fit"))
    about = (
        f"RevivalNBD by the default fit, on the CDNOW sample ({of_cdnow}) and on {run['customers']:,} simulated "
        f"customers, {run['cells']:,} distinct histories ({of_many}); then {run['offers']} offers to each of these, "
        "from 200 draws, under a budget."
    )
    return f"{about}\n\n" + _targets(
        [
            ("posterior of the CDNOW sample", _seconds(run["cdnow"]), "60 s or less", run["cdnow"] <= 60),
            (f"posterior of {run['customers']:,}", _seconds(run["fit"]), "900 s or less", run["fit"] <= 900),
            (f"plan, {run['offers']} offers each", _seconds(run["seconds"]), "60 s or less", run["seconds"] <= 60),
            ("peak memory of the process", _gigabytes(run["peak"]), "3 GB or less", run["peak"] <= 3),
        ]
    )


def _cohorts(measured: Measured) -> str:
    run = _get(measured, "cohorts")
    effective = f"{run['geometric_ess']:,.0f} and {run['weibull_ess']:,.0f}"
    about = (
        f"Monthly cohorts of 1,000 contracts, {run['cohorts']} of them over as many months, by the default fit (ESS "
        f"{effective}); and {run['few']} of them over {run['few']} months by the default fit (ESS "
        f"{run['few_ess']:,.0f}) and by NUTS, two chains (ESS {run['nuts_ess']:,.0f}). Nine cohorts or more went to "
        "NUTS before, and so did gamma-gamma on one price. Processor time, but for NUTS, whose chains run beside each "
        "other."
    )
    label, limit = f"{run['cohorts']} cohorts", "40 s or less"
    return f"{about}\n\n" + _targets(
        [
            (f"{label}, shifted beta-geometric", _seconds(run["geometric"]), limit, run["geometric"] <= 40),
            (f"{label}, beta-discrete-Weibull", _seconds(run["weibull"]), limit, run["weibull"] <= 40),
            ("their retention curves and lifetimes", _seconds(run["answers"]), "20 s or less", run["answers"] <= 20),
            (f"{run['few']} cohorts", _seconds(run["of_few"]), "–", None),
            (f"{run['few']} cohorts by NUTS, elapsed", _seconds(run["nuts"]), "–", None),
            (
                "one price for everybody is refused and named",
                _seconds(run["one_price"]),
                "0.5 s or less",
                run["one_price"] <= 0.5 and run["one_price_told"],
            ),
        ]
    )


def _worth(measured: Measured) -> str:
    npv, realised = _get(measured, "worth_npv"), _get(measured, "worth_realised")
    about = (
        "Simulated as below, acquired over 12 weeks; MBG/NBD and gamma-gamma, three years ahead, with order costs, a "
        "year of retention costs and referrals."
    )
    return f"{about}\n\n" + _targets(
        [
            (
                f"value and its parts with intervals, {npv['customers']:,} customers, {npv['draws']:,} draws",
                _seconds(npv["seconds"]),
                "120 s or less",
                npv["seconds"] <= 120,
            ),
            (
                "peak memory of the process",
                _gigabytes(npv["peak_of_the_table"]),
                "3 GB or less",
                npv["peak_of_the_table"] <= 3,
            ),
            (
                f"realised value, {realised['customers']:,} customers × {realised['futures']:,} futures",
                _seconds(realised["seconds"]),
                "120 s or less",
                realised["seconds"] <= 120,
            ),
            (
                "peak memory of the process",
                _gigabytes(realised["peak_of_the_table"]),
                "3 GB or less",
                realised["peak_of_the_table"] <= 3,
            ),
        ]
    )


def _million(measured: Measured) -> str:
    about = (
        "Simulated from BG/NBD and gamma-gamma with CDNOW's estimates; one process from the log to the table. The "
        "table is `score` over three years: P(alive), expected purchases, return probability, expected spend and net "
        "present value, each with its interval."
    )
    parts = [about]
    for population, most_fit, most_table in (("12 weeks", 8, 60), ("3 years", 30, 120)):
        one = _get(measured, _growth_names(measured, population)[-1])
        fit = one["fit"] + one["fit_spend"]
        peak = one["peak_of_the_table"]
        size = f"{one['rows']:,} purchases, {one['cells']:,} distinct histories"
        parts += [
            f"**{one['customers']:,} customers acquired over {population}**: {size}.",
            _targets(
                [
                    ("`summarize`", _seconds(one["summarize"]), "–", None),
                    (
                        "fits of BG/NBD and gamma-gamma",
                        f"{one['fit']:.1f} s and {one['fit_spend']:.1f} s",
                        f"{most_fit} s or less, both",
                        fit <= most_fit,
                    ),
                    (
                        f"table, {one['draws']:,} draws",
                        _seconds(one["score"]),
                        f"{most_table} s or less",
                        one["score"] <= most_table,
                    ),
                    ("net present value for life", _seconds(one["lifetime"]), "–", None),
                    ("peak memory of the process", _gigabytes(peak), "3 GB or less", peak <= 3),
                    (
                        "effective sample sizes, Pareto k",
                        f"{one['ess']:,.0f} and {one['ess_spend']:,.0f}, k {one['pareto_k']:.2f}",
                        "–",
                        None,
                    ),
                ]
            ),
        ]
    return "\n\n".join(parts)


def _growth(measured: Measured) -> str:
    rows = []
    for population in ("12 weeks", "3 years"):
        for name in _growth_names(measured, population):
            one = _get(measured, name)
            times = [f"{one[part]:.2f}" for part in ("summarize", "fit", "fit_spend", "score", "lifetime")]
            sizes = [f"{one['customers']:,}", f"{one['cells']:,}"]
            per_cell = f"{one['fit'] / one['cells'] * 1e6:.0f}"
            rows.append([population, *sizes, *times, per_cell, f"{one['peak_gigabytes']:.2f}"])
    if not rows:
        raise _Failed("no population was run")
    head = ["acquired over", "customers", "distinct histories", "summarize", "fit BG/NBD", "fit gamma-gamma", "table"]
    head += ["value for life", "fit, µs per history", "peak GB"]
    note = (
        "Seconds. The table depends on distinct histories and on how many nodes the interpolation over (x, T) needs; "
        "the fit on distinct histories and on the number of points a round, fewer from 5,000 and from 60,000."
    )
    return f"{note}\n\n{_table(head, rows)}"


def _cold_start(measured: Measured) -> str:
    imported, quickstart = _get(measured, "import"), _get(measured, "quickstart")
    packages = ", ".join(imported["third_party"]) or "none"
    return _targets(
        [
            (
                "`import kundenwert`",
                f"{imported['seconds'] * 1000:.0f} ms",
                "200 ms or less",
                imported["seconds"] <= 0.2,
            ),
            ("third-party packages it loads", packages, "none", packages == "none"),
            (
                "quickstart without its plot, whole process",
                f"{quickstart['seconds']:.1f} s (the first time {quickstart['first']:.1f} s)",
                "5 s or less",
                quickstart["seconds"] <= 5,
            ),
        ]
    )


_SECTIONS: Final = {
    "Posterior": _posterior,
    "Maximum of the likelihood": _mode,
    "Expected purchases with intervals": _purchases,
    "Lifetime value for twelve months": _value,
    "The family": _family,
    "What a million customers are worth": _worth,
    "Win-back": _winback,
    "Cohorts of contracts": _cohorts,
    "A million customers": _million,
    "Growth": _growth,
    "Cold start": _cold_start,
}


def _get(measured: Measured, name: str) -> Mapping[str, Any]:
    one = measured.get(name, {"failed": "not run"})
    if "failed" in one:
        raise _Failed(f"`{name}`: {one['failed']}")
    return one


def _growth_names(measured: Measured, population: str) -> list[str]:
    prefix = f"growth_{population.replace(' ', '_')}_"
    names = [name for name in measured if name.startswith(prefix) and not name.endswith("_log")]
    if not names:
        raise _Failed(f"`{prefix}…`: not run")
    return names


def _same_data(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> None:
    if ours["repeats"] != theirs["repeats"]:
        raise _Failed(f"the packages count different repeat purchases: {ours['repeats']} and {theirs['repeats']}")


def _targets(checks: Sequence[tuple[str, str, str, bool | None]]) -> str:
    rows = [
        [what, value, goal, "" if met is None else "met" if met else "**not met**"] for what, value, goal, met in checks
    ]
    return _table(["", "measured", "target", ""], rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] + ["---" if len(head) == 2 else "---:"] * (len(head) - 1), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _seconds(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.1f} s"


def _gigabytes(gigabytes: float) -> str:
    return f"{gigabytes:.2f} GB"

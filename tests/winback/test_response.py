"""The response to a campaign: the likelihood, what is learned, what is not, and what tables say of it."""

import math
import warnings
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit

import kundenwert as kw
from kundenwert.errors import DataError, InferenceError, MissingInformationError, OrganicWarning, SpecificationError
from kundenwert.inference.pymc import log_likelihood_with_gradient
from kundenwert.inference.target import Target
from kundenwert.models.core import NUMPY, history_of
from kundenwert.posterior import format1
from kundenwert.posterior.audience import Audience
from kundenwert.winback.outcomes import pooled
from tests import campaigns
from tests.campaigns import LINKS, QUICK, ROUGH, response

TOLERANT = np.errstate(all="raise")


def fitted(log, link="logit", seed=1, **more) -> Any:
    return kw.fit(response(link, **more), log, seed=seed, method=QUICK)


@cache
def some_campaign():
    """A campaign of 100 customers in two segments with two offers."""
    return campaigns.campaign(100, draws=5)


@cache
def some_posterior(link="logit") -> Any:
    """A posterior of it, to ask and not to learn from."""
    return kw.fit(response(link), some_campaign(), seed=1, method=ROUGH)


def problem(link, log) -> tuple[Any, Any]:
    """Prepared model and cells."""
    model = response(link)
    cells = log.cells(model)
    model = model.prepared(cells)
    return model, model.aligned(cells)


def parameters(model, rng, draws=3):
    """Parameters drawn from the priors, by name and as the model takes them."""
    values = model.parameters_of([q.prior.sample(rng, draws) for q in model.quantities], "campaign")
    return dict(zip(model.parameter_names, values, strict=True)), values


@pytest.mark.parametrize("link", LINKS)
def test_the_likelihood_is_that_of_the_formulas(link):
    log = campaigns.campaign(60, draws=20)
    log = replace(log, covariates=pd.DataFrame({"age": np.linspace(1, 9, 60)}, index=log.customer_id))
    model, cells = problem(link, log)
    by_name, theta = parameters(model, np.random.default_rng(3))
    got = model.log_likelihood(theta, history_of(cells), NUMPY)[cells.index]
    z = (np.linspace(1, 9, 60) - 5) / np.linspace(1, 9, 60).std()
    drift = [cells[f"drift {k}"][cells.index] for k in range(len(model.scores))]
    for i in range(0, 60, 7):
        segment, arm = log.segments[log.segment[i]], log.offer[i]
        organic = cells["organic"][cells.index][i]
        organic = organic + sum(by_name[f"organic_{k + 1}"] * d[i] for k, d in enumerate(drift))
        without = model.organic_centre + by_name["intercept"] + by_name["slope"] * (organic - model.organic_centre)
        without = without + by_name[f"segment[{segment}]"] + z[i] * by_name["covariate[age]"]
        p0 = p1 = expit(without)
        if arm > 0:
            offer = log.offers[arm - 1]
            shift = by_name[f"segment_effect[{offer}, {segment}]"] + z[i] * by_name[f"covariate_effect[{offer}, age]"]
            x = {name: by_name[f"{name}[{offer}]"] + shift for name in names_of(link)}
            match link:
                case "logit":
                    p1 = expit(without + x["effect"])
                case "hazard":
                    p1 = 1 - (1 - p0) ** np.exp(x["effect"]) * np.exp(-np.exp(x["resurrection"]))
                case _:
                    share = [cells[f"share {k}"][cells.index][i] for k in (0, 1)]
                    stays = share[0] * np.exp(-np.exp(x["effect_on_alive"]))
                    p1 = 1 - (1 - p0) ** np.exp(x["pace"]) * (stays + share[1] * np.exp(-np.exp(x["effect_on_gone"])))
        expected = np.log(p1) if log.returned[i] else np.log(1 - p1)
        assert got[i] == pytest.approx(expected, rel=1e-9)


def names_of(link):
    return [q.name.replace(" ", "_") for q in LINKS[link].strengths(("alive", "gone"))]


@pytest.mark.parametrize("link", LINKS)
def test_pytensor_gives_the_same_likelihood_with_a_gradient(link):
    model, cells = problem(link, campaigns.campaign(80, draws=10))
    target, graph = Target(model, cells), log_likelihood_with_gradient(model, cells)
    for point in np.random.default_rng(1).normal(0, 0.7, (3, target.dimension)):
        value, gradient = graph(point)
        assert value == pytest.approx(target.log_likelihood(point[:, None])[0], rel=1e-10)
        moves = 1e-5 * np.eye(len(point))
        both = target.log_likelihood(np.concatenate([point[:, None] + moves, point[:, None] - moves], axis=1))
        assert gradient == pytest.approx((both[: len(point)] - both[len(point) :]) / 2e-5, rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("link", LINKS)
def test_extreme_log_odds_have_a_likelihood(link):
    model, cells = problem(link, campaigns.campaign(40, draws=1))
    extreme = replace(cells, columns={**cells.columns, "organic": np.linspace(-21, 21, len(cells))})
    _, theta = parameters(model, np.random.default_rng(0), draws=50)
    got = model.log_likelihood(theta, history_of(extreme), NUMPY)
    assert np.isfinite(got).all()
    assert (got <= 0).all()


@pytest.mark.parametrize("link", LINKS)
def test_quantities_and_parameters_are_inverse(link):
    model, _ = problem(link, campaigns.campaign(40))
    quantities = [q.prior.sample(np.random.default_rng(5), 4) for q in model.quantities]
    back = model.quantities_of(model.parameters_of(quantities, "campaign"), "campaign")
    for quantity, value in zip(quantities, back, strict=True):
        assert value == pytest.approx(quantity)
    assert len(model.parameter_names) == len(quantities)


@pytest.mark.slow
def test_effects_are_recovered_with_the_coverage_of_their_intervals():
    truths = {"A": 0.8, "B": -0.2}
    inside = []
    for seed in range(20):
        log = campaigns.campaign(1200, seed=seed, segments=(), draws=20)
        method = kw.ImportanceSampling(draws=500, points=2048)
        posterior = kw.fit(response(), log, seed=seed, method=method)
        table = posterior.parameters(interval=0.9)
        inside += [
            table.loc[f"effect[{o}]", "lower"] < t < table.loc[f"effect[{o}]", "upper"] for o, t in truths.items()
        ]
    # 40 intervals: three binomial standard errors around 0.9 (effects of one campaign hang together a little)
    assert abs(np.mean(inside) - 0.9) < 3 * math.sqrt(0.09 / 40)


def test_more_customers_make_intervals_narrower_and_bring_them_to_the_truth():
    few, many = (fitted(campaigns.campaign(n, segments=(), draws=20)) for n in (300, 30_000))
    width = [p.parameters().loc["effect[A]", "sd"] for p in (few, many)]
    assert width[1] < 0.3 * width[0]
    assert many.parameters().loc["effect[A]", "mean"] == pytest.approx(0.8, abs=0.15)


def test_a_model_of_purchases_that_is_off_does_not_pass_for_an_effect():
    rng = np.random.default_rng(4)
    organic = campaigns.organic_of(rng, 20_000, draws=20, sd=0.01)
    # customers return more often than foreseen, the more so in the south; the offer does nothing
    south = rng.random(20_000) < 0.5
    truth = expit(logit(organic.p_return[:, 0]) + 0.4 + 0.5 * south)
    arm = rng.random(20_000) < 0.5
    log = campaigns.log_of(
        organic, campaigns.sent(arm, "A"), rng.random(20_000) < truth, segment=np.where(south, "south", "north")
    )
    with pytest.warns(OrganicWarning, match="the held-out contradict the organic forecast: "):
        posterior = fitted(log)
    effects = posterior.average_effects(log, interval=0.99)
    assert (np.abs(effects["uplift"]) < 0.02).all()
    assert (effects["lower"] < 0).all()
    assert (effects["upper"] > 0).all()
    observed = log.returned[log.offer == 0].mean()
    assert effects.loc[("A", "all"), "p_without"] == pytest.approx(observed, abs=0.015)


@pytest.mark.parametrize(
    "link", [link if link == "logit" else pytest.param(link, marks=pytest.mark.slow) for link in LINKS]
)
def test_an_average_effect_is_the_difference_in_means_however_wrong_the_forecast(link):
    """Five worlds in which ten times as many are foreseen as return; tests/studies has forty."""
    apart = []
    for seed in range(5):
        log, returned, arm = misjudged(0.26, seed)
        with pytest.warns(OrganicWarning, match=r"where it foresees .* \(2[0-9]\.[0-9]%\)"):
            posterior = kw.fit(
                response(link), log, seed=seed, method=kw.ImportanceSampling(draws=500, points=2048, refits=2)
            )
        row = posterior.average_effects(log).loc[("A", "all")]
        means = returned[arm], returned[~arm]
        error = math.sqrt(sum(values.var() / len(values) for values in means))
        apart.append((row["uplift"] - means[0].mean() + means[1].mean()) / error)
        assert row["p_without"] == pytest.approx(means[1].mean(), rel=0.03)
        assert any(note.startswith("Note: the held-out contradict") for note in posterior.diagnostics.notes)
    # the allowance is .1; chance of few worlds and points adds as much
    assert abs(np.mean(apart)) < 0.2


def misjudged(foreseen, seed, customers=24_000):
    """A campaign with an effect of three standard errors, of which .02 return, and another share is foreseen."""
    rng = np.random.default_rng([5, seed])
    kind, score = rng.integers(0, 20, customers), np.linspace(-1.5, 1.5, 20)
    forecast = expit(score + logit(foreseen) - 0.3 * (0.5 - foreseen))
    returns = np.stack([forecast, np.zeros(20)])[:, :, None] * np.linspace(0.95, 1.05, 5)
    alive = np.maximum(np.linspace(0.2, 0.8, 20)[:, None], returns[0] + 0.01)
    organic = kw.OrganicReturn(
        customer_id=pd.RangeIndex(customers),
        window=campaigns.WINDOW,
        states=("alive", "gone"),
        index=kind,
        probability=np.stack([alive, 1 - alive]),
        returns=returns,
        source=3,
    )
    arm = rng.random(customers) < 0.5
    returned = rng.random(customers) < expit(logit(0.017) + score[kind] + 0.3 * arm)
    return campaigns.log_of(organic, campaigns.sent(arm, "A"), returned), returned, arm


def test_few_held_out_hardly_move_a_forecast_that_they_do_not_contradict():
    """None of twenty returned where one was foreseen: that says little; where five were, it says much."""
    for foreseen, lowest, highest in ((0.05, 0.25, 1.0), (0.30, 0.02, 0.5)):
        organic = kw.OrganicReturn.from_probabilities(range(40), np.full(40, foreseen), window=campaigns.WINDOW)
        back = np.arange(40) < 2 * round(20 * foreseen)  # as foreseen, of those with the offer
        log = campaigns.log_of(organic, ["A", None] * 20, back & (np.arange(40) % 2 == 0))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", OrganicWarning)
            row = fitted(log).average_effects(log).loc[("A", "all")]
        assert lowest < row["p_without"] / foreseen < highest


def test_a_forecast_that_is_right_is_not_contradicted():
    contradicted = 0
    for seed in range(20):
        log = campaigns.campaign(2000, seed=seed, segments=(), draws=20, sd=0.3)  # it says itself how uncertain it is
        model = response().prepared(log.cells(response()))
        contradicted += bool(model.contradiction)
        assert model.organic_centre == pytest.approx(-1.4, abs=0.4)  # where returns tell most, above the mean of -1.8
    assert contradicted <= 1


@pytest.mark.parametrize(
    "foreseen, seen, held, told",
    [
        (0.05, 0.02, 2000, True),
        (0.95, 0.98, 2000, True),  # silences count as returns do: five in a hundred were foreseen, and two seen
        (0.95, 0.70, 200, True),
        (0.05, 0.30, 200, True),
        (0.50, 0.60, 2000, False),  # surely off, and by little
        (0.05, 0.02, 100, False),  # by much, and not surely
        (0.95, 0.98, 100, False),
    ],
)
def test_a_contradiction_is_told_if_it_is_sure_and_of_weight(foreseen, seen, held, told):
    organic = kw.OrganicReturn.from_probabilities(range(2 * held), np.full(2 * held, foreseen), window=campaigns.WINDOW)
    arm, back = np.arange(2 * held) < held, np.arange(2 * held) % held < seen * held
    log = campaigns.log_of(organic, campaigns.sent(arm, "A"), back)
    assert bool(response().prepared(log.cells(response())).contradiction) == told


def test_effects_of_segments_are_pulled_towards_each_other():
    rng = np.random.default_rng(2)
    organic = campaigns.organic_of(rng, 1201, draws=10)
    segment = np.where(np.arange(1201) == 0, "alone", rng.choice(["north", "south"], 1201))
    arm = (np.arange(1201) == 0) | (rng.random(1201) < 0.5)
    returned = rng.random(1201) < expit(logit(organic.p_return[:, 0]) + 0.7 * arm)
    returned[0] = True
    log = campaigns.log_of(organic, campaigns.sent(arm, "A"), returned, segment=segment)
    posterior = fitted(log)
    table = posterior.parameters()
    assert abs(table.loc["segment_effect[A, alone]", "mean"]) < 0.3
    assert table.loc["segment_effect[A, alone]", "sd"] > table.loc["segment_effect[A, north]", "sd"]
    assert posterior.average_effects(log).loc[("A", "alone"), "customers"] == 1


def all_of(value):
    return lambda organic, arm: np.full(len(arm), value)  # noqa: ARG005 - the signature of outcomes


EXTREMES = {
    "nobody returned": (lambda n: np.arange(n) % 2 == 0, all_of(False)),
    "all returned": (lambda n: np.arange(n) % 2 == 0, all_of(True)),
    "one treated": (lambda n: np.arange(n) == 3, all_of(False)),
    "perfect separation": (lambda n: np.arange(n) % 2 == 0, lambda organic, arm: arm),  # noqa: ARG005
    "reversed": (lambda n: np.arange(n) % 2 == 0, lambda organic, arm: ~arm),  # noqa: ARG005
}


@pytest.mark.every(4)
@pytest.mark.filterwarnings("ignore::kundenwert.errors.OrganicWarning")  # as it should
@pytest.mark.parametrize(
    "name, link",
    [
        pytest.param(name, link, marks=pytest.mark.slow)
        if (name, link) == ("perfect separation", "hazard")
        else (name, link)
        for name in EXTREMES
        for link in LINKS
    ],
)
def test_extreme_campaigns_have_a_sensible_posterior(name, link):
    arms, outcome = EXTREMES[name]
    organic = campaigns.organic_of(np.random.default_rng(0), 60, draws=10)
    arm = arms(60)
    log = campaigns.log_of(organic, campaigns.sent(arm, "A"), outcome(organic, arm))
    posterior = kw.fit(response(link), log, seed=1, method=kw.ImportanceSampling(draws=500))
    assert posterior.diagnostics.ok
    table = posterior.uplift(log)
    values = table.drop(columns="basis").to_numpy()
    assert np.isfinite(values).all()
    assert table[["p_without", "p_return"]].to_numpy().min() > 0
    assert table[["p_without", "p_return"]].to_numpy().max() < 1
    if name == "perfect separation":
        assert table["uplift"].mean() > 0.1
    if name == "one treated":  # says hardly anything
        assert table["uplift"].std() < 0.1
        assert posterior.parameters().loc[posterior.parameters().index.str.contains(r"\[A\]"), "sd"].min() > 0.3


def test_a_single_campaign_customer_of_each_arm_is_enough():
    organic = campaigns.organic_of(np.random.default_rng(0), 2, draws=5)
    log = campaigns.log_of(organic, ["A", None], [True, False], segment=["x", "y"])
    assert fitted(log).diagnostics.ok


def test_organic_uncertainty_widens_the_correction_and_not_the_effect():
    sure, unsure = (fitted(campaigns.campaign(4000, segments=(), sd=sd, draws=100)).parameters() for sd in (0.001, 0.6))
    assert unsure.loc["intercept", "sd"] > 1.5 * sure.loc["intercept", "sd"]
    assert unsure.loc["effect[A]", "sd"] == pytest.approx(sure.loc["effect[A]", "sd"], rel=0.3)


def test_draws_are_matched_with_those_of_the_same_model_of_purchases():
    log = campaigns.campaign(20_000, segments=(), sd=0.5, draws=100)
    posterior = kw.fit(response(), log, seed=1, method=kw.ImportanceSampling(draws=300, points=4096))
    observed = log.returned[log.offer == 0].mean()
    without = posterior.average_effects(log).loc[("A", "all"), "p_without"]
    assert without == pytest.approx(observed, abs=0.01)
    stranger = replace(log.organic, source=None)
    spread = []
    for organic in (log.organic, stranger):
        matched = posterior.response(organic, offer="A")
        assert matched.draws == 300  # none of the response is left out
        spread.append(matched.p_without(slice(0, 2000)).mean(axis=0).std())
    # the correction of the organic probabilities belongs to the draw it was learned beside
    assert spread[0] < 0.4 * spread[1]


def test_corrections_find_their_organic_draws_though_few_of_these_are_right():
    rng = np.random.default_rng(1)
    level, common = rng.normal(-1.2, 0.7, 2000), rng.normal(0, 0.4, 500)
    draws = expit(level[:, None] + common - common.mean())
    organic = kw.OrganicReturn.from_probabilities(range(2000), draws, window=campaigns.WINDOW)
    organic = replace(organic, source=3)
    arm = rng.random(2000) < 0.5
    returned = rng.random(2000) < expit(level + 0.8 + 0.5 * arm)  # all return more often than most draws say
    log = campaigns.log_of(organic, campaigns.sent(arm, "A"), returned)
    posterior = kw.fit(response(), log, seed=1, method=kw.ImportanceSampling(draws=500))
    effects = posterior.average_effects(log).loc[("A", "all")]
    assert effects["p_without"] == pytest.approx(returned[~arm].mean(), abs=0.012)
    assert effects["p_return"] == pytest.approx(returned[arm].mean(), abs=0.012)
    # the error that is left is that of the held-out and not that of the model of purchases
    binomial = math.sqrt(returned[~arm].mean() * (1 - returned[~arm].mean()) / (~arm).sum())
    assert posterior.response(organic, offer="A").p_without(slice(0, 2000)).mean(axis=0).std() < 1.3 * binomial


@pytest.mark.parametrize("draws", [1, 2, 7])
def test_few_organic_draws_leave_all_draws_of_the_response(draws):
    log = campaigns.campaign(300, segments=(), draws=20)
    posterior = kw.fit(response(), log, seed=1, method=ROUGH)
    few = replace(
        log.organic,
        probability=log.organic.probability[..., :draws],
        returns=log.organic.returns[..., :draws],
        source=None,
    )
    got = posterior.response(few, offer="A")
    assert got.draws == 200
    assert np.bincount(got.organic_draws).max() - np.bincount(got.organic_draws).min() <= 1
    whole, part = (posterior.average_effects(each).loc[("A", "all")] for each in (log.organic, few))
    assert part["upper"] - part["lower"] == pytest.approx(whole["upper"] - whole["lower"], rel=0.15)


def test_a_known_response_goes_with_all_organic_draws():
    known = kw.CampaignPosterior.from_prior(response(), offers=["A"], draws=3, seed=1)
    assert known.response(campaigns.organic_of(np.random.default_rng(0), 4, draws=20), offer="A").draws == 20


@pytest.mark.every(3)
@pytest.mark.parametrize("link", LINKS)
def test_what_is_induced_adds_up_over_states(link):
    log = campaigns.campaign(300, draws=40)
    got = kw.fit(response(link), log, seed=1, method=ROUGH).response(log.organic, offer="B")
    rows = slice(10, 200)
    block = got.block(rows)
    assert block.induced.sum(axis=0) == pytest.approx(block.p_return - block.p_without, abs=1e-12)
    assert got.p_return(rows) == pytest.approx(block.p_return)
    assert got.p_without(rows) == pytest.approx(block.p_without)
    assert got.induced(rows) == pytest.approx(block.induced)
    assert got.states == ("alive", "gone")


def test_gains_fall_on_those_who_stay_away_and_losses_on_those_who_would_have_come():
    organic = campaigns.organic_of(np.random.default_rng(0), 5, draws=3)
    link = LINKS["logit"]
    without = organic.p_return
    by_state = (organic.probability, organic.returns)
    gain = link.induced(without, without + 0.1 * (1 - without), [], *by_state, states=organic.states)
    staying = organic.probability - organic.returns
    assert gain == pytest.approx(0.1 * staying)
    loss = link.induced(without, 0.5 * without, [], *by_state, states=organic.states)
    assert loss == pytest.approx(-0.5 * organic.returns)


def induced_by_hazard(organic, effect, resurrection) -> Any:
    """By state, with these strengths of AdditiveHazard; and P(return) without and with the offer."""
    link, without = LINKS["hazard"], organic.p_return
    strengths = [np.full((1, 1), effect), np.full((1, 1), resurrection)]
    under = expit(link.log_odds(logit(without), strengths, [], NUMPY))
    return link.induced(
        without, under, strengths, organic.probability, organic.returns, states=organic.states
    ), under - without


def test_returns_that_are_sped_up_are_those_of_the_living():
    organic = campaigns.organic_of(np.random.default_rng(0), 50, draws=3)
    got, change = induced_by_hazard(organic, 0.3, -40.0)
    assert got[0] == pytest.approx(change)
    assert got[1] == pytest.approx(0.0, abs=1e-15)
    # resurrection reaches all who stay silent, whatever their state
    got, change = induced_by_hazard(organic, 0.0, -1.0)
    share = -math.expm1(-math.exp(-1.0))
    assert got == pytest.approx(share * (organic.probability - organic.returns))
    # both: those who are left by the first
    sped = 1 - organic.p_return - (1 - organic.p_return) ** math.exp(0.3)
    got, change = induced_by_hazard(organic, 0.3, -1.0)
    assert got[1] == pytest.approx(share * organic.probability[1])
    assert got[0] == pytest.approx(sped + share * (organic.probability[0] - organic.returns[0] - sped))
    # slowed down, they are those who would have come, some of whom are won back
    got, change = induced_by_hazard(organic, -0.3, -1.0)
    slowed = 1 - organic.p_return - (1 - organic.p_return) ** math.exp(-0.3)
    assert got[0] == pytest.approx(slowed + share * (organic.probability[0] - organic.returns[0] - slowed))
    assert got.sum(axis=0) == pytest.approx(change)


def test_no_more_of_the_living_are_sped_up_than_there_are():
    organic = campaigns.organic_of(np.random.default_rng(0), 50, draws=3)
    got, change = induced_by_hazard(organic, 1.8, -40.0)
    living = organic.probability[0] - organic.returns[0]
    beyond = change > living
    assert 0.1 < beyond.mean() < 0.9
    assert got[0] == pytest.approx(np.minimum(change, living))
    assert got.sum(axis=0) == pytest.approx(change)


def test_by_state_has_a_likelihood_where_everybody_is_brought_back():
    strengths = [np.array([[0.0, 5.0, 6.0]]), np.array([[-1.0, 5.0, 8.0]]), np.zeros((1, 3))]
    shares = [np.array([[0.5]]), np.array([[0.5]])]
    got = LINKS["by state"].log_odds(np.array([[0.0]]), strengths, shares, NUMPY)[0]
    hazards = np.exp([each[0] for each in strengths[:2]])
    silent = 0.25 * np.exp(-hazards).sum(axis=0)
    assert got[0] == pytest.approx(np.log((1 - silent[0]) / silent[0]))
    assert got[1] == pytest.approx(math.log(2) + hazards[0, 1])
    assert got[2] == pytest.approx(math.log(4) + hazards[0, 2])  # half of them are in the other state


@pytest.mark.parametrize("pace", [-0.7, 0.0, 0.4])
def test_by_state_and_its_pace_are_the_formula(pace):
    organic = campaigns.organic_of(np.random.default_rng(0), 50, draws=3)
    p0, staying = organic.p_return, organic.probability - organic.returns
    shares = list(staying / staying.sum(axis=0))
    strengths = [np.full((1, 1), x) for x in (-4.0, -1.0, pace)]
    under = expit(LINKS["by state"].log_odds(logit(p0), strengths, shares, NUMPY))
    silent = (1 - p0) ** math.exp(pace) * sum(
        share * math.exp(-math.exp(x)) for share, x in zip(shares, (-4.0, -1.0), strict=True)
    )
    assert under == pytest.approx(1 - silent, rel=1e-9)
    got = LINKS["by state"].induced(p0, under, strengths, organic.probability, organic.returns, states=organic.states)
    assert got.sum(axis=0) == pytest.approx(under - p0)
    assert (got[1] >= 0).all()  # nobody who is gone can be slowed down
    if pace == 0.0:  # then it is that of the states alone
        alone = replace(LINKS["by state"], pace=None)
        assert under == pytest.approx(expit(alone.log_odds(logit(p0), strengths[:2], shares, NUMPY)), rel=1e-12)
        brought = staying * -np.expm1(-np.exp(np.array([-4.0, -1.0])))[:, None, None]
        assert got == pytest.approx(brought)
    if pace < 0:
        assert (got[0] < 0).any()
        assert (under < p0).any()


def test_by_state_finds_the_state_that_an_offer_reaches():
    rng = np.random.default_rng(6)
    organic = campaigns.organic_of(rng, 8000, draws=10, sd=0.01)
    staying = (organic.probability - organic.returns)[:, :, 0]
    arm = rng.random(8000) < 0.5
    p = organic.p_return[:, 0] + arm * 0.3 * staying[1]  # three in ten of those who are gone
    log = campaigns.log_of(organic, campaigns.sent(arm, "A"), rng.random(8000) < p)
    posterior = fitted(log, "by state")
    table = posterior.parameters()
    assert np.exp(table.loc["effect_on_alive[A]", "mean"]) < 0.05
    assert 1 - np.exp(-np.exp(table.loc["effect_on_gone[A]", "mean"])) == pytest.approx(0.3, abs=0.06)


def test_the_same_seed_gives_the_same_posterior_whatever_the_order_of_the_rows():
    log = campaigns.campaign(300, draws=10)
    first, second = fitted(log), fitted(log.take(np.random.default_rng(0).permutation(300)))
    assert second.parameters()["mean"].to_numpy() == pytest.approx(first.parameters()["mean"].to_numpy(), abs=0.02)


def test_two_customers_who_agree_in_everything_count_twice():
    log = campaigns.campaign(200, draws=10)
    model, cells = problem("logit", log)
    twice = kw.CampaignLog(
        customer_id=pd.RangeIndex(400),
        offer=np.tile(log.offer, 2),
        offers=log.offers,
        returned=np.tile(log.returned, 2),
        window=log.window,
        organic=replace(log.organic, customer_id=pd.RangeIndex(400), index=np.tile(log.organic.index, 2)),
        segment=np.tile(log.segment, 2),
        segments=log.segments,
        audit=log.audit,
    )
    double, cells_of_twice = problem("logit", twice)
    _, theta = parameters(model, np.random.default_rng(0))
    once = cells.counts @ model.log_likelihood(theta, history_of(cells), NUMPY)
    assert cells_of_twice.counts @ double.log_likelihood(theta, history_of(cells_of_twice), NUMPY) == pytest.approx(
        2 * once, rel=1e-6
    )


def test_uplift_and_average_effects_agree():
    log = campaigns.campaign(500, draws=60)
    posterior = fitted(log)
    table, average = posterior.uplift(log), posterior.average_effects(log)
    assert table.index.names == ["customer_id", "offer"]
    assert (table["uplift"] - (table["p_return"] - table["p_without"])).abs().max() < 1e-12
    assert ((table["lower"] <= table["uplift"]) & (table["uplift"] <= table["upper"])).all()
    by_offer = table["uplift"].groupby("offer").mean()
    assert average.xs("all", level="segment")["uplift"].to_numpy() == pytest.approx(by_offer.to_numpy())
    assert average.loc["A", "customers"].tolist() == [
        500,
        *pd.Series(log.segment).value_counts(sort=False).sort_index(),
    ]
    assert table.loc[(slice(None), "A"), "p_negative"].mean() < 0.1  # helps
    assert set(table["basis"]) == {"campaign"}
    one = posterior.uplift(log, offers=["B"], interval=0.5)
    assert one["uplift"].to_numpy() == pytest.approx(table.xs("B", level="offer")["uplift"].to_numpy())


def test_sleeping_dogs_are_found():
    log = campaigns.campaign(20_000, effects=(-0.8,), segments=(), draws=20)
    table = fitted(log).uplift(log.take(np.arange(200)))
    assert (table["p_negative"] > 0.95).all()
    assert (table["upper"] < 0).all()


def test_prior_only_is_what_the_priors_say_and_labelled():
    organic = kw.OrganicReturn.from_probabilities(range(2), np.full(2, 0.1), window=campaigns.WINDOW)
    posterior = kw.CampaignPosterior.from_prior(response(), offers=["A", "B"], draws=100_000, seed=1)
    assert (posterior.basis, posterior.offers) == ("prior only", ("A", "B"))
    assert "Prior only" in str(posterior.diagnostics)
    got = posterior.uplift(organic)
    assert set(got["basis"]) == {"prior only"}
    # the figures of the documentation of HierarchicalLogit
    assert got["p_return"].to_numpy() == pytest.approx(0.13, abs=0.005)
    assert got["lower"].to_numpy() + 0.1 == pytest.approx(0.03, abs=0.005)
    assert got["upper"].to_numpy() + 0.1 == pytest.approx(0.32, abs=0.006)
    assert got["p_negative"].to_numpy() == pytest.approx(0.476, abs=0.006)
    again = kw.CampaignPosterior.from_prior(response(), offers=["A", "B"], draws=100_000, seed=1)
    assert (again.theta[3] == posterior.theta[3]).all()
    # and of AdditiveHazard
    posterior = kw.CampaignPosterior.from_prior(response("hazard"), offers=["A"], draws=100_000, seed=1)
    organic = kw.OrganicReturn.from_probabilities(range(2), [0.1, 0.3], window=campaigns.WINDOW)
    assert posterior.uplift(organic)["p_negative"].to_numpy() == pytest.approx([0.36, 0.45], abs=0.006)


@pytest.mark.parametrize("link", LINKS)
def test_what_nothing_was_learned_of_does_not_correct_organic_returns(link):
    organic = replace(campaigns.organic_of(np.random.default_rng(0), 30, draws=50), source=7)
    arm = np.ones(30, dtype=bool)
    log = campaigns.log_of(
        organic, campaigns.sent(arm, "A"), arm, segment=np.where(np.arange(30) < 9, "x", "y"), age=np.arange(30.0)
    )
    model = kw.CampaignResponse(assignment=kw.Randomised(without_controls=kw.PriorOnly()), link=LINKS[link])
    posterior: Any = kw.fit(model, log, seed=1)
    drawn = kw.CampaignPosterior.from_prior(
        response(link), offers=["A"], segments=["x", "y"], states=["alive", "gone"], draws=300, seed=1
    )
    truth = organic.p_return.mean(axis=1)
    assert posterior.basis == drawn.basis == "prior only"
    got = posterior.uplift(log)
    assert got["p_without"].to_numpy() == pytest.approx(truth, rel=1e-9)
    assert posterior.uplift(organic, covariates=log.covariates)["p_without"].to_numpy() == pytest.approx(truth)
    assert drawn.uplift(organic)["p_without"].to_numpy() == pytest.approx(truth)
    assert got["upper"].max() > got["uplift"].max()


def season(held_out, log_odds, seed, customers=1500):
    """A campaign without any effect, in which all return more often than foreseen."""
    rng = np.random.default_rng(seed)
    organic = campaigns.organic_of(rng, customers, draws=5, sd=0.01, source=None)
    arm = rng.random(customers) > held_out
    returned = rng.random(customers) < expit(logit(organic.p_return[:, 0]) + log_odds)
    return campaigns.log_of(organic, campaigns.sent(arm, "A"), returned)


@cache
def two_seasons():
    """A pilot, and a roll-out with few held-out in a good season, as one log."""
    return pooled([season(0.5, 0.0, 1), season(0.1, 0.8, 2)])


def test_a_season_does_not_pass_for_an_effect():
    posterior = fitted(two_seasons())
    effects = posterior.average_effects(two_seasons()).loc[("A", "all")]
    assert effects["lower"] < 0 < effects["upper"]
    assert effects["uplift"] == pytest.approx(0.0, abs=0.02)  # 0.05 with one base for both
    # the next campaign has a season of its own
    table = posterior.parameters()
    assert table.loc["campaign[2]", "mean"] - table.loc["campaign[1]", "mean"] == pytest.approx(0.8, abs=0.2)
    known, new = (posterior.average_effects(each).loc[("A", "all")] for each in (two_seasons(), two_seasons().organic))
    spread = [
        posterior._response(Audience(two_seasons().organic, campaign=campaign), "A")
        .p_without(slice(0, 200))
        .mean(axis=0)
        .std()
        for campaign in (two_seasons().campaign, None)
    ]
    assert spread[1] > 3 * spread[0]
    assert new["uplift"] == pytest.approx(known["uplift"], abs=0.02)


def test_campaigns_go_together_with_segments_and_new_ones_of_both():
    log = campaigns.campaign(400, draws=3)
    log = replace(log, campaign=np.arange(400) % 2, campaigns=("spring", "autumn"))
    posterior = kw.fit(response(), log, seed=1, method=ROUGH)
    assert posterior.parameters().index[-4:].tolist() == [
        "offer_spread",
        "base_spread",
        "segment_spread",
        "campaign_spread",
    ]
    theta = dict(zip(posterior.model.parameter_names, posterior.theta, strict=True))
    got = posterior._response(Audience(log.organic, segment=log_segments(log), campaign=log.campaign), "A")
    row, level = 3, logit(log.organic.p_return[3][got.organic_draws])
    label = f"segment[{log.segments[log.segment[row]]}]"
    centre = posterior.model.organic_centre
    line = centre + theta["intercept"] + theta["slope"] * (level - centre)
    expected = line + theta[label] + theta["campaign[autumn]"]
    assert logit(got.p_without(slice(row, row + 1)))[0] == pytest.approx(expected)
    new = posterior.response(log.organic, offer="A")
    apart = logit(new.p_without(slice(row, row + 1)))[0] - line
    assert apart.std() == pytest.approx(np.hypot(theta["base_spread"], theta["campaign_spread"]).mean(), rel=0.5)
    with pytest.raises(MissingInformationError, match="do not say which one they are of"):
        posterior.cells_of(campaigns.campaign(50, draws=3))
    with pytest.raises(DataError, match="the campaign 'winter' is unknown here; known are 'spring', 'autumn'"):
        posterior.cells_of(replace(log, campaigns=("spring", "winter")))


def log_segments(log):
    return [log.segments[k] for k in log.segment]


def test_a_response_is_one_within_its_window():
    log, posterior = some_campaign(), some_posterior()
    assert posterior.model.window == campaigns.WINDOW
    same, other = (replace(log.organic, window=window) for window in (kw.days(91), kw.weeks(26)))
    assert posterior.response(same, offer="A").draws == 200
    for ask in (posterior.uplift, posterior.average_effects):
        with pytest.raises(DataError, match=r"within weeks\(13\) of a contact, and was asked for weeks\(26\)"):
            ask(other)
    with pytest.raises(DataError, match="was asked for"):
        posterior.cells_of(replace(log, organic=other, window=kw.weeks(26)))
    drawn = kw.CampaignPosterior.from_prior(response(), offers=["A"], draws=5, seed=1)
    assert len(drawn.uplift(other)) == 100
    drawn = kw.CampaignPosterior.from_prior(response(), offers=["A"], window=campaigns.WINDOW, draws=5, seed=1)
    with pytest.raises(DataError, match="was asked for"):
        drawn.uplift(other)


@pytest.mark.parametrize("link", LINKS)
def test_prior_only_knows_segments_and_states(link):
    posterior = kw.CampaignPosterior.from_prior(
        response(link), offers=["A"], segments=["x", "y"], states=["alive", "gone"], draws=300, seed=1
    )
    organic = campaigns.organic_of(np.random.default_rng(0), 10, draws=40)
    assert posterior.average_effects(organic, segment=["x"] * 9 + ["y"])["customers"].tolist() == [10, 9, 1]
    assert np.isfinite(posterior.response(organic, offer="A").p_return(slice(0, 10))).all()


def test_prior_only_is_refused_where_something_is_missing():
    with pytest.raises(SpecificationError, match="offers takes the labels"):
        kw.CampaignPosterior.from_prior(response())
    with pytest.raises(SpecificationError, match="offers takes the labels"):
        kw.CampaignPosterior.from_prior(response(), offers="A")
    with pytest.raises(SpecificationError, match="name the states"):
        kw.CampaignPosterior.from_prior(response("by state"), offers=["A"])
    with pytest.raises(SpecificationError, match="draws must be"):
        kw.CampaignPosterior.from_prior(response(), offers=["A"], draws=0)
    for seed in (-1, 1.5, True):
        with pytest.raises(SpecificationError, match="seed must be a whole number"):
            kw.CampaignPosterior.from_prior(response(), offers=["A"], seed=seed)  # type: ignore[arg-type]
    with pytest.raises(SpecificationError, match="takes a kundenwert"):
        kw.CampaignPosterior.from_prior(kw.MBGNBD(), offers=["A"])  # type: ignore[arg-type]


def test_an_offer_named_beforehand_is_judged_by_the_others():
    log = campaigns.campaign(5000, effects=(0.9, 0.8), segments=(), draws=10)
    posterior = fitted(log, offers=("A", "B", "new"))
    table = posterior.parameters()
    assert table.loc["effect[new]", "mean"] == pytest.approx(table.loc["effect_mean", "mean"], abs=0.06)
    assert table.loc["effect[new]", "sd"] > 3 * table.loc["effect[A]", "sd"]
    with pytest.raises(DataError, match="the offer 'B' is unknown here; known are 'A'"):
        fitted(log, offers=("A",))


@pytest.mark.slow
def test_customers_of_no_known_segment_are_like_the_others_but_less_sure():
    log = campaigns.campaign(4000, draws=40)
    posterior = fitted(log)
    known, unknown = (
        posterior.average_effects(log.organic, segment=segment).loc[("A", "all")]
        for segment in ([log.segments[k] for k in log.segment], None)
    )
    assert unknown["uplift"] == pytest.approx(known["uplift"], abs=0.03)
    assert unknown["upper"] - unknown["lower"] > known["upper"] - known["lower"]


def test_questions_that_the_posterior_cannot_answer_are_refused():
    log, posterior = some_campaign(), some_posterior()
    with pytest.raises(DataError, match="the offer 'Z' is unknown here; known are 'A', 'B'"):
        posterior.response(log.organic, offer="Z")
    with pytest.raises(DataError, match="customer 2 is in the segment 'west', which is unknown"):
        posterior.uplift(log.organic, segment=["north", "south", "west", *["north"] * 97])
    with pytest.raises(DataError, match="segment has 2 entries for 100 customers"):
        posterior.uplift(log.organic, segment=["north", "south"])
    with pytest.raises(DataError, match="organic takes what"):
        posterior.uplift([1, 2])
    with pytest.raises(DataError, match="no customers to take the average of"):
        posterior.average_effects(log.organic.take([]))
    assert len(posterior.uplift(log.organic.take([]))) == 0
    unsegmented = kw.CampaignPosterior.from_prior(response(), offers=["A"], draws=5, seed=1)
    with pytest.raises(DataError, match="segments were given, but this response tells none apart"):
        unsegmented.uplift(log.organic, segment=["north"] * 100)
    assert len(unsegmented.uplift(log)) == 100  # a campaign may know more than is asked for
    by_state = some_posterior("by state")
    other = kw.OrganicReturn.from_probabilities(range(100), np.full(100, 0.1), window=campaigns.WINDOW)
    with pytest.raises(DataError, match="told apart by the states alive, gone"):
        by_state.response(other, offer="A")


def test_covariates_are_asked_for_and_have_their_effect():
    rng = np.random.default_rng(8)
    organic = campaigns.organic_of(rng, 12_000, draws=5, sd=0.01)
    age, arm = rng.choice([20.0, 30.0, 40.0, 50.0], 12_000), rng.random(12_000) < 0.5
    truth = logit(organic.p_return[:, 0]) + arm * 0.06 * (age - 35)
    log = campaigns.log_of(organic, campaigns.sent(arm, "A"), rng.random(12_000) < expit(truth), age=age)
    posterior = fitted(log)
    slope = posterior.parameters().loc["covariate_effect[A, age]", "mean"]
    assert slope == pytest.approx(0.06 * age.std(), abs=0.12)
    uplift = posterior.uplift(log)["uplift"].to_numpy()
    assert uplift[age == 20].max() < 0 < uplift[age == 50].min()
    assert posterior.uplift(organic, covariates=log.covariates)["uplift"].to_numpy() == pytest.approx(uplift)
    with pytest.raises(DataError, match="effects depend on the covariates age"):
        posterior.uplift(organic)
    with pytest.raises(DataError, match="customer 1 has no covariates"):
        posterior.uplift(organic.take([0, 1]), covariates=pd.DataFrame({"age": [1.0]}, index=[0]))
    with pytest.raises(DataError, match="customer 1 has a covariate that is no finite number"):
        posterior.uplift(organic.take([0, 1]), covariates=pd.DataFrame({"age": [1.0, np.nan]}))


def test_a_campaign_without_segments_cannot_be_scored_by_a_model_that_tells_them_apart():
    posterior = some_posterior()
    with pytest.raises(MissingInformationError, match="does not say which one customers belong to"):
        posterior.cells_of(campaigns.campaign(100, segments=(), draws=5))


@pytest.mark.every(2)
@pytest.mark.parametrize("link", LINKS)
def test_posteriors_are_saved_and_read_back(link, tmp_path):
    log = some_campaign()
    model = kw.CampaignResponse(
        assignment=kw.Observational(without_overlap=kw.PriorOnly(), largest_share=0.5), link=LINKS[link]
    )
    posterior = kw.fit(replace(model, offers=("A", "B", "half/off")), log, seed=1, method=ROUGH)
    posterior.save(tmp_path / "response.nc")
    back: Any = kw.load(tmp_path / "response.nc")
    assert back.model == posterior.model
    assert back.diagnostics == posterior.diagnostics
    for value, other in zip(posterior.values, back.values, strict=True):
        assert (value == other).all()
    assert back.uplift(log).equals(posterior.uplift(log))
    assert "half∕off" in " ".join(str(name) for name in posterior.to_datatree(log)["posterior"].data_vars)


def test_a_response_that_was_saved_before_answers_as_it_did():
    """Files of the first release know no centre of the forecast, and no pace of ByState."""

    def normal(mu, sigma):
        return {"prior": "Normal", "mu": mu, "sigma": sigma}

    link = {"active": normal(-4.6, 1.0), "dormant": normal(-3.5, 1.0), "gone": normal(-4.6, 1.0)}
    refuse = {"part": {"name": "Refuse", "fields": {}}}
    described = {
        "assignment": {"part": {"name": "Randomised", "fields": {"without_controls": refuse}}},
        "link": {"part": {"name": "ByState", "fields": link}},
        "intercept": normal(0.0, 0.5),
        "slope": normal(1.0, 0.25),
        "offers": ["A"],
        "states": ["alive", "gone"],
    }
    model = format1._described({"name": "CampaignResponse", "fields": described}, {})
    assert model.link == kw.ByState(
        active=kw.Normal(-4.6, 1.0), dormant=kw.Normal(-3.5, 1.0), gone=kw.Normal(-4.6, 1.0), pace=None
    )
    assert model.organic_centre == 0.0
    assert model.intercept == kw.Normal(0.0, 0.5)
    means = [name for name in model.parameter_names if name.endswith("_mean")]
    assert means == ["effect_on_alive_mean", "effect_on_gone_mean"]


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"assignment": "randomised"}, "assignment takes kundenwert.Randomised"),
        ({"assignment": kw.Randomised}, "assignment takes kundenwert.Randomised"),
        ({"assignment": kw.Randomised(), "link": "logit"}, "link takes kundenwert.HierarchicalLogit"),
        ({"assignment": kw.Randomised(), "offers": ("A", "A")}, "offers takes a tuple of different labels"),
        ({"assignment": kw.Randomised(), "offers": "AB"}, "offers takes a tuple of different labels"),
        ({"assignment": kw.Randomised(), "offers": (1, 2)}, "offers are strings"),
        ({"assignment": kw.Randomised(), "slope": kw.LogNormal(0, 1)}, "slope, which is any real number: use Normal"),
        ({"assignment": kw.Randomised(), "offer_spread": kw.Normal(0, 1)}, "offer_spread, which is positive"),
    ],
)
def test_specifications_are_checked(arguments, message):
    with pytest.raises(SpecificationError, match=message):
        kw.CampaignResponse(**arguments)


def test_assignment_must_be_said():
    with pytest.raises(TypeError, match="assignment"):
        kw.CampaignResponse()  # type: ignore[call-arg]  # the point


def test_flat_priors_are_refused():
    log = campaigns.campaign(50, draws=3)
    with pytest.raises(SpecificationError, match="improper"):
        fitted(log, intercept=kw.Flat())


@pytest.mark.slow
@pytest.mark.parametrize("link", LINKS)
def test_nuts_and_importance_sampling_agree(link):
    log = campaigns.campaign(600, draws=20)
    points = kw.fit(response(link), log, seed=1).parameters()
    try:
        chains = kw.fit(
            response(link), log, seed=1, method=kw.NUTS(draws=1500, tune=1000, chains=2, progress=False, longest=60)
        ).parameters()
    except InferenceError as error:  # pragma: no cover - a slow machine
        pytest.skip(str(error))
    noise = np.hypot(points["sd"] / 30, chains["sd"] / np.sqrt(chains["ess"]))
    assert (np.abs(points["mean"] - chains["mean"]) < 4.5 * noise).all()
    assert (points["sd"] / chains["sd"]).between(0.85, 1.15).all()

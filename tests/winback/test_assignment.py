"""How customers were assigned: what may be learned, what is refused, and what is answered from the priors."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.special import expit, logit

import kundenwert as kw
from kundenwert.errors import DataError, SpecificationError
from kundenwert.models.families.campaign_assignment import overlap_of
from kundenwert.models.kernels.logistic import logistic_regression
from tests import campaigns
from tests.campaigns import QUICK, response


def assigned(propensity, *, effect=0.0, customers=6000, seed=0, **columns) -> Any:
    """A campaign in which the chance of being sent the offer depends on the organic log-odds."""
    rng = np.random.default_rng(seed)
    organic = campaigns.organic_of(rng, customers, draws=10, sd=0.01)
    level = logit(organic.p_return[:, 0])
    arm = rng.random(customers) < propensity(level)
    returned = rng.random(customers) < expit(level + effect * arm)
    return campaigns.log_of(organic, campaigns.sent(arm, "A"), returned, **columns)


def fitted(log, assignment) -> Any:
    return kw.fit(kw.CampaignResponse(assignment=assignment), log, seed=1, method=QUICK)


def triggered(level):
    """A mailing to everybody who has been silent for long."""
    return (level < -2.0).astype(float)


def in_the_middle(level):
    return ((level > -2.5) & (level < -1.0)).astype(float)


def leaning(level):
    return expit(-0.5 * (level + 1.8))


@pytest.mark.parametrize("rule", [triggered, in_the_middle])
def test_a_rule_leaves_no_overlap_and_is_refused(rule):
    with pytest.raises(DataError, match=r"lie outside the overlap.*at random.*PriorOnly\(\)"):
        fitted(assigned(rule), kw.Observational())


def test_without_overlap_the_answer_is_prior_only_on_request_and_labelled():
    log = assigned(triggered, effect=3.0)
    posterior = fitted(log, kw.Observational(without_overlap=kw.PriorOnly()))
    assert "outside the overlap" in posterior.prior_only
    assert (posterior.basis, posterior.diagnostics.method) == ("prior only", "prior")
    assert any(note.startswith("Prior only: ") for note in posterior.diagnostics.notes)
    assert set(posterior.uplift(log.take([0, 1]))["basis"]) == {"prior only"}
    table = posterior.parameters()
    assert table.loc["effect[A]", "mean"] == pytest.approx(0.05, abs=0.06)  # and not 3
    assert table.loc["effect[A]", "sd"] == pytest.approx(np.hypot(0.7, 0.5), rel=0.1)


def test_where_there_is_overlap_the_effect_is_learned():
    posterior = fitted(assigned(leaning, effect=0.8, customers=20_000), kw.Observational())
    assert posterior.parameters().loc["effect[A]", "mean"] == pytest.approx(0.8, abs=0.15)
    assert posterior.basis == "campaign"
    assert "Assignment was observed, not randomised" in posterior.diagnostics.notes[0]


def test_campaigns_may_take_the_overlap_away():
    rng = np.random.default_rng(3)
    organic = campaigns.organic_of(rng, 3000, draws=5)
    arm = rng.random(3000) < 0.5
    log = campaigns.log_of(organic, campaigns.sent(arm, "A"), rng.random(3000) < 0.3)
    log = replace(log, campaign=arm.astype(np.int64), campaigns=("spring", "autumn"))
    with pytest.raises(DataError, match="lie outside the overlap"):
        fitted(log, kw.Observational())


def test_few_who_were_sent_an_offer_at_random_overlap():
    for share in (0.01, 0.99):
        log = assigned(lambda level, share=share: np.full(len(level), share), customers=20_000)
        (found,) = overlap_of(log.cells(response()), 0.05)
        assert found.outside < 0.01


def test_segments_and_covariates_may_take_the_overlap_away():
    rng = np.random.default_rng(3)
    organic = campaigns.organic_of(rng, 3000, draws=5)
    arm = rng.random(3000) < 0.5
    returned = rng.random(3000) < 0.3
    for column in ({"segment": np.where(arm, "vip", "other")}, {"age": 30.0 + 20.0 * arm}):
        log = campaigns.log_of(organic, campaigns.sent(arm, "A"), returned, **column)
        with pytest.raises(DataError, match="lie outside the overlap"):
            fitted(log, kw.Observational())


def test_the_limits_of_the_overlap_can_be_moved():
    log = assigned(lambda level: expit(-3.0 * (level + 1.8)))
    with pytest.raises(DataError, match="more than the 10% allowed"):
        fitted(log, kw.Observational())
    assert fitted(log, kw.Observational(smallest_propensity=0.001)).basis == "campaign"
    assert fitted(log, kw.Observational(largest_share=0.9)).basis == "campaign"


@pytest.mark.parametrize("assignment", [kw.Randomised(), kw.Observational()])
def test_without_controls_or_offers_nothing_can_be_learned(assignment):
    everybody = assigned(lambda level: np.ones(len(level)), customers=50)
    with pytest.raises(DataError, match=r"nobody was held out, so that the effect(.|\n)*learn=False"):
        fitted(everybody, assignment)
    with pytest.raises(DataError, match="nobody was sent an offer"):
        fitted(assigned(lambda level: np.zeros(len(level)), customers=50), assignment)


@pytest.mark.parametrize(
    "assignment", [kw.Randomised(without_controls=kw.PriorOnly()), kw.Observational(without_overlap=kw.PriorOnly())]
)
def test_without_controls_the_answer_is_prior_only_on_request(assignment):
    everybody = assigned(lambda level: np.ones(len(level)), customers=50)
    posterior = fitted(everybody, assignment)
    assert "nobody was held out" in posterior.prior_only
    assert posterior.average_effects(everybody)["basis"].tolist() == ["prior only"]


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: kw.Randomised(without_controls="refuse"), "without_controls takes kundenwert.Refuse"),  # type: ignore[arg-type]
        (lambda: kw.Observational(without_overlap=kw.PriorOnly), "without_overlap takes kundenwert.Refuse"),  # type: ignore[arg-type]
        (lambda: kw.Observational(smallest_propensity=0.6), "smallest_propensity is a number between 0 and 0.5"),
        (lambda: kw.Observational(largest_share=0.0), "largest_share is a number between 0 and 1"),
    ],
)
def test_assignments_are_checked(make, message):
    with pytest.raises(SpecificationError, match=message):
        make()


def test_the_logistic_regression_is_at_its_mode_even_where_classes_are_apart():
    rng = np.random.default_rng(0)
    features, counts = rng.normal(size=(200, 2)), rng.integers(1, 5, 200).astype(float)
    for outcome in (rng.random(200) < expit(features[:, 0]), features[:, 0] > 0):
        fit = logistic_regression(features, outcome.astype(float), counts, ridge=0.1)
        design = np.column_stack([np.ones(200), features])
        coefficients = np.linalg.lstsq(design, fit, rcond=None)[0]
        slope = design.T @ (counts * (outcome - expit(fit))) - np.array([0.001, 0.1, 0.1]) * coefficients
        assert slope == pytest.approx(0.0, abs=1e-5)

"""Which effect a plan's held-out can show: the power of the test of two shares, and what is said of it."""

import math
import re
import warnings

import numpy as np
import pytest
from scipy.stats import binom

import kundenwert as kw
from kundenwert.errors import ComparisonWarning
from kundenwert.winback.detectable import Detectable, smallest_effect
from tests.winback.campaigns import ECONOMICS, SPEND, WINDOW, known, shift, shop

OFFERS = [
    kw.Offer(label="letter", contact_cost=0.5),
    kw.Offer(label="voucher", contact_cost=0.2, redemption_cost=4.0, silent_for=kw.weeks(20)),
]


def planned(customers, effect, **more):
    given = known(), SPEND, shop(customers), ECONOMICS
    return kw.plan_winback(*given, response=shift(effect), offers=OFFERS, window=WINDOW, seed=1, **more)


def power(p0, p1, n0, n1):
    """Chance that the test of two shares is significant at 5 %, over all that may happen."""
    back, stayed = np.arange(n1 + 1)[:, None], np.arange(n0 + 1)
    both = (back + stayed) / (n0 + n1)
    error = np.sqrt(both * (1 - both) * (1 / n0 + 1 / n1))
    found = np.abs(back / n1 - stayed / n0) > 1.959964 * error
    return float((binom.pmf(back, n1, p1) * binom.pmf(stayed, n0, p0) * (found & (error > 0))).sum())


@pytest.mark.parametrize(
    "without, contacted, held_out", [(0.1, 900, 100), (0.02, 2000, 200), (0.1, 280, 30), (0.3, 100, 17)]
)
def test_the_smallest_effect_is_found_in_four_campaigns_of_five(without, contacted, held_out):
    effect = smallest_effect(without, contacted=contacted, held_out=held_out)
    assert power(without, without + effect, held_out, contacted) == pytest.approx(0.8, abs=0.015)


def test_corners():
    assert smallest_effect(0.2, contacted=0, held_out=50) == math.inf
    assert smallest_effect(0.2, contacted=50, held_out=0) == math.inf
    assert smallest_effect(1.0, contacted=50, held_out=50) == math.inf
    assert smallest_effect(0.9, contacted=20, held_out=5) == math.inf
    assert 0 < smallest_effect(0.0, contacted=900, held_out=100) < 0.1
    many = smallest_effect(0.3, contacted=10**9, held_out=10**9)
    assert many == pytest.approx((1.959964 + 0.841621) * math.sqrt(0.3 * 0.7 * 2e-9), rel=1e-3)


def test_a_plan_says_what_it_can_show_and_warns_where_that_is_far_more_than_expected():
    with pytest.warns(ComparisonWarning, match="the campaign will hardly tell what its offers bring") as told:
        plan = planned(300, 0.3)
    assert told[0].filename == __file__
    compared = plan.table[plan.table["intended_offer"].notna()]
    sent = compared["decision"] == "contact"
    change = (compared["p_return"] - compared["p_return_without"])[sent]
    last = plan.detectable.loc[""]
    assert list(last.iloc[:2]) == [sent.sum(), (~sent).sum()]
    assert last["expected"] == pytest.approx(change.mean())
    assert last["expected"] < last["detectable"] / 2
    assert plan.detectable["contacted"].iloc[:-1].sum() == last["contacted"]
    assert list(plan.detectable.index) == ["letter", "voucher", ""]
    assert f"{last['held_out']:.0f} of the held-out are compared with {last['contacted']:.0f}" in repr(plan)
    assert f"an effect of {100 * last['detectable']:.3g} points or more" in str(told[0].message)


def test_the_share_it_names_shows_what_is_expected():
    with pytest.warns(ComparisonWarning, match="hold_out=") as told:
        planned(2500, 0.5, hold_out=0.02)
    found = re.search(r"hold_out=([.\d]+) would show it", str(told[0].message))
    assert found is not None
    last = planned(2500, 0.5, hold_out=float(found[1])).detectable.loc[""]  # and is quiet
    assert last["detectable"] == pytest.approx(last["expected"], rel=0.25)
    assert last["detectable"] < 1.1 * last["expected"]


def test_where_no_share_would_do_it_says_so():
    few = Detectable(contacted=54, held_out=6, without=0.2, expected=0.05, detectable=0.5)
    assert few.remedy() == "half of them held out would not show it either: evaluate several campaigns together"
    none = Detectable(contacted=54, held_out=1, without=0.2, expected=0.05, detectable=math.inf)
    assert "no effect at all" in none.sentence()


@pytest.mark.parametrize("how", [{"hold_out": 0.0}, {"budget": 0.0}], ids=["nobody held out", "nobody contacted"])
def test_who_gave_it_up_or_contacts_nobody_is_not_bothered(how):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plan = planned(300, 0.3, **how)
    assert plan.detectable.loc["", "detectable"] == math.inf
    assert "of the held-out are compared" not in repr(plan)

"""Does the plan earn more than simpler rules? Worlds in which the truth about every customer is known.

In each world a shop fits the organic model to its log, runs a randomised pilot, learns the response, and plans. What
every rule earns is then computed from the true state of every customer and the true effect of the offer.
"""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest

import kundenwert as kw
from kundenwert.errors import InferenceWarning
from kundenwert.models.kernels.dormancy import RevivingCustomers

pytestmark = pytest.mark.slow

WORLDS = 100
CUSTOMERS = 500
IN_PILOT = 3000
WINDOW = 13.0
AMOUNT, MARGIN = 40.0, 0.5
CONTACT, REDEMPTION = 1.0, 5.0
DELTA = np.log(1.10) / 52.178571428571
EFFECTS = {  # chance to bring back who would not have come: active, dormant, gone; below 0, to keep away who would have
    "responsive": (0.02, 0.25, 0.04),
    "weak": (0.02, 0.08, 0.00),
    "sleeping dogs": (-0.40, 0.05, 0.00),
    "no effect": (0.0, 0.0, 0.0),
}
ACTIVE, DORMANT, GONE = 0, 1, 2


@dataclass(frozen=True)
class Base:
    """Customers observed until T, with what nobody can see."""

    log: pd.DataFrame
    T: Any
    lam: Any
    p: Any
    state: Any
    omega: Any
    eta: Any

    def living(self):
        """Their law, state by state."""
        return RevivingCustomers(k=1, lam=self.lam, p=self.p, omega=self.omega, eta=self.eta)

    def of_state(self, values):
        """The value that goes with the state of each customer; 0 for the gone."""
        values = np.concatenate([values, np.zeros((1, values.shape[1]))])
        return values[self.state, np.arange(values.shape[1])]


def base_of(truth, rng, prefix, size):
    """Draw customers and their purchases."""
    r, alpha, a, b, omega, eta = truth
    T = rng.integers(26 * 7, 60 * 7, size) / 7
    lam, p = np.maximum(rng.gamma(r, 1 / alpha, size), 1e-12), rng.beta(a, b, size)
    now, state = np.zeros(size), np.zeros(size, dtype=np.int64)
    customers, times = [np.arange(size)], [np.zeros(size)]
    going = np.arange(size)
    while len(going):
        chance = rng.random(len(going))
        state[going] = np.where(chance >= p[going], ACTIVE, np.where(chance < omega * p[going], DORMANT, GONE))
        gap = rng.standard_exponential(len(going)) / np.where(state[going] == ACTIVE, lam[going], eta)
        gap = np.where(state[going] == GONE, np.inf, gap)
        bought = now[going] + gap <= T[going]
        going = going[bought]
        now[going] += gap[bought]
        customers.append(going)
        times.append(now[going])
    customer, time = np.concatenate(customers), np.concatenate(times)
    day = pd.Timestamp("2025-06-30") - pd.to_timedelta(np.round((T[customer] - time) * 7), unit="D")
    ids = np.char.add(prefix, customer.astype(str))
    return Base(pd.DataFrame({"customer_id": ids, "date": day, "amount": AMOUNT}), T, lam, p, state, omega, eta)


def p_return(base, effect):
    """True probabilities to return within the window without and with the offer."""
    p0 = base.of_state(base.living().returns(WINDOW))
    strength = np.array(effect)[base.state]
    return p0, np.where(strength >= 0, p0 + (1 - p0) * strength, p0 * (1 + strength))


def true_gain(base, effect):
    """Expected incremental net present value of the offer to each customer, who is known through and through."""
    each = AMOUNT * MARGIN
    law, (p0, p1) = base.living(), p_return(base, effect)
    life = each * law.second_life(DELTA)
    organic = base.of_state(law.discounted_return(DELTA, WINDOW)) / np.maximum(p0, 1e-300) * life
    waiting = np.exp(-DELTA * WINDOW) * each * base.of_state(law.discounted_purchases(DELTA, np.inf))
    worth = np.where(p1 >= p0, np.exp(-DELTA * WINDOW / 2) * life, organic)
    return (p1 - p0) * (worth - waiting) - p1 * REDEMPTION - CONTACT


def world(seed):
    """What each rule earns in one world, and how many customers it contacts."""
    rng = np.random.default_rng(seed)
    name = list(EFFECTS)[seed % len(EFFECTS)]
    truth = (0.6, 5.0, 0.9, 1.6, rng.uniform(0.2, 0.7), rng.uniform(0.04, 0.10)) * np.exp(
        np.r_[rng.normal(0, 0.2, 4), 0, 0]
    )
    main, pilot = base_of(truth, rng, "m", CUSTOMERS), base_of(truth, rng, "p", IN_PILOT)
    histories, of_pilot = (
        kw.summarize(each.log, customer="customer_id", time="date", amount="amount", until="2025-06-30", unit="week")
        for each in (main, pilot)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InferenceWarning)
        purchases = kw.fit(kw.RevivalNBD(), histories, seed=seed, method=kw.ImportanceSampling(draws=500, points=2048))
    window = kw.weeks(13)
    _, p1 = p_return(pilot, EFFECTS[name])
    p0, _ = p_return(pilot, EFFECTS["no effect"])
    sent = rng.random(IN_PILOT) < 0.5
    campaign = pd.DataFrame(
        {
            "customer_id": [f"p{i}" for i in range(IN_PILOT)],
            "offer": ["voucher" if each else None for each in sent],
            "returned": rng.random(IN_PILOT) < np.where(sent, p1, p0),
        }
    )
    organic = kw.organic_return(purchases, of_pilot, window=window)
    model = kw.CampaignResponse(assignment=kw.Randomised(), link=kw.ByState())
    campaign_log = kw.CampaignLog.from_pandas(campaign, organic=organic, window=window)
    response = kw.fit(model, campaign_log, seed=seed)
    offer = kw.Offer(label="voucher", contact_cost=CONTACT, redemption_cost=REDEMPTION)
    plan = kw.plan_winback(
        purchases,
        kw.KnownAmount(AMOUNT),
        histories,
        kw.Economics(margin=MARGIN, annual_discount_rate=0.10),
        response=response,
        offers=[offer],
        window=window,
        hold_out=0.0,
        seed=seed,
    )
    table = plan.table.loc[[f"m{i}" for i in range(CUSTOMERS)]]
    contact = (table["decision"] == "contact").to_numpy()
    gain = true_gain(main, EFFECTS[name])
    alive = purchases.p_alive(histories)["mean"].loc[table.index].to_numpy()
    uplift = (table["p_return"] - table["p_return_without"]).to_numpy()
    as_many = max(int(contact.sum()), CUSTOMERS // 5)
    rules = {
        "plan": contact,
        "everyone": np.ones(CUSTOMERS, dtype=bool),
        "nobody": np.zeros(CUSTOMERS, dtype=bool),
        "lowest P(alive)": np.argsort(np.argsort(alive)) < as_many,
        "highest uplift": np.argsort(np.argsort(-uplift)) < as_many,
        "oracle": gain > 0,
    }
    return (
        {"world": name} | {rule: gain[chosen].sum() for rule, chosen in rules.items()} | {"contacted": contact.mean()}
    )


def test_profit_of_the_plan(capsys):
    """By the truth, the plan earns more than every simpler rule; where the offer does nothing it contacts nobody."""
    found: Any = pd.DataFrame([world(seed) for seed in range(WORLDS)])
    profit = found.groupby("world", sort=False).mean()
    regret = found[["world"]].assign(**{rule: found["oracle"] - found[rule] for rule in found.columns[1:6]})
    spread = regret.groupby("world", sort=False).agg(["mean", "sem"])
    with capsys.disabled():
        print(f"\nprofit per world of {CUSTOMERS} customers\n{profit.round(2).to_string()}")  # noqa: T201
        print(f"\nregret: oracle less rule\n{spread.round(2).to_string()}")  # noqa: T201
        overall = regret.drop(columns="world").agg(["mean", "sem"])
        print(f"\nregret over all worlds\n{overall.round(2).to_string()}")  # noqa: T201
    for rule in ("everyone", "nobody", "lowest P(alive)", "highest uplift"):
        better = found["plan"] - found[rule]
        assert better.mean() > 2 * better.sem(), rule
    assert profit.loc["no effect", "contacted"] < 0.05
    assert profit.loc["sleeping dogs", "contacted"] < 0.10

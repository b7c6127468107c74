"""The budget: a multiple-choice knapsack against brute force."""

import itertools
import math

import numpy as np
import pytest

from kundenwert.winback.choice import choose, offers_before, steps_of


def best_of_all(value, cost, budget):
    """Largest value of all plans within the budget."""
    options = [(None, *range(value.shape[1]))] * len(value)
    best = 0.0
    for plan in itertools.product(*options):
        chosen = [(i, j) for i, j in enumerate(plan) if j is not None]
        if sum(cost[i, j] for i, j in chosen) <= budget * (1 + 1e-12):
            best = max(best, sum(value[i, j] for i, j in chosen))
    return best


@pytest.mark.parametrize("seed", range(12))
def test_choice_keeps_the_budget_and_its_gap_holds(seed):
    rng = np.random.default_rng(seed)
    value, cost = rng.normal(1, 2, (6, 3)), rng.uniform(0.2, 2, (6, 3))
    if seed % 3 == 0:
        value[rng.random(value.shape) < 0.3] = -np.inf
        cost[rng.random(cost.shape) < 0.2] = 0.0
    for budget in (0.0, 0.5, 1.7, 4.0):
        choice = choose(value, cost, budget)
        who = np.flatnonzero(choice.offer >= 0)
        assert cost[who, choice.offer[who]].sum() <= budget * (1 + 1e-9)
        assert choice.value == pytest.approx(value[who, choice.offer[who]].sum())
        truth = best_of_all(value, cost, budget)
        assert choice.value <= truth + 1e-9 <= choice.bound + 2e-9
        assert choice.gap == pytest.approx(choice.bound - choice.value)
    enough = choose(value, cost, math.inf)
    assert enough.value == pytest.approx(best_of_all(value, cost, math.inf))
    assert (enough.gap, enough.shadow_price) == (0, 0)


def test_gap_vanishes_with_the_number_of_customers():
    rng = np.random.default_rng(1)
    value, cost = rng.normal(1, 2, (20_000, 4)), rng.uniform(0.2, 2, (20_000, 4))
    for customers, largest in ((7, 0.2), (20_000, 1e-5)):
        choice = choose(value[:customers], cost[:customers], 0.15 * customers)
        assert choice.gap < largest * choice.value


def test_shadow_price_is_the_slope_of_value_by_budget():
    rng = np.random.default_rng(2)
    value, cost = rng.normal(1, 2, (20_000, 3)), rng.uniform(0.2, 2, (20_000, 3))
    for budget in (500.0, 3000.0, 9000.0):
        below, above = (choose(value, cost, budget + step).value for step in (-50, 50))
        assert (above - below) / 100 == pytest.approx(choose(value, cost, budget).shadow_price, rel=0.02)


def test_free_offers_need_no_budget():
    value, cost = np.array([[1.0, 3.0], [-1.0, 2.0]]), np.array([[0.0, 0.0], [0.0, 1.0]])
    choice = choose(value, cost, 0.0)
    assert choice.offer.tolist() == [1, -1]
    assert choice.shadow_price == 2.0


def test_one_rule_gives_all_offers_but_those_that_fill_the_rest_of_the_budget():
    rng = np.random.default_rng(3)
    value, cost, priority = rng.normal(1, 2, (5000, 3)), rng.uniform(0.2, 2, (5000, 3)), rng.random(5000)
    choice = choose(value, cost, 900.0, priority)
    rule = offers_before(value, cost, priority, choice.cut)
    assert (rule[choice.by_rule] == choice.offer[choice.by_rule]).all()
    assert 0 < (~choice.by_rule).sum() <= 5
    assert (rule[~choice.by_rule] == -1).all()
    enough = choose(value, cost, math.inf, priority)
    assert (offers_before(value, cost, priority, enough.cut) == enough.offer).all()


def test_priority_decides_between_customers_who_are_alike_and_the_order_of_rows_does_not():
    rng = np.random.default_rng(5)
    value, cost = np.repeat([[2.0, 3.0], [1.0, 1.9]], 300, axis=0), np.full((600, 2), [0.4, 1.0])
    priority, order = rng.random(600), rng.permutation(600)
    for budget in (50.0, 120.0, 130.3, 250.0):
        choice = choose(value, cost, budget, priority)
        permuted = choose(value[order], cost[order], budget, priority[order])
        assert (permuted.offer == choice.offer[order]).all()
        for kind in (slice(0, 300), slice(300, 600)):
            ordered = choice.offer[kind][np.argsort(priority[kind])]
            assert (np.diff(ordered[ordered >= 0]) <= 0).all()  # the dearer offer to the first
            assert (np.diff((ordered >= 0).astype(int)) <= 0).all()


def test_steps_of_a_customer_get_less_worthwhile():
    rng = np.random.default_rng(4)
    steps = steps_of(rng.normal(1, 2, (300, 6)), rng.uniform(0.2, 2, (300, 6)), rng.random(300))
    for customer in range(300):
        mine = steps.customer == customer
        assert (np.diff(steps.price[mine]) < 0).all()
        assert (steps.cost[mine] > 0).all()


def test_nobody_and_nothing_worthwhile():
    assert len(choose(np.zeros((0, 2)), np.zeros((0, 2)), 1.0).offer) == 0
    assert choose(-np.ones((3, 2)), np.ones((3, 2)), 10.0).offer.tolist() == [-1, -1, -1]
    assert choose(np.full((3, 2), -np.inf), np.ones((3, 2)), 10.0).value == 0

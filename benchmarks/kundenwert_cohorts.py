"""Cohorts of contracts: the default fit of a triangle against NUTS, and the refusal of one price for everybody."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from measure import arguments, save

import kundenwert as kw
from kundenwert.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable


def triangle(cohorts: int) -> kw.ContractHistories:
    """Monthly cohorts of a thousand contracts, each observed for a month less than the one before."""
    rng, rows = np.random.default_rng(1), []
    for cohort in range(cohorts):
        churn, total = 1 / (1 + np.exp(2.5 - 0.3 * rng.normal())), np.exp(1 + 0.3 * rng.normal())
        theta = (np.asarray(churn * total), np.asarray((1 - churn) * total))
        ends = kw.ShiftedBetaGeometric().simulate(theta, np.zeros(1000, dtype=np.int64), rng)
        ages = np.arange(cohorts - cohort + 1)
        left = (ends > ages[:, None]).sum(axis=1)
        rows.append(pd.DataFrame({"cohort": cohort, "renewal": ages, "survivors": left}))
    return kw.ContractHistories.from_cohorts(pd.concat(rows), cohort="cohort", every=kw.months(1))


def processor_seconds[T](function: Callable[[], T]) -> tuple[T, float]:
    """Result and processor time, all threads and children included."""
    began = time.process_time()
    result = function()
    return result, time.process_time() - began


def one_price() -> str:
    """What a thousand customers who always pay 9.99 are told."""
    frame = pd.DataFrame(
        {"customer_id": range(1000), "frequency": 3, "recency": 9.0, "T": 20.0, "monetary_value": 9.99}
    )
    try:
        kw.fit(kw.GammaGamma(), kw.CustomerHistories.from_pandas(frame, unit="week"), seed=1)
    except DataError as error:
        return str(error)
    return "fitted"


parser = arguments(__doc__)
parser.add_argument("--cohorts", type=int, required=True)
options = parser.parse_args()

few, many = triangle(max(2, options.cohorts // 15)), triangle(options.cohorts)
by_default, of_few = processor_seconds(lambda: kw.fit(kw.ShiftedBetaGeometric(), few, seed=1))
wall = time.perf_counter()
by_nuts = kw.fit(kw.ShiftedBetaGeometric(), few, seed=1, method=kw.NUTS(chains=2, progress=False, longest=60))
wall = time.perf_counter() - wall  # its chains run in processes of their own
geometric, of_geometric = processor_seconds(lambda: kw.fit(kw.ShiftedBetaGeometric(), many, seed=1))
weibull, of_weibull = processor_seconds(lambda: kw.fit(kw.BetaDiscreteWeibull(), many, seed=1))
_, of_answers = processor_seconds(
    lambda: (geometric.retention_curve(), geometric.expected_residual_lifetime(many, annual_discount_rate=0.1))
)
told, of_price = processor_seconds(one_price)
measured: dict[str, object] = {
    "cohorts": options.cohorts,
    "few": len(few.cohorts),
    "of_few": of_few,
    "few_ess": by_default.diagnostics.ess,
    "nuts": wall,
    "nuts_ess": by_nuts.diagnostics.ess,
    "geometric": of_geometric,
    "geometric_ess": geometric.diagnostics.ess,
    "weibull": of_weibull,
    "weibull_ess": weibull.diagnostics.ess,
    "answers": of_answers,
    "one_price": of_price,
    "one_price_told": "KnownAmount(9.99)" in told,
}
save(options.out, ["kundenwert"], measured)

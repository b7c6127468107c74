"""The transaction log of a simulated population, for `kundenwert_million.py`."""

from __future__ import annotations

import numpy as np
from measure import arguments, save

import kundenwert as kw
from kundenwert.models.gamma_gamma import GammaGamma

parser = arguments(__doc__)
parser.add_argument("--customers", type=int, required=True)
parser.add_argument("--acquired", type=int, required=True, help="days over which customers arrive, evenly")
parser.add_argument("--observed", type=int, required=True, help="days from the first arrival to the end")
parser.add_argument("--log", required=True)
options = parser.parse_args()

# CDNOW's estimates, in weeks; Fader, Hardie & Lee (2005) and Fader & Hardie (2013)
buying = kw.fixed(kw.BGNBD.Parameters(r=0.2426, alpha=4.4136, a=0.7929, b=2.4259, unit="week"))
spending = kw.fixed(kw.GammaGamma.Parameters(p=6.25, q=3.74, gamma=15.44))
rng = np.random.default_rng(1)
arrival = rng.integers(0, options.acquired, options.customers)
T = (options.observed - arrival) / 7
repeat = buying.model.simulate(buying.model.named([value[0] for value in buying.theta]), T, rng)
customer = np.concatenate([np.arange(options.customers), repeat.customer])
day = np.concatenate([arrival, arrival[repeat.customer] + np.ceil(repeat.time * 7).astype(np.int64)])
assert isinstance(spending.model, GammaGamma)
amount = spending.model.simulate(spending.model.named([value[0] for value in spending.theta]), customer, rng)
order = rng.permutation(len(customer))
np.savez(options.log, customer=customer[order], day=day[order], amount=np.round(amount[order], 2))
save(options.out, ["kundenwert"], {"rows": len(customer)})

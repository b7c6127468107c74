"""Lifetime value of every customer of CDNOW for twelve months, with intervals, by PyMC-Marketing."""

from __future__ import annotations

import cdnow
import numpy as np
from measure import arguments, save, timed
from pymc_marketing.clv import BetaGeoModel
from pymc_marketing.clv.utils import customer_lifetime_value

parser = arguments(__doc__)
parser.add_argument("--model", required=True, help="the fitted model")
options = parser.parse_args()
model = BetaGeoModel.load(options.model)
data = model.data.assign(future_spend=cdnow.MEAN_AMOUNT)
monthly_rate = (1 + cdnow.RATE) ** (1 / 12) - 1


def table() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Posterior mean and ends of the equal-tailed 90 % interval, each of shape (customers,)."""
    drawn = customer_lifetime_value(model, data, future_t=12, discount_rate=monthly_rate, time_unit="W")
    ends = drawn.quantile([0.05, 0.95], dim=("chain", "draw"))
    return drawn.mean(("chain", "draw")).to_numpy(), *ends.to_numpy()


(mean, _, _), times = timed(table)
draws = model.idata["posterior"].sizes
measured = {"customers": len(mean), "draws": draws["chain"] * draws["draw"], "total": float(np.nansum(mean))}
save(options.out, ["pymc-marketing"], times | measured | {"missing": int(np.isnan(mean).sum())})

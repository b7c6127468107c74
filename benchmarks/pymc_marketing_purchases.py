"""Expected purchases of every customer, with intervals, by PyMC-Marketing."""

from __future__ import annotations

import cdnow
import numpy as np
from measure import arguments, save, timed
from pymc_marketing.clv import BetaGeoModel

parser = arguments(__doc__)
parser.add_argument("--model", required=True, help="the fitted model")
options = parser.parse_args()
model = BetaGeoModel.load(options.model)


def table() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Posterior mean and ends of the equal-tailed 90 % interval, each of shape (customers,)."""
    drawn = model.expected_purchases(future_t=cdnow.WEEKS_AHEAD)
    ends = drawn.quantile([0.05, 0.95], dim=("chain", "draw"))
    return drawn.mean(("chain", "draw")).to_numpy(), *ends.to_numpy()


(mean, lower, upper), times = timed(table)
draws = dict(np.load(f"{options.model}.npz"))
customer_id = model.data["customer_id"].to_numpy()
np.savez(f"{options.model}.npz", **draws, customer_id=customer_id, mean=mean, lower=lower, upper=upper)
measured = {"customers": len(mean), "draws": draws["r"].size, "total": float(np.nansum(mean))}
save(options.out, ["pymc-marketing"], times | measured | {"missing": int(np.isnan(mean).sum())})

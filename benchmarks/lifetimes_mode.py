"""The maximum of the likelihood by lifetimes."""

from __future__ import annotations

import cdnow
from lifetimes import BetaGeoFitter
from lifetimes.utils import summary_data_from_transaction_data
from measure import arguments_with_cdnow, save, timed

options = arguments_with_cdnow(__doc__).parse_args()
log = cdnow.read(options.log, options.every)
histories = summary_data_from_transaction_data(log, "customer_id", "date", observation_period_end=cdnow.UNTIL, freq="D")
histories[["recency", "T"]] /= 7
fitter, times = timed(
    lambda: BetaGeoFitter().fit(histories["frequency"], histories["recency"], histories["T"]), options.repeats
)
save(
    options.out,
    ["lifetimes", "autograd", "numpy", "scipy", "pandas"],
    times | {"repeats": int(histories["frequency"].sum()), "estimates": fitter.params_.to_dict()},
)

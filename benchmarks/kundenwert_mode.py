"""The mode under flat priors, which is the maximum of the likelihood, by kundenwert."""

from __future__ import annotations

import cdnow
from measure import arguments_with_cdnow, save, timed

import kundenwert as kw

options = arguments_with_cdnow(__doc__).parse_args()
log = cdnow.read(options.log, options.every)
histories = kw.summarize(log, customer="customer_id", time="date", amount="amount", until=cdnow.UNTIL)
flat = kw.Flat()
model = kw.BGNBD(mean_rate=flat, shape=flat, mean_dropout=flat, concentration=flat)
posterior, times = timed(lambda: kw.fit(model, histories, method=kw.MAP(), seed=1), options.repeats)
table = posterior.parameters().loc[["r", "alpha", "a", "b"]]
save(
    options.out,
    ["kundenwert"],
    times | {"repeats": int(histories.frequency.sum()), "estimates": table["mean"].to_dict()},
)

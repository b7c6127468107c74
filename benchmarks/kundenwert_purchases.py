"""Expected purchases of every customer, with intervals, by kundenwert."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cdnow
import numpy as np
from measure import arguments_with_cdnow, peak_gigabytes, save, timed

import kundenwert as kw

parser = arguments_with_cdnow(__doc__)
parser.add_argument("--draws", type=int, default=4000)
parser.add_argument("--peer", type=Path, help="draws and answers of PyMC-Marketing, to compare with")
options = parser.parse_args()
log = cdnow.read(options.log, options.every)
histories = kw.summarize(log, customer="customer_id", time="date", amount="amount", until=cdnow.UNTIL)
posterior = kw.fit(kw.BGNBD(), histories, method=kw.ImportanceSampling(draws=options.draws), seed=1)
horizon = kw.weeks(cdnow.WEEKS_AHEAD)
table, times = timed(lambda: posterior.expected_purchases(histories, horizon=horizon), options.repeats)
peak = peak_gigabytes()
measured: dict[str, object] = {"customers": len(table), "draws": options.draws, "total": float(table["mean"].sum())}
if options.peer is not None:
    peer = np.load(options.peer)
    # the same draws must give the same answers
    same = replace(posterior, values=posterior.model.named([peer[name] for name in ("r", "alpha", "a", "b")]))
    ours = same.expected_purchases(histories, horizon=horizon).loc[peer["customer_id"]]
    for column in ("mean", "lower", "upper"):
        measured[f"difference_{column}"] = float(np.max(np.abs(ours[column] / peer[column] - 1)))
save(options.out, ["kundenwert"], times | measured | {"peak_of_the_table": peak})

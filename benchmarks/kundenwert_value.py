"""Net present value of every customer of CDNOW for twelve months, with intervals, by kundenwert."""

from __future__ import annotations

import cdnow
from measure import arguments_with_cdnow, peak_gigabytes, save, timed

import kundenwert as kw

parser = arguments_with_cdnow(__doc__)
parser.add_argument("--draws", type=int, default=4000)
options = parser.parse_args()
log = cdnow.read(options.log, options.every)
histories = kw.summarize(log, customer="customer_id", time="date", amount="amount", until=cdnow.UNTIL)
purchases = kw.fit(kw.BGNBD(), histories, method=kw.ImportanceSampling(draws=options.draws), seed=1)
spend = kw.KnownAmount(cdnow.MEAN_AMOUNT)
monthly = kw.Economics(margin=1.0, annual_discount_rate=cdnow.RATE, discounting=kw.EndOfPeriod(kw.months(1)))
year = kw.months(12)
table, times = timed(lambda: kw.net_present_value(purchases, spend, histories, monthly, horizon=year), options.repeats)
peak = peak_gigabytes()
measured = {"customers": len(table), "draws": options.draws, "total": float(table["mean"].sum())}
save(options.out, ["kundenwert"], times | measured | {"peak_of_the_table": peak})

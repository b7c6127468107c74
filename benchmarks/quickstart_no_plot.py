"""The quickstart, without its plot."""

from __future__ import annotations

from measure import arguments, save

import kundenwert as kw

options = arguments(__doc__).parse_args()

log = kw.datasets.cdnow()
histories = kw.summarize(
    log, customer="customer_id", time="date", amount="amount", until="1997-09-30", unit="week", resolution="day"
)
purchases = kw.fit(kw.MBGNBD(), histories, seed=1)
spend = kw.fit(kw.GammaGamma(), histories, seed=1)
economics = kw.Economics(margin=0.30, annual_discount_rate=0.10)
table = kw.score(purchases, spend, histories, economics, horizon=kw.years(1))
assert len(table) == len(histories)
print(table.head().T)
save(options.out, ["kundenwert"], {"customers": len(table)})

"""Pictures of what the tables say, drawn with matplotlib: ``pip install kundenwert[plot]``.

Every function takes a result, draws on the axes given as `ax` and returns them. Without `ax`, a figure is made with
pyplot, so that it shows in a notebook; close it with ``matplotlib.pyplot.close(ax.figure)`` in a long-running program,
or hand in axes of a figure of your own.
"""

from kundenwert.plot.contracts import retention, survival
from kundenwert.plot.fit import purchase_counts
from kundenwert.plot.newcomers import payback
from kundenwert.plot.relationships import phase_flow, segment_map
from kundenwert.plot.values import lorenz, value_by_rank
from kundenwert.plot.winback import profit_by_budget, return_curves, states_in_silence, uplift

__all__ = [
    "lorenz",
    "payback",
    "phase_flow",
    "profit_by_budget",
    "purchase_counts",
    "retention",
    "return_curves",
    "segment_map",
    "states_in_silence",
    "survival",
    "uplift",
    "value_by_rank",
]

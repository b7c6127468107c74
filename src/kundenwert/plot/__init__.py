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

__all__ = [
    "lorenz",
    "payback",
    "phase_flow",
    "purchase_counts",
    "retention",
    "segment_map",
    "survival",
    "value_by_rank",
]

"""Checks of a model against what customers did, and of models against each other."""

from kundenwert.checks.comparison import compare
from kundenwert.checks.counts import purchase_counts
from kundenwert.checks.holdout import holdout
from kundenwert.checks.regularity import Regularity, regularity
from kundenwert.checks.rolling_origin import RollingOrigin, rolling_origin

__all__ = ["Regularity", "RollingOrigin", "compare", "holdout", "purchase_counts", "regularity", "rolling_origin"]

"""Checks of a model against what customers did."""

from kundenwert.checks.holdout import holdout

__all__ = ["holdout"]

"""A page for people who decide: all results on one self-contained HTML page, and as a table."""

from kundenwert.reporting.writing import Report, report

__all__ = ["Report", "report"]

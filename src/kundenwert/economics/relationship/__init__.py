"""Phases of the relationship: where each customer stands, early warning, the second purchase."""

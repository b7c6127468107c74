"""The customer base as an asset: equity, concentration, cohorts, segments, contribution to date."""

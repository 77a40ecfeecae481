"""Scoring: deviations, levels, blame."""

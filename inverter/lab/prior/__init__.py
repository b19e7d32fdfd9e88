"""Measuring a prior."""

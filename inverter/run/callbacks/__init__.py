"""Callbacks of Lightning trainings."""

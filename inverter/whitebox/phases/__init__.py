"""Phases of the white-box methods, one method a file."""

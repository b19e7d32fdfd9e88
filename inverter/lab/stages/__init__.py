"""Stages of the laboratory, one a file."""

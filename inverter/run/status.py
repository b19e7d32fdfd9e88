"""Exit statuses of stages."""

LIMIT_EXCEEDED = 3
"""Done, but a limit that was set may be exceeded."""

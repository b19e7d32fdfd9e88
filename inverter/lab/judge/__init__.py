"""Training the second judge."""

"""What training shows while it runs."""

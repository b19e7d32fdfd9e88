"""One stage of the command line a file."""

"""Lightning modules of the black-box models, with their networks, one a file."""

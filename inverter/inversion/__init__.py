"""What surrounds a white-box loop and may see pictures: building it, what the device sends, what is written."""

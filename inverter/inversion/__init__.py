"""What surrounds the attacks of ``invert`` and may see pictures: building, what the device sends, what is written."""

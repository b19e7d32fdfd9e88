"""Inversion by an attacker who may differentiate the target: one loop, one method a file; nothing takes an image."""

"""Payloads and defences at one layer: what each costs in utility and leaves of leakage, planned, read and shown."""

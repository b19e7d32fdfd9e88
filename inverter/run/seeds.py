"""Seeds that depend on what they are for, so that nothing drawn depends on what was drawn before."""

from __future__ import annotations

import hashlib


def derive_seed(*parts: object) -> int:
    """Seed in [0, 2**63) that depends on every part and on nothing else."""
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1

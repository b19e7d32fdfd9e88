"""Schema of what a large prior may take of memory."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class MemoryConfig:
    precision: str = "fp32"  # of the prior's frozen weights: fp32 | fp16 | bf16
    offload: str = "none"  # keep weights in the CPU's memory while they are not used: none | model | sequential
    vae_slicing: bool = False  # the autoencoder takes the pictures of a batch one by one
    vae_tiling: bool = False  # and each in tiles of half its side; seams may show

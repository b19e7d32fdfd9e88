"""Conditioning: what a denoiser is told of the text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Conditioning:
    """Tokens ``(B, K, D)`` for the denoiser's attention and, where a family has them, ``pooled`` vectors ``(B, P)``."""

    tokens: Tensor
    pooled: Tensor | None = None

    @property
    def device(self) -> torch.device:
        return self.tokens.device

    def __len__(self) -> int:
        return len(self.tokens)

    def __getitem__(self, index: slice | Tensor) -> Conditioning:
        """Of some images of the batch."""
        return Conditioning(self.tokens[index], None if self.pooled is None else self.pooled[index])

    def expand(self, batch_size: int) -> Conditioning:
        """Of one image, for so many."""
        pooled = None if self.pooled is None else self.pooled.expand(batch_size, -1)
        return Conditioning(self.tokens.expand(batch_size, -1, -1), pooled)

    def with_tokens(self, tokens: Tensor) -> Conditioning:
        """The same but for the tokens."""
        return replace(self, tokens=tokens)

    def to(self, dtype: torch.dtype) -> Conditioning:
        """In a dtype."""
        return Conditioning(self.tokens.to(dtype), None if self.pooled is None else self.pooled.to(dtype))

    def float(self) -> Conditioning:
        """In float32."""
        return self.to(torch.float32)

    def where(self, chosen: Sequence[bool], other: Conditioning) -> Conditioning:
        """Of this where ``chosen``, of ``other`` elsewhere."""
        mask = torch.tensor(list(chosen), device=self.tokens.device)
        pooled = self.pooled
        if pooled is not None and other.pooled is not None:
            pooled = torch.where(mask[:, None], pooled, other.pooled.to(pooled))
        return Conditioning(torch.where(mask[:, None, None], self.tokens, other.tokens.to(self.tokens)), pooled)


def check_prompts(prompts: Any) -> None:
    """Raise ValueError unless prompts are a list of texts, one or more."""
    if not isinstance(prompts, list | tuple) or not prompts or not all(isinstance(text, str) for text in prompts):
        raise ValueError(f"prompts={prompts!r}; allowed: a list of texts, one an image")

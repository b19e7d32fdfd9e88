"""The colour of a picture's border in the words of the captions, learned from captioned pictures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

WIDTH = 8  # share of the side: the border is an eighth of it wide
LEAST = 5  # pictures that a word needs to be known


def border_colour(images: Tensor) -> Tensor:
    """Median colour ``(B, 3)`` of the border of images ``(B, 3, S, S)``, an eighth of the side wide."""
    side = images.shape[-1]
    width = max(side // WIDTH, 1)
    border = torch.ones(side, side, dtype=torch.bool, device=images.device)
    border[width : side - width, width : side - width] = False
    return images[:, :, border].median(2).values


@dataclass(frozen=True)
class ColourWords:
    """Words with the median border colour ``(W, 3)`` of the pictures that they were said of."""

    words: tuple[str, ...]
    colours: Tensor

    @classmethod
    def learn(cls, images: Tensor, words: Sequence[str]) -> ColourWords | None:
        """From images ``(N, 3, S, S)`` and the background's word of each; words said of few pictures are left out.

        None where no word is said of five pictures.
        """
        by_word: dict[str, list[Tensor]] = defaultdict(list)
        for colour, word in zip(border_colour(images), words, strict=True):
            if word:
                by_word[word].append(colour)
        known = sorted(word for word, colours in by_word.items() if len(colours) >= LEAST)
        if not known:
            return None
        return cls(tuple(known), torch.stack([torch.stack(by_word[word]).median(0).values for word in known]))

    def match(self, images: Tensor, words: Sequence[str]) -> Tensor:
        """Whether the border of each image has the colour that is nearest to its word's, ``(M,)`` bool.

        Only images whose word is known count: M of them, in order.
        """
        places = {word: place for place, word in enumerate(self.words)}
        known = [index for index, word in enumerate(words) if word in places]
        nearest = torch.cdist(border_colour(images[known]), self.colours).argmin(1)
        return nearest == torch.tensor([places[words[index]] for index in known], dtype=torch.long)

    def chance(self, words: Sequence[str]) -> float:
        """Share that guessing gets: always the commonest known word."""
        known = [word for word in words if word in self.words]
        return max((known.count(word) for word in self.words), default=0) / max(len(known), 1)

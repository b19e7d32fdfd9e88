"""What the harness evaluates: a callable of one tensor, and whether that tensor is the features or the image."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from torch import Tensor

KINDS = ("attack", "floor", "ceiling")
SEES = ("features", "queries", "image")
WITHOUT_HEAD = "mean without head"
"""Name of ``mean`` without its image head, an ablation: it shows what the head adds."""
NEAREST_BY_FEATURES = "nearest training image"
"""Name of the retrieval that reads the features."""
STATIC = "static "
"""Before the name of an operating point of an inverter that was not trained on what arrives."""


@dataclass(frozen=True)
class Method:
    """A way to get images, and what it is in the tables.

    Args:
        reconstruct: Gives ``recon`` ``(B, 3, S, S)`` from a copy of the one tensor that ``sees`` names.
        kind: ``attack`` (under test), ``floor`` or ``ceiling`` (references).
        sees: ``features``, ``queries`` (their mean over several queries of the picture), or ``image`` for references
            only.
        operating_point: Such as ``mean`` or ``sample``; None where there is one only.
        cost: What the caller knows of the cost per image, such as ``target_queries`` and ``denoiser_calls``;
            ``seconds_per_image`` here stands for the clock, where the work was done ahead for all images.
    Raises:
        ValueError: A kind or tensor of another name, or an attack that would see the image.
    """

    reconstruct: Callable[[Tensor], Tensor]
    kind: str = "attack"
    sees: str = "features"
    operating_point: str | None = None
    cost: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind is {self.kind!r}; allowed: {', '.join(KINDS)}")
        if self.sees not in SEES:
            raise ValueError(f"sees is {self.sees!r}; allowed: {', '.join(SEES)}")
        if self.kind == "attack" and self.sees == "image":
            raise ValueError("an attack sees is 'image'; allowed for attacks: features, queries")

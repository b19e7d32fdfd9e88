"""Judges: classifiers that no attack is trained on, asked whether a reconstruction shows what the original showed.

A way to draw may be chosen under them, on dev.
"""

import re
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from inverter.config.errors import one_line
from inverter.evaluation.judge_networks import JUDGE_NETWORKS
from inverter.evaluation.metrics import Missing
from inverter.evaluation.thumbnail import to_thumbnails
from inverter.run.device import place
from inverter.run.progress import track

TIE = 1e-6
"""Cosine similarities closer than this are a tie, which counts against the attacker."""


class ClassifierLike(Protocol):
    """What a judge needs: logits ``(B, K)`` and pooled vectors ``(B, D)`` of images in [0, 1], in one pass."""

    def classify(self, images: Tensor) -> tuple[Tensor, Tensor]: ...


@dataclass(frozen=True)
class Verdict:
    """A judge's view of n images: ``probabilities`` ``(n, K)`` and ``embeddings`` ``(n, D)``, float32 on the CPU."""

    probabilities: Tensor
    embeddings: Tensor

    @property
    def labels(self) -> Tensor:
        """Top-1 class of each image, ``(n,)``."""
        return self.probabilities.argmax(1)


class Judge:
    """A frozen classifier with the name under which its metrics are reported.

    Args:
        name: Short key in metric names, such as ``efficientnet-lite1``.
        label: What it is and what it was trained on, for tables.
        classifier: Network, on the device where it is to run.
        batch_size: Images per pass.
        device: Where the network lies.
    """

    def __init__(
        self,
        name: str,
        label: str,
        classifier: ClassifierLike,
        *,
        batch_size: int = 64,
        device: torch.device | str = "cpu",
    ) -> None:
        self.name, self.label, self.classifier = name, label, classifier
        self.batch_size, self.device = batch_size, torch.device(device)

    @torch.no_grad()
    def look(self, images: Tensor) -> Verdict:
        """Classes and embeddings of images ``(n, 3, H, W)`` in [0, 1]."""
        logits, embeddings = [], []
        for batch in images.split(self.batch_size):
            batch_logits, batch_embeddings = self.classifier.classify(
                batch.to(self.device, memory_format=torch.channels_last)
            )
            logits.append(batch_logits.float().cpu())
            embeddings.append(batch_embeddings.float().cpu())
        return Verdict(torch.cat(logits).softmax(1), torch.cat(embeddings))

    def embed(self, images: Tensor) -> Tensor:
        """Embeddings ``(n, D)`` of images ``(n, 3, H, W)`` in [0, 1]."""
        return self.look(images).embeddings


@dataclass(frozen=True)
class Reidentification:
    """Rank of each true image among ``choices`` images (distractors and itself), ``(n,)``; 1 is best."""

    ranks: Tensor
    choices: Tensor

    @property
    def top1(self) -> Tensor:
        """Whether the true image came first, ``(n,)`` bool."""
        return self.ranks == 1

    @property
    def reciprocal_rank(self) -> Tensor:
        return 1 / self.ranks.double()

    @property
    def chance_top1(self) -> Tensor:
        """Probability that a guess puts the true image first, ``(n,)``."""
        return 1 / self.choices.double()

    @property
    def chance_reciprocal_rank(self) -> Tensor:
        """Expected reciprocal rank of a guess, ``(n,)``: the harmonic number of the choices over the choices."""
        harmonic = torch.cumsum(1 / torch.arange(1, int(self.choices.max()) + 1, dtype=torch.float64), 0)
        return harmonic[self.choices - 1] / self.choices


def reidentification(
    recon_embeddings: Tensor, image_embeddings: Tensor, gallery_embeddings: Tensor, exclude: Tensor | None = None
) -> Reidentification:
    """Rank each true image among the distractors by cosine similarity to its reconstruction.

    Args:
        recon_embeddings: ``(n, D)``.
        image_embeddings: Of the true images, ``(n, D)``.
        gallery_embeddings: Of the distractors, ``(G, D)``.
        exclude: ``(n, G)`` bool: distractors that are no distractors for this image (same picture, same source).
    Returns:
        Ranks; a distractor as similar as the true image, or a similarity that is NaN, counts against the attacker.
    Raises:
        ValueError: Shapes disagree.
    """
    size, dimension = recon_embeddings.shape
    if image_embeddings.shape != (size, dimension) or gallery_embeddings.shape[1:] != (dimension,):
        raise ValueError(
            f"recon_embeddings {tuple(recon_embeddings.shape)}, image_embeddings {tuple(image_embeddings.shape)} and "
            f"gallery_embeddings {tuple(gallery_embeddings.shape)} must be (n, D), (n, D) and (G, D)"
        )
    if exclude is not None and exclude.shape != (size, len(gallery_embeddings)):
        raise ValueError(f"exclude has shape {tuple(exclude.shape)}; needed: {(size, len(gallery_embeddings))}")
    recon, image, gallery = (
        F.normalize(x.double(), dim=1) for x in (recon_embeddings, image_embeddings, gallery_embeddings)
    )
    true = (recon * image).sum(1, keepdim=True)
    at_least_as_near = ~(recon @ gallery.T < true - TIE)  # (n, G); also true for NaN
    distractors = torch.ones_like(at_least_as_near) if exclude is None else ~exclude
    return Reidentification(1 + (at_least_as_near & distractors).sum(1), 1 + distractors.sum(1))


@dataclass(frozen=True)
class Gallery:
    """Fixed distractors: images ``(G, 3, S, S)`` and the source of each; an image never meets its own source.

    Nor does a reconstruction meet itself: one that was retrieved from the pictures the gallery was drawn from would
    always be nearest to its own copy, and retrieval would look worse than it is.
    """

    images: Tensor
    groups: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.images) != len(self.groups):
            raise ValueError(f"gallery has {len(self.images)} images and {len(self.groups)} groups")

    @property
    def fewest(self) -> int:
        """Distractors that are left to a picture of the source which has most of them."""
        return len(self.groups) - max(Counter(self.groups).values())

    def excluded(self, groups: Sequence[str], recon: Tensor) -> Tensor:
        """``(n, G)`` bool: distractors of image i's source, or equal to ``recon`` i, uint8 of ``to_thumbnails``."""
        copies = same_source(_contents(recon), _contents(to_thumbnails(self.images)))
        return same_source(groups, self.groups) | copies


def _contents(pictures: Tensor) -> list[bytes]:
    return [picture.numpy().tobytes() for picture in pictures]


def same_source(a: Sequence[Hashable], b: Sequence[Hashable]) -> Tensor:
    """Whether group i of ``a`` is group j of ``b``, ``(len(a), len(b))`` bool."""
    numbers = {group: i for i, group in enumerate(dict.fromkeys([*a, *b]))}
    rows, columns = (torch.tensor([numbers[group] for group in groups]) for groups in (a, b))
    return rows[:, None] == columns[None, :]


def draw_gallery(batches: Iterable[Mapping[str, Any]], size: int = 1000, seed: int = 0) -> Gallery:
    """Draw up to ``size`` distractors uniformly from a stream of batches, holding no more than that many.

    Args:
        batches: Batches with ``image`` and ``group``.
        size: Distractors; all images where there are fewer.
        seed: Same seed and stream: same gallery.
    Raises:
        ValueError: The stream is empty.
    """
    generator = torch.Generator().manual_seed(seed)
    kept: list[tuple[Tensor, str]] = []
    num_seen = 0
    for batch in track(batches, "draw distractors"):
        for image, group in zip(batch["image"], batch["group"], strict=True):
            num_seen += 1
            if len(kept) < size:
                kept.append((image.clone(), group))
            elif (place := int(torch.randint(num_seen, (1,), generator=generator))) < size:
                kept[place] = (image.clone(), group)
    if not kept:
        raise ValueError("gallery is empty: the batches hold no image")
    return Gallery(torch.stack([image for image, _ in kept]), tuple(group for _, group in kept))


def load_judge(name: str, *, batch_size: int = 64, device: torch.device | str = "cpu") -> Judge:
    """Load a judge by its registered name, frozen, with its trained weights, in float32: half precision moves labels.

    Raises:
        ValueError: No judge has that name, or its weights are not at hand.
    """
    if name not in JUDGE_NETWORKS.names():
        raise ValueError(f"judge {name!r} does not exist; allowed: {', '.join(JUDGE_NETWORKS.names())}")
    network = JUDGE_NETWORKS[name]
    return Judge(name, network.label, place(network.load(), device), batch_size=batch_size, device=device)


def load_judges(
    names: Iterable[str], *, batch_size: int = 64, device: torch.device | str = "cpu"
) -> tuple[list[Judge], list[Missing]]:
    """The judges whose weights are at hand, and of each other one why it is missing.

    Raises:
        ValueError: No judge has one of the names.
    """
    judges: list[Judge] = []
    missing: list[Missing] = []
    for name in names:
        try:
            judges.append(load_judge(name, batch_size=batch_size, device=device))
        except ValueError as error:
            if name not in JUDGE_NETWORKS.names():
                raise
            missing.append(Missing(f"judge/{name}", one_line(error)))
    return judges, missing


def is_kin(judge: str, target: str) -> bool:
    """Whether a judge and a target, by their names, are of one family of architectures, so alike in what they see."""

    def letters(name: str) -> str:
        return re.sub(r"[^a-z]", "", name.lower())

    family = letters(re.split(r"\d", judge)[0])
    return bool(family) and family in letters(target)

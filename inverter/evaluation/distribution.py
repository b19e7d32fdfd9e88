"""Distances between the distribution of reconstructions and that of the originals, on a judge's embeddings.

torchmetrics has KID, FID and inception score of pictures, through a network of its own; of embeddings it has none. Its
KID knows neither sources nor pairs nor weights of a bootstrap; what it hides behind FID agrees with ours to 14 digits.
"""

import torch
from einops import einsum
from torch import Tensor

from inverter.evaluation.metrics import Missing

MIN_INCEPTION_IMAGES = 1000
MIN_FID_IMAGES = 5000
BLOCK = 1024
"""Images a side of the kernels that exist at once."""


def polynomial_kernel(x: Tensor, y: Tensor) -> Tensor:
    """``(x.y / D + 1) ** 3`` of every row of ``x`` ``(n, D)`` with every row of ``y`` ``(m, D)``, in float64."""
    return (x.double() @ y.double().T / x.shape[1] + 1) ** 3


def weighted_kid(x: Tensor, y: Tensor, counts: Tensor, sources: Tensor, block: int = BLOCK) -> Tensor:
    """Kernel inception distance of samples in which image i was drawn ``counts[r, i]`` times, for every replicate r.

    The unbiased squared MMD with the polynomial kernel of degree 3, which can fall below 0; not multiplied by 1,000.
    Only pairs of different sources count. Crops of one photo are alike, so pairs within it bias the estimate, and a
    replicate that drew the photo twice would hold ever more of them. Kernels exist for a block of pairs at a time.

    Args:
        x: Embeddings ``(n, D)`` of reconstructions.
        y: Embeddings ``(n, D)`` of their originals.
        counts: ``(R, n)``, how often each image was drawn.
        sources: ``(n,)``, number of the photo or clip that each image was cut from.
        block: Rows and columns of a block.
    Returns:
        ``(R,)`` float64; NaN for a replicate that drew one source only.
    Raises:
        ValueError: Shapes differ, or there are fewer than two rows.
    Source:
        Binkowski et al., "Demystifying MMD GANs" (arXiv:1801.01401). Differs: the whole sample at once instead of
        averaged blocks, and x and y are paired: a reconstruction never meets its own original.
    """
    if x.ndim != 2 or x.shape != y.shape:
        raise ValueError(f"x {tuple(x.shape)} and y {tuple(y.shape)} must have one shape (n, D)")
    if len(x) < 2:
        raise ValueError(f"KID needs two embeddings or more, got {len(x)}")
    counts = counts.double()
    drawn = counts.new_zeros(len(counts), int(sources.max()) + 1).index_add_(1, sources, counts)  # of each source
    pairs = drawn.sum(1).square() - drawn.square().sum(1)
    contrast = torch.zeros_like(pairs)
    parts = torch.arange(len(x)).split(block)
    for number, rows in enumerate(parts):
        for columns in parts[number:]:
            different = (sources[rows, None] != sources[None, columns]).double()
            kernels = polynomial_kernel(x[rows], x[columns]) + polynomial_kernel(y[rows], y[columns])
            kernels -= polynomial_kernel(x[rows], y[columns]) + polynomial_kernel(y[rows], x[columns])
            twice = 1 if rows is columns else 2  # what lies below the diagonal is what lies above it
            drawn_pairs = (counts[:, rows], kernels * different, counts[:, columns])
            contrast += twice * einsum(*drawn_pairs, "r i, i j, r j -> r")
    return contrast / pairs


def inception_score(probabilities: Tensor) -> float | Missing:
    """Inception score with one split: exp of the mean divergence of each image's classes from the mean over images.

    Args:
        probabilities: ``(n, K)``, rows sum to 1.
    Returns:
        Between 1 and K; :class:`Missing` below 1,000 images, where the score depends mostly on n.
    """
    if len(probabilities) < MIN_INCEPTION_IMAGES:
        return Missing("is", f"needs {MIN_INCEPTION_IMAGES} images, got {len(probabilities)}")
    p = probabilities.double()
    marginal = p.mean(0)
    return (torch.xlogy(p, p).sum(1).mean() - torch.xlogy(marginal, marginal).sum()).exp().item()


def fid(x: Tensor, y: Tensor) -> float | Missing:
    """Frechet distance of Gaussians fitted to embeddings ``(n, D)`` and ``(m, D)``; missing below 5,000 of each."""
    if min(len(x), len(y)) < MIN_FID_IMAGES:
        return Missing("fid", f"needs {MIN_FID_IMAGES} against {MIN_FID_IMAGES} images, got {len(x)} against {len(y)}")
    x, y = x.double(), y.double()
    return frechet_distance(x.mean(0), torch.cov(x.T), y.mean(0), torch.cov(y.T))


def frechet_distance(x_mean: Tensor, x_cov: Tensor, y_mean: Tensor, y_cov: Tensor) -> float:
    """``|mx - my|^2 + tr(Cx + Cy - 2 (Cx^1/2 Cy Cx^1/2)^1/2)``, by symmetric eigenvalues only."""
    values, vectors = torch.linalg.eigh(x_cov)
    root = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
    cross = torch.linalg.eigvalsh(root @ y_cov @ root).clamp(min=0).sqrt().sum()
    return ((x_mean - y_mean).square().sum() + x_cov.trace() + y_cov.trace() - 2 * cross).item()

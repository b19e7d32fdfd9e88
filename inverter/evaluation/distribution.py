"""Distances between the distribution of reconstructions and that of the originals, on a judge's embeddings."""

from dataclasses import dataclass

import torch
from torch import Tensor

from inverter.evaluation.metrics import Missing

MIN_INCEPTION_IMAGES = 1000
MIN_FID_IMAGES = 5000


@dataclass(frozen=True)
class Kernels:
    """Kernel matrices of two samples; all that resampling needs, so that a bootstrap never computes a kernel again.

    Args:
        xx: ``(n, n)`` float64.
        yy: ``(m, m)``.
        xy: ``(n, m)``.
        paired: Row i of x comes from the same image as row i of y: such pairs, which depend on each other, are left
            out of the cross term (n equals m).
    """

    xx: Tensor
    yy: Tensor
    xy: Tensor
    paired: bool = False


def polynomial_kernel(x: Tensor, y: Tensor) -> Tensor:
    """``(x.y / D + 1) ** 3`` of every row of ``x`` ``(n, D)`` with every row of ``y`` ``(m, D)``, in float64."""
    return (x.double() @ y.double().T / x.shape[1] + 1) ** 3


def kernel_matrices(x: Tensor, y: Tensor, *, paired: bool = False, yy: Tensor | None = None) -> Kernels:
    """Kernels of embeddings ``x`` ``(n, D)`` and ``y`` ``(m, D)``; pass ``yy`` where it is already there.

    Raises:
        ValueError: Dimensions differ, a sample has fewer than two rows, or paired samples differ in size.
    """
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1]:
        raise ValueError(f"x {tuple(x.shape)} and y {tuple(y.shape)} must be (n, D) and (m, D)")
    if min(len(x), len(y)) < 2:
        raise ValueError(f"KID needs two embeddings or more on each side, got {len(x)} and {len(y)}")
    if paired and len(x) != len(y):
        raise ValueError(f"paired samples must have one size, got {len(x)} and {len(y)}")
    return Kernels(
        polynomial_kernel(x, x), polynomial_kernel(y, y) if yy is None else yy, polynomial_kernel(x, y), paired
    )


def kid(x: Tensor, y: Tensor, *, paired: bool = False) -> float:
    """Kernel inception distance: unbiased squared MMD with the polynomial kernel of degree 3 (can fall below 0).

    Args:
        x: Embeddings ``(n, D)``.
        y: Embeddings ``(m, D)``.
        paired: Leave pairs (i, i) out of the cross term: x holds reconstructions of the images that y holds.
    Returns:
        The distance, in the kernel's unit (not multiplied by 1,000).
    Source:
        Binkowski et al., "Demystifying MMD GANs" (arXiv:1801.01401). Differs: the whole sample at once instead of
        averaged blocks, and the paired form.
    """
    kernels = kernel_matrices(x, y, paired=paired)
    return weighted_kid(kernels, torch.ones(1, len(x)), torch.ones(1, len(y))).item()


def weighted_kid(kernels: Kernels, x_counts: Tensor, y_counts: Tensor) -> Tensor:
    """KID of samples in which row i was drawn ``counts[r, i]`` times, for every replicate r.

    Pairs of a row with itself never count, also where a row was drawn more than once.

    Args:
        kernels: Kernels of the full samples.
        x_counts: ``(R, n)``, how often each row of x was drawn.
        y_counts: ``(R, m)``; equal to ``x_counts`` when the kernels are paired.
    Returns:
        ``(R,)`` float64; NaN for a replicate that drew one row only.
    """
    x_counts, y_counts = x_counts.double(), y_counts.double()
    xx = _mean_off_diagonal(kernels.xx, x_counts, x_counts)
    yy = _mean_off_diagonal(kernels.yy, y_counts, y_counts)
    if kernels.paired:
        xy = _mean_off_diagonal(kernels.xy, x_counts, y_counts)
    else:
        pairs = x_counts.sum(1) * y_counts.sum(1)
        xy = ((x_counts @ kernels.xy) * y_counts).sum(1) / pairs
    return xx + yy - 2 * xy


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


def _mean_off_diagonal(kernel: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    diagonal = (rows * columns * kernel.diagonal()).sum(1)
    pairs = rows.sum(1) * columns.sum(1) - (rows * columns).sum(1)
    return (((rows @ kernel) * columns).sum(1) - diagonal) / pairs

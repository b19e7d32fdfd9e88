"""The prior that pairs were made with."""

from __future__ import annotations

from inverter.blackbox.config import TrainConfig
from inverter.data.manifest import Manifest
from inverter.priors.load import load_prior
from inverter.priors.prior import DiffusionPrior


def load_pairs_prior(config: TrainConfig, manifest: Manifest, *, fetch: bool = True) -> DiffusionPrior:
    """The config's prior, whose pictures and latents the pairs hold; ``fetch`` as in :func:`load_prior`.

    Raises:
        ValueError: They are of another size, or of another autoencoder.
    """
    prior = load_prior(config.prior, config.memory, fetch=fetch)
    if manifest.latents and manifest.autoencoder_sha256 != prior.autoencoder_sha256:
        raise ValueError(
            f"prior {config.prior!r} has the autoencoder {prior.autoencoder_sha256[:12]}, but the pairs' latents were "
            f"made with {str(manifest.autoencoder_sha256)[:12]} ({manifest.prior!r}); use that prior or prepare again"
        )
    if manifest.resolution != prior.resolution:
        raise ValueError(f"pairs have {manifest.resolution} px; prior {config.prior!r} works at {prior.resolution} px")
    return prior

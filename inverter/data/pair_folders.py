"""The folders that pairs of the same pictures are written to, one a target: begun, and closed with their manifests."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inverter.config.errors import one_line
from inverter.data.fingerprint import Fingerprint
from inverter.data.manifest import MANIFEST, SPLITS
from inverter.data.origins import check_disjoint
from inverter.data.shards import ShardRecord, drop_partial_shard
from inverter.data.size import check_space, pair_bytes
from inverter.data.sources.source import ImageSource
from inverter.data.summary import summarise
from inverter.data.unfinished import folder_of
from inverter.payloads.codebooks import save_codebooks
from inverter.run.processes import rank, wait_for_all
from inverter.targets.spec import TargetSpec

if TYPE_CHECKING:
    from inverter.config import PrepareConfig

log = logging.getLogger(__name__)


class PairFolders:
    """Folders of configs that differ in target and output only.

    Args:
        configs: Of each folder.
        fingerprints: Of each, by output.
        source: The pictures.
        prior: What encodes them, and draws them where it is the source.
    """

    def __init__(
        self, configs: Sequence[PrepareConfig], fingerprints: Mapping[str, Fingerprint], source: ImageSource, prior: Any
    ) -> None:
        self.configs, self.fingerprints, self.source, self.prior = configs, fingerprints, source, prior
        self.paths = {config.output: folder_of(config) for config in configs}

    def begin(self, specs: Mapping[str, TargetSpec], precision: str) -> None:
        """Make the folders, or go on with what is there: note what the pairs are made from before the first.

        Args:
            specs: Targets by output.
            precision: That features and latents are computed in.
        Raises:
            ValueError: A folder's pairs were made from something else, or a disk has no room.
        """
        config, prior, listing = self.configs[0], self.prior, self.source.listing()
        for output, folder in self.paths.items():
            folder.mkdir(parents=True, exist_ok=True)
            if listing is not None:
                self.fingerprints[output].follow(listing)
        if not rank():
            for output, folder in self.paths.items():
                drop_partial_shard(folder, config.shard_size if self.fingerprints[output].grown else 0)
        wait_for_all()
        stored = (config.feature_dtype, prior.resolution, prior.latent_shape if config.latents else None)
        sizes = {folder: pair_bytes(specs[output].tensor_shape, *stored) for output, folder in self.paths.items()}
        check_space(sizes, self.source.num_images)
        drawn = {"prior_sha256": prior.weights_sha256} if config.source == "prior" else {}
        for output, folder in self.paths.items():
            made_by = {"target": specs[output].to_dict(), "autoencoder_sha256": prior.autoencoder_sha256, **drawn}
            self.fingerprints[output].begin(made_by, precision, listing)
            if not rank():
                save_codebooks(folder, specs[output].payload)

    def finish(
        self, specs: Mapping[str, TargetSpec], written: Mapping[str, Sequence[ShardRecord]], complete: bool
    ) -> None:
        """Write the manifests and say what is there; in the first process.

        Args:
            specs: Targets by output.
            written: Shards by output.
            complete: Whether these are all.
        """
        for config in self.configs:
            folder, records, noted = self.paths[config.output], written[config.output], self.fingerprints[config.output]
            spec, captured = specs[config.output], self.source.captured
            manifest, origins = summarise(records, config, spec, self.prior, noted.precision, captured)
            if origins is not None:
                origins.save(folder)
            manifest.save(folder)
            noted.finish(None if complete else config.max_time)
            counts = (manifest.num_pairs, manifest.num_sources, sum(record.num_bytes for record in records))
            log.info("%s: %d pairs of %d sources, %d bytes", folder, *counts)
            _warn_of_shared(folder)
        if not complete:
            log.warning("max_time=%s is over; a larger one, or null, goes on from here", config.max_time)
        elif config.pairs is not None and manifest.num_pairs < config.pairs:
            log.warning("pairs=%d, but source=%s has %d pictures", config.pairs, config.source, manifest.num_pairs)


def _warn_of_shared(folder: Path) -> None:
    """Log what a split has in common with those beside it: `train` and `evaluate` will refuse them."""
    for split in SPLITS:
        if split != folder.name and (folder.with_name(split) / MANIFEST).is_file():
            try:
                check_disjoint(folder, folder.with_name(split))
            except ValueError as error:
                log.warning("%s", one_line(error))

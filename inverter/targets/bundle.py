"""Targets that are given the same pictures: each network runs once, whatever is tapped in it and done to it then."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from torch import Tensor, nn

from inverter.targets.spec import TargetSpec
from inverter.targets.tap import tap
from inverter.targets.target import MultiTarget


class TargetBundle(nn.Module):
    """Layers of targets under names of the caller; those of one network share it, and one pass through it.

    Args:
        members: Targets, and for each the names of its layers.
    Raises:
        ValueError: A name is given twice.
    """

    def __init__(self, members: Sequence[tuple[MultiTarget, Mapping[str, str]]]) -> None:
        super().__init__()
        self.members = nn.ModuleList(target for target, _ in members)
        self.names = [dict(names) for _, names in members]
        everyone = [name for names in self.names for name in names.values()]
        if len(set(everyone)) < len(everyone):
            raise ValueError(f"names={everyone!r}; allowed: each once")
        first: dict[str, MultiTarget] = {}
        for target in self._targets:
            target.network = first.setdefault(_network_key(target), target).network

    @property
    def _targets(self) -> list[MultiTarget]:
        return [target for target in self.members if isinstance(target, MultiTarget)]

    @property
    def specs(self) -> dict[str, TargetSpec]:
        """Spec by name."""
        return {names[layer]: target.specs[layer] for target, names in self._each() for layer in names}

    @property
    def fits(self) -> bool:
        """Whether any payload has a range that is not known yet."""
        return any(target.fits for target in self._targets)

    @property
    def num_fit(self) -> int:
        """Pictures that these are measured on: what the payload takes that wants most."""
        return max((target.num_fit for target in self._targets if target.fits), default=0)

    def fit(self, batches: Iterable[Tensor]) -> dict[str, str]:
        """Names of payloads with the ranges of the features of all batches, where a range is not known yet.

        Raises:
            ValueError: As ``MultiTarget.fit``.
        """
        images = list(batches)
        by_layer: dict[str, str] = {}
        for target, names in self._each():
            if target.fits:
                fitted = target.fit(_first(images, target.num_fit))
                by_layer |= {names[layer]: payload for layer, payload in fitted.items()}
        return by_layer

    def use_payloads(self, payloads: Mapping[str, str]) -> None:
        """Send by the payloads that are named; the others stay."""
        for target, names in self._each():
            known = {layer: spec.payload for layer, spec in target.specs.items()}
            target.use_payloads({layer: payloads.get(names[layer], payload) for layer, payload in known.items()})

    def seed_payload(self, seed: int) -> None:
        """Begin the noise of payloads that draw anew; each draws what it would in a target alone."""
        for target in self._targets:
            target.seed_payload(seed)

    def transmit(self, images: Tensor) -> tuple[dict[str, Tensor], dict[str, list[int]]]:
        """What arrives of images ``(B, 3, H, W)`` in [0, 1] by name, and the bytes that travel for each image.

        Raises:
            ValueError: As ``MultiTarget.transmit``.
        """
        arrived: dict[str, Tensor] = {}
        counts: dict[str, list[int]] = {}
        tapped: dict[str, dict[str, Tensor]] = {}
        for target, names in self._each():
            key = _network_key(target)
            if key not in tapped:
                sharing = [other for other in self._targets if _network_key(other) == key]
                layers = dict.fromkeys(layer for other in sharing for layer in other.tapped_layers)
                tapped[key] = tap(target.network, list(layers), target.preprocess(images))
            features, sizes = target.transmit_tapped(tapped[key])
            arrived |= {names[layer]: features[layer] for layer in names}
            counts |= {names[layer]: sizes[layer] for layer in names}
        return arrived, counts

    def _each(self) -> Iterable[tuple[MultiTarget, dict[str, str]]]:
        return zip(self._targets, self.names, strict=True)


def _first(batches: Iterable[Tensor], number: int) -> Iterator[Tensor]:
    """The first pictures of all batches."""
    for batch in batches:
        if number > 0:
            yield batch[:number]
        number -= len(batch)


def _network_key(target: MultiTarget) -> str:
    """What two targets have in common that give the same features before any payload."""
    spec = next(iter(target.specs.values()))
    return f"{spec.name} {spec.input_size} {spec.preprocessing} {spec.weights_sha256} {spec.defence}"

"""A frozen network tapped at one layer or at several: images in, the features that would travel out."""

import difflib
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import cast

import torch
from torch import Tensor, nn

from inverter.config.arguments import whole_number
from inverter.payloads import Payload, Sent, make_payload
from inverter.payloads.payload import CHAIN, split_chain
from inverter.run.seeds import derive_seed
from inverter.targets.defended import Defended
from inverter.targets.digest import weights_sha256 as weights_sha256
from inverter.targets.preprocess import Preprocess, trying
from inverter.targets.shape import FeatureShape, join_features, layer_names, layer_shapes
from inverter.targets.spec import TargetSpec
from inverter.targets.tap import needing_weights, tap

log = logging.getLogger(__name__)


class _Tapped(nn.Module):
    """What targets share: the network, its preprocessing, and a payload and a spec for every tapped layer."""

    def __init__(
        self,
        network: nn.Module,
        layers: Sequence[str],
        *,
        name: str,
        input_size: int,
        mean: Sequence[float],
        std: Sequence[float],
        payload: str | Sequence[str] = "identity",
        payload_seed: int = 0,
        defended: Defended | None = None,
    ) -> None:
        super().__init__()
        _check_layers(network, layers, name)
        defended = defended or Defended()
        self.own_payload, self.cut = defended.payload, defended.cut
        self.layers = tuple(layers)
        self.preprocess = Preprocess(input_size, mean, std)
        self.network = network
        payload, payload_seed = make_payload(payload).name, whole_number("payload_seed", payload_seed)
        self.payloads = nn.ModuleList(self._make_payloads(payload, layer, payload_seed) for layer in layers)
        self.eval()
        for parameter in self.parameters():
            parameter.requires_grad = False  # the method refuses lazy ones
        shapes, sha256 = self._probe(name), weights_sha256(network)
        for layer, joint in shapes.items():
            for each, shape in zip(self._payloads(layer), layer_shapes(joint), strict=True):
                each.check(shape)
        self.specs = {
            layer: TargetSpec(
                name=name,
                layer=layer,
                input_size=self.preprocess.input_size,
                feature_shape=shapes[layer],
                payload=payload,
                preprocessing=self.preprocess.description,
                weights_sha256=sha256,
                defence=defended.mark,
            )
            for layer in self.layers
        }

    def train(self, mode: bool = True) -> "_Tapped":
        """Stay in eval mode: a target is frozen."""
        return super().train(False)

    def seed_payload(self, seed: int) -> None:
        """Begin the noise of payloads that draw anew."""
        for layer in self.layers:
            for payload, own in zip(self._payloads(layer), _seeds(layer, seed), strict=True):
                payload.restart(own)

    def by_layer(self, images: Tensor, check: bool = False) -> dict[str, Tensor]:
        """What arrives of images ``(B, 3, H, W)`` in [0, 1]: features of each tapped layer, float32 of a payload.

        Args:
            images: As ``forward`` takes them.
            check: Refuse what ``transmit`` refuses.
        Raises:
            ValueError: As ``transmit``, with ``check``.
        """
        sent = self._send(self._tap(images), _send_checked if check else _send)
        return {layer: join_features([part.features for part in parts]) for layer, parts in sent.items()}

    def transmit(self, images: Tensor) -> tuple[dict[str, Tensor], dict[str, list[int]]]:
        """What ``by_layer`` gives, and for each tapped layer the bytes that travel for each image.

        Raises:
            ValueError: Features, or what arrives of them, hold NaN or infinity, and the payload is not ``identity``.
        """
        return self.transmit_tapped(self._tap_layers(images))

    def transmit_tapped(self, tapped: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, list[int]]]:
        """What ``transmit`` gives where the features of :attr:`tapped_layers` are at hand, by layer.

        Raises:
            ValueError: As ``transmit``.
        """
        sent = self._send(self._by_tap(tapped), _send_checked)
        features = {layer: join_features([part.features for part in parts]) for layer, parts in sent.items()}
        counts = {layer: [part.num_bytes() for part in parts] for layer, parts in sent.items()}
        return features, {layer: [sum(each) for each in zip(*parts, strict=True)] for layer, parts in counts.items()}

    @property
    def tapped_layers(self) -> list[str]:
        """Layers that are read out of the network, joint ones one by one."""
        return list(dict.fromkeys(name for layer in self.layers for name in layer_names(layer)))

    def _send(
        self, features: Mapping[str, Sequence[Tensor]], send: Callable[[Payload, Tensor], Sent]
    ) -> dict[str, list[Sent]]:
        """What is sent, by tapped layer, one for each of the layers that it joins."""
        device = next(iter(features.values()))[0].device
        with torch.autocast(device.type, enabled=False):
            return {
                layer: [
                    send(payload, part if payload.name == "identity" else _exact(part))
                    for payload, part in zip(self._payloads(layer), features[layer], strict=True)
                ]
                for layer in self.layers
            }

    def _make_payloads(self, payload: str, layer: str, seed: int = 0) -> nn.ModuleList:
        """Of a tapped layer, a payload for each of the layers that it joins, a defence's own before it."""
        names = [name for name in (self.own_payload, payload) if name != "identity"] or ["identity"]
        return nn.ModuleList(make_payload(names, own) for own in _seeds(layer, seed))

    def _payloads(self, layer: str) -> list[Payload]:
        """Of a tapped layer, one for each of the layers that it joins."""
        return [cast(Payload, each) for each in cast(nn.ModuleList, self.payloads[self.layers.index(layer)])]

    def _tap(self, images: Tensor) -> dict[str, list[Tensor]]:
        """Features by tapped layer, one tensor for each of the layers that it joins."""
        return self._by_tap(self._tap_layers(images))

    def _tap_layers(self, images: Tensor) -> dict[str, Tensor]:
        return tap(self.network, self.tapped_layers, self.preprocess(images))

    def _by_tap(self, features: Mapping[str, Tensor]) -> dict[str, list[Tensor]]:
        if self.cut is not None:  # a defence's, which has one layer
            features = {name: self.cut.send(each) for name, each in features.items()}
        return {layer: [features[name] for name in layer_names(layer)] for layer in self.layers}

    def _probe(self, name: str) -> dict[str, FeatureShape]:
        """Shapes of the features; says where they are not those of a picture, and of that picture alone."""
        grey = self.preprocess.blank(self.network, batch_size=2)
        ramp = torch.linspace(0, 1, grey[1].numel(), device=grey.device).to(grey.dtype).view_as(grey[1])
        with trying(name, self.preprocess.input_size), needing_weights(self.network):
            mixed, alike = self._tap(torch.stack([grey[0], ramp])), self._tap(grey)
        for layer, parts in mixed.items():
            for one, other in zip(parts, alike[layer], strict=True):
                if torch.equal(one[0], one[1]):
                    log.warning("%s: features of %s are the same for two different pictures", name, layer)
                elif _differ(one[0], other[0]):
                    log.warning(
                        "%s: features of %s at one picture differ from pass to pass: the network draws at random, or "
                        "normalises over the batch, in eval mode too",
                        name,
                        layer,
                    )
        shapes = {layer: tuple(tuple(part.shape[1:]) for part in parts) for layer, parts in mixed.items()}
        return {layer: shape if len(shape) > 1 else shape[0] for layer, shape in shapes.items()}


class Target(_Tapped):
    """Frozen network that stops at a layer and returns its features.

    The network is taken over: its parameters are frozen and it stays in eval mode. ``load_target`` copies a given one.

    Args:
        network: Takes normalised images ``(B, 3, S, S)``.
        layer: Dotted name as in ``named_modules()``, or several, joined by ``+``, whose features travel together.
        name: Where the network comes from, kept in ``spec``.
        input_size: Side in pixels of the square that the network sees.
        mean: One number a colour channel, for images in [0, 1].
        std: Likewise.
        payload: What is applied to the features, such as ``identity``, ``int8`` or ``topk:0.1+int8``.
        payload_seed: Seeds the noise of payloads that draw.
        defended: What a defence does beside having changed the network's weights; its payload comes before the other.
    Raises:
        ValueError: There is no such layer (the message lists the nearest), the network does not run it or cannot take
            the input size, or its output is no single tensor of 2 to 4 dimensions with the batch first.
    """

    def __init__(
        self,
        network: nn.Module,
        layer: str,
        *,
        name: str,
        input_size: int,
        mean: Sequence[float],
        std: Sequence[float],
        payload: str | Sequence[str] = "identity",
        payload_seed: int = 0,
        defended: Defended | None = None,
    ) -> None:
        super().__init__(
            network,
            [layer],
            name=name,
            input_size=input_size,
            mean=mean,
            std=std,
            payload=payload,
            payload_seed=payload_seed,
            defended=defended,
        )
        self.layer = layer
        self.spec = self.specs[layer]

    def forward(self, images: Tensor) -> Tensor:
        """Features of images ``(B, 3, H, W)`` in [0, 1], any height and width: ``(B, *spec.tensor_shape)``.

        Raises:
            ValueError: ``images`` has another shape or holds integers.
        """
        return self.by_layer(images)[self.layer]  # (B, C, h, w), (B, N, D) or (B, D)

    def send(self, images: Tensor) -> list[Sent]:
        """What is sent of images ``(B, 3, H, W)``, one for each of the layers that it joins.

        Raises:
            ValueError: As ``transmit``.
        """
        return self._send(self._tap(images), _send_checked)[self.layer]

    def unlock(self, features: Tensor) -> Tensor:
        """What a server that holds the payload's key makes of what arrives of one layer's features."""
        (payload,) = self._payloads(self.layer)
        return payload.unlock(features)


class MultiTarget(_Tapped):
    """Frozen network that stops at the last of several layers and returns the features of each.

    Every layer's features, spec and payload noise are those of a ``Target`` at that layer alone.

    Args:
        network: As for ``Target``, also taken over.
        layers: As ``layer`` of ``Target``, none twice; in any order.
        name: As for ``Target``, like everything that follows.
    Raises:
        ValueError: As for ``Target``; or there is no layer, or one is given twice.
    """

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Features of images ``(B, 3, H, W)`` in [0, 1] by layer, each ``(B, *specs[layer].tensor_shape)``.

        Raises:
            ValueError: ``images`` has another shape or holds integers.
        """
        return self.by_layer(images)

    @property
    def fits(self) -> bool:
        """Whether the payloads have ranges that are not known yet."""
        return self._payloads(self.layers[0])[0].fits

    @property
    def num_fit(self) -> int:
        """Pictures that these are measured on."""
        return self._payloads(self.layers[0])[0].num_fit

    def fit(self, batches: Iterable[Tensor]) -> dict[str, str]:
        """Names of payloads with the ranges of the features of all batches of images ``(B, 3, H, W)``, by layer.

        Raises:
            ValueError: Layers are joint, which have no common range, or features are all the same.
        """
        payloads = {layer: self._payloads(layer) for layer in self.layers}
        for layer, (payload, *others) in payloads.items():
            if others:
                raise ValueError(f"payload={payload.name}: {layer} are several layers; allowed: one, or a fixed range")
        tapped = [{layer: _exact(part).cpu() for layer, (part,) in self._tap(each).items()} for each in batches]
        with torch.autocast("cpu", enabled=False):
            names = {
                layer: payload.fitted(torch.cat([features[layer] for features in tapped]))
                for layer, (payload,) in payloads.items()
            }
        own = 0 if self.own_payload == "identity" else len(split_chain(self.own_payload))
        return {layer: CHAIN.join(split_chain(name)[own:]) for layer, name in names.items()}

    def use_payloads(self, names: Mapping[str, str]) -> None:
        """Send each layer's features by the payload that is named for it."""
        self.payloads = nn.ModuleList(self._make_payloads(names[layer], layer) for layer in self.layers)
        self.specs = {layer: replace(spec, payload=names[layer]) for layer, spec in self.specs.items()}


def _differ(one: Tensor, other: Tensor) -> bool:
    """Beyond what rounding explains; False where either is not finite."""
    if one.shape != other.shape:
        return True
    return bool((one - other).norm() > 0.05 * other.norm())


def _check_layers(network: nn.Module, layers: Sequence[str], name: str) -> None:
    names = [known for known, _ in network.named_modules() if known]
    for layer in (each for joined in layers for each in layer_names(joined)):
        if layer not in names:
            nearest = difflib.get_close_matches(layer, names, n=6, cutoff=0.0)
            raise ValueError(f"layer={layer!r} is not in {name}; the nearest of its layers are {', '.join(nearest)}")
    if not layers or len(set(layers)) < len(layers):
        raise ValueError(f"layers={list(layers)!r}; allowed: one or more, each once")


def _seeds(layer: str, seed: int) -> list[int]:
    """Of a tapped layer's payloads; joint layers have one each, as those of equal width would share key and noise."""
    names = layer_names(layer)
    return [seed] if len(names) == 1 else [derive_seed(seed, name) for name in names]


def _exact(features: Tensor) -> Tensor:
    """Float32 of features in half precision."""
    return features if features.dtype == torch.float64 else features.float()


def _send(payload: Payload, features: Tensor) -> Sent:
    return Sent(payload(features))


def _send_checked(payload: Payload, features: Tensor) -> Sent:
    return payload.send(features)

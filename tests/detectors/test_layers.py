"""Backbones taken a part at a time: the parts make up the whole, and what does not fit is refused."""

import pytest
import torch
from torch import Tensor

from config.errors import InputError
from config.schema import BackboneConfig
from detectors import BACKBONE
from detectors.backbones.base import LayeredBackbone, layered

SHAPES = {
    # Two unpadded convolutions, then blocks that halve the map three times.
    "xception": {"conv1": (32, 127, 127), "conv2": (64, 125, 125), "block3": (728, 16, 16), "block12": (1024, 8, 8)},
    "efficientnet_lite0": {
        "stem": (32, 128, 128),
        "stage0": (16, 128, 128),
        "stage3": (80, 16, 16),
        "head": (1280, 8, 8),
    },
}


@pytest.fixture(params=SHAPES)
def backbone(request) -> LayeredBackbone:
    torch.manual_seed(0)
    return layered(BACKBONE[request.param](BackboneConfig())).eval()


def images(size: int) -> Tensor:
    return torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(3))


def test_all_layers_one_after_the_other_are_the_whole_network(backbone: LayeredBackbone):
    expected = backbone.features(images(64))
    assert torch.equal(backbone.through(images(64)), expected)
    for name in backbone.layers:
        assert torch.equal(backbone.through(backbone.through(images(64), to=name), after=name), expected)


def test_shapes_at_256_pixels(request, backbone: LayeredBackbone):
    shapes = SHAPES[request.node.callspec.params["backbone"]]
    backbone.train()
    assert backbone.shapes_at(list(shapes), 256) == list(shapes.values())
    assert backbone.training
    assert all(int(tensor) == 0 for key, tensor in backbone.state_dict().items() if "num_batches" in key)


def test_a_layer_may_be_named_twice(backbone: LayeredBackbone):
    name = backbone.layers[1]
    first, second = backbone.shapes_at([name, name], 64)
    assert first == second
    assert torch.equal(backbone.through(images(64), name, name), images(64))


def test_layers_that_are_not_there_or_in_another_order_are_refused(backbone: LayeredBackbone):
    with pytest.raises(InputError, match=r"unknown layer of .*; did you mean"):
        backbone.through(images(64), to=backbone.layers[1] + "0")
    with pytest.raises(InputError, match="layers: expected in the order of"):
        backbone.shapes_at(backbone.layers[1::-1], 64)


def test_a_network_without_layers_is_refused():
    with pytest.raises(InputError, match=r"backbone_name: expected a network that can be entered.*not ResNet50"):
        layered(BACKBONE["resnet50"](BackboneConfig()))

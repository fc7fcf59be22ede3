"""Stages of backbones against the libraries' own maps, and what the feature map and the pyramid make of them."""

from collections.abc import Callable
from pathlib import Path

import pytest
import timm
import torch
from efficientnet_pytorch import EfficientNet
from efficientnet_pytorch.utils import url_map
from torch import Tensor, nn

from config.errors import InputError
from config.schema import BackboneConfig
from detectors import BACKBONE
from detectors.backbones.base import Backbone, StagedBackbone

SIDES = (64, 32, 16, 8)
UNPADDED = (63, 32, 16, 8)  # behind a first convolution without padding
STAGES = {
    "efficientnet_lite0": ((24, 40, 112, 320), SIDES),
    "efficientnetb1": ((24, 40, 112, 320), SIDES),
    "efficientnetb4": ((32, 56, 160, 448), UNPADDED),
    "efficientnetb4_standard": ((32, 56, 160, 448), SIDES),
    "resnet101": ((256, 512, 1024, 2048), SIDES),
    "resnet34": ((64, 128, 256, 512), SIDES),
    "resnet50": ((256, 512, 1024, 2048), SIDES),
    "xception": ((128, 256, 728, 1024), UNPADDED),
}
PUBLISHED = {"efficientnetb1": "efficientnet-b1", "efficientnetb4_standard": "efficientnet-b4"}


def images(size: int, batch: int = 2) -> Tensor:
    return torch.randn(batch, 3, size, size, generator=torch.Generator().manual_seed(3))


def build(name: str) -> Backbone:
    torch.manual_seed(0)
    return BACKBONE[name](BackboneConfig())


@pytest.fixture(params=PUBLISHED)
def published(request, tmp_path: Path) -> tuple[EfficientNet, Backbone]:
    """The package's network, and ours that started from its file."""
    name = request.param
    torch.manual_seed(0)
    network = EfficientNet.from_name(PUBLISHED[name])
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
        if hasattr(module, "_swish"):
            module._swish = nn.SiLU()  # the package's own, x * sigmoid(x), rounds otherwise
    network.train().extract_features(images(64))  # with statistics of images, its features do not vanish
    torch.save(network.state_dict(), tmp_path / "published.pth")
    backbone = BACKBONE[name](BackboneConfig())
    backbone.initialise(tmp_path / "published.pth")
    return network, backbone


@pytest.mark.parametrize("name", STAGES)
def test_stages_of_an_image_of_256_pixels(name: str):
    channels, sides = STAGES[name]
    with torch.device("meta"):
        backbone = BACKBONE[name](BackboneConfig())
        shapes = [tuple(one.shape) for one in backbone.stages(torch.zeros(2, 3, 256, 256))]
    assert backbone.stage_channels == channels
    assert shapes == [(2, count, side, side) for count, side in zip(channels, sides, strict=True)]


@pytest.mark.parametrize("name", STAGES)
def test_a_single_pass_gives_the_stages_and_the_feature_map(name: str):
    backbone = build(name).eval()
    with torch.no_grad():
        stages, features = backbone.stages(images(64)), backbone.features(images(64))
        assert torch.equal(backbone.features_of_stage(stages[-1]), features)
        pyramid = backbone.pyramid(images(64))
    assert features.shape[1] == backbone.channels
    for one, expected in zip(pyramid, [*stages[:-1], features], strict=True):
        assert torch.equal(one, expected)


def test_stages_of_an_efficientnet_are_the_packages_end_points(published):
    network, backbone = published
    with torch.no_grad():
        ends = network.eval().extract_endpoints(images(96))
        stages = backbone.eval().stages(images(96))
        features = backbone.features(images(96))
    assert features.std() > 0.1
    assert torch.equal(features, ends["reduction_6"])
    for number, one in enumerate(stages, start=2):
        assert torch.equal(one, ends[f"reduction_{number}"])


def test_an_efficientnet_in_training_skips_the_blocks_that_the_packages_skips(published):
    network, backbone = published
    torch.manual_seed(1)
    expected = network.train().extract_features(images(64))
    torch.manual_seed(1)
    assert torch.equal(backbone.train().features(images(64)), expected)
    torch.manual_seed(2)
    assert not torch.equal(backbone.features(images(64)), expected)


def test_efficientnet_b1_is_the_papers_with_the_packages_file():
    with torch.device("meta"):
        backbone = BACKBONE["efficientnetb1"](BackboneConfig())
    classifier = 1280 * 1000 + 1000
    millions = (sum(map(torch.numel, backbone.efficientnet.parameters())) + classifier) / 1e6
    assert round(millions, 1) == 7.8
    assert Path(backbone.imagenet).name == url_map["efficientnet-b1"].rpartition("/")[2]


def test_stages_of_lite_are_timms_blocks():
    backbone = build("efficientnet_lite0").eval()
    network = timm.create_model("tf_efficientnet_lite0", features_only=True).eval()
    network.load_state_dict(backbone.network.state_dict(), strict=False)
    with torch.no_grad():
        for one, expected in zip(backbone.stages(images(64)), network(images(64))[1:], strict=True):
            assert torch.equal(one, expected)
        assert torch.equal(backbone.features(images(64)), backbone.network(images(64)))


def test_stages_of_xception_are_what_timms_next_blocks_are_given():
    backbone = build("xception").eval()
    network = timm.create_model("legacy_xception").eval()
    network.load_state_dict(backbone.state_dict(), strict=False)
    given: list[Tensor] = []
    for name in ("block2", "block3", "block12", "conv3"):
        network.get_submodule(name).register_forward_pre_hook(lambda _, inputs: given.append(inputs[0].clone()))
    with torch.no_grad():
        network(images(64))
        for one, expected in zip(backbone.stages(images(64)), given, strict=True):
            torch.testing.assert_close(one, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", sorted(set(BACKBONE.names()) - set(STAGES)))
@pytest.mark.parametrize("use", [lambda one: one.stage_channels, lambda one: one.stages(images(64))])
def test_a_backbone_without_stages_says_so_in_a_sentence(name: str, use: Callable[[Backbone], object]):
    with torch.device("meta"):
        backbone = BACKBONE[name](BackboneConfig())
    named = type(backbone).__name__
    with pytest.raises(
        InputError, match=rf"^backbone_name: expected a network with stages at strides .*, not {named}$"
    ):
        use(backbone)


class Halves(StagedBackbone):
    """The least that a backbone with stages is: means of 4 to 32 pixels."""

    channels = 3
    stage_channels = (3, 3, 3, 3)

    def stages(self, images: Tensor) -> list[Tensor]:
        return [nn.functional.avg_pool2d(images, stride) for stride in (4, 8, 16, 32)]

    def classifier(self, features: Tensor) -> Tensor:
        return self.pool(features)


def test_the_last_stage_is_the_feature_map_if_a_backbone_says_nothing_else():
    backbone = Halves(BackboneConfig())
    features = images(32).mean((2, 3), keepdim=True)
    torch.testing.assert_close(backbone.features(images(32)), features)
    torch.testing.assert_close(backbone.pyramid(images(32))[-1], features)
    assert backbone.pyramid_channels == (3, 3, 3, 3)

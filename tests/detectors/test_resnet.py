"""ResNets against torchvision's own forward pass and timm's independent implementation, of the same weights file."""

from pathlib import Path

import pytest
import timm
import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn

from config.errors import InputError
from config.schema import BackboneConfig
from detectors import BACKBONE
from detectors.backbones.base import Backbone

NAMES = ["resnet50", "resnet101"]


def images(size: int, batch: int = 2) -> Tensor:
    return torch.randn(batch, 3, size, size, generator=torch.Generator().manual_seed(3))


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ResNet-50 of torchvision with statistics of images, in the layout of its ImageNet file."""
    torch.manual_seed(0)
    network = torchvision.models.resnet50()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    network.train()(images(64))
    path = tmp_path_factory.mktemp("resnet") / "resnet50.pth"
    # The published file is older than BatchNorm's counters.
    state = {key: tensor for key, tensor in network.state_dict().items() if not key.endswith("num_batches_tracked")}
    torch.save(state, path)
    return path


def started(file: Path) -> Backbone:
    backbone = BACKBONE["resnet50"](BackboneConfig()).eval()
    backbone.initialise(file)
    return backbone


def test_features_are_what_torchvisions_network_classifies(file: Path):
    backbone, other = started(file), torchvision.models.resnet50().eval()
    assert backbone.initialisation.startswith("ImageNet, resnet50.pth, sha256 ")
    other.load_state_dict(torch.load(file, weights_only=True), strict=False)
    with torch.no_grad():
        features, logits = backbone.features(images(96)), other(images(96))
        assert features.std() > 0.1
        assert torch.equal(other.fc(backbone.pool(features)), logits)
        own = F.linear(features.mean((2, 3)), *backbone.last_layer.parameters())
        torch.testing.assert_close(backbone.classifier(features), own, rtol=1e-4, atol=1e-5)


def test_stages_are_those_of_an_independent_implementation(file: Path):
    other = timm.create_model("resnet50", features_only=True, out_indices=(1, 2, 3, 4)).eval()
    other.load_state_dict(torch.load(file, weights_only=True), strict=False)
    with torch.no_grad():
        for one, expected in zip(started(file).stages(images(64)), other(images(64)), strict=True):
            torch.testing.assert_close(one, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_parameters_and_file_are_those_that_torchvision_tells(name: str):
    with torch.device("meta"):
        backbone = BACKBONE[name](BackboneConfig())
    weights = torchvision.models.get_model_weights(name)["IMAGENET1K_V1"]
    classifier = 2048 * 1000 + 1000
    assert sum(map(torch.numel, backbone.network.parameters())) == weights.meta["num_params"] - classifier
    assert Path(backbone.imagenet).name == weights.url.rpartition("/")[2]


@pytest.mark.parametrize("name", NAMES)
def test_names_and_shapes_are_torchvisions(name: str):
    with torch.device("meta"):
        backbone, other = BACKBONE[name](BackboneConfig()), getattr(torchvision.models, name)()
    own = {key: tensor.shape for key, tensor in backbone.network.state_dict().items()}
    assert own == {key: tensor.shape for key, tensor in other.state_dict().items() if not key.startswith("fc.")}


def test_resnet34_is_torchvisions_from_its_file(tmp_path: Path):
    torch.manual_seed(0)
    other = torchvision.models.resnet34()
    for module in other.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    other.train()(images(64))
    torch.save(other.state_dict(), tmp_path / "resnet34.pth")
    backbone = BACKBONE["resnet34"](BackboneConfig()).eval()
    backbone.initialise(tmp_path / "resnet34.pth")
    ends = timm.create_model("resnet34", features_only=True, out_indices=(1, 2, 3, 4)).eval()
    ends.load_state_dict(other.state_dict(), strict=False)
    with torch.no_grad():
        features = backbone.features(images(96))
        assert features.std() > 0.1
        assert torch.equal(other.eval().fc(backbone.pool(features)), other(images(96)))
        for one, expected in zip(backbone.stages(images(64)), ends(images(64)), strict=True):
            torch.testing.assert_close(one, expected, rtol=1e-4, atol=1e-4)
    url = torchvision.models.get_model_weights("resnet34")["IMAGENET1K_V1"].url
    assert Path(backbone.imagenet).name == url.rpartition("/")[2]


def test_a_file_of_the_other_depth_is_refused(file: Path):
    with torch.device("meta"):
        backbone = BACKBONE["resnet101"](BackboneConfig())
    with pytest.raises(InputError, match=r"resnet50\.pth does not fit ResNet-101: \d+ tensors missing"):
        backbone.initialise(file)


def test_a_first_convolution_of_other_channels_starts_as_torchvisions():
    torch.manual_seed(0)
    weights = BACKBONE["resnet50"](BackboneConfig(inc=4)).network.conv1.weight
    assert weights.shape == (64, 4, 7, 7)
    assert abs(weights.std().item() / (2 / (64 * 49)) ** 0.5 - 1) < 0.05

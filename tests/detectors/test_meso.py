"""MesoNet: the paper's counts of parameters, and maps that are worked out by hand from weights that only pass on."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from config.errors import InputError
from config.load import load_config
from config.schema import BackboneConfig, DetectorConfig
from detectors import BACKBONE, build_detector

NAMES = ["meso4", "meso4Inception"]


def passing(name: str, kernels: dict[str, Callable[[Tensor], None]]) -> nn.Module:
    """A backbone whose convolutions pass their first channel on to their first channel, but for those given."""
    backbone = BACKBONE[name](BackboneConfig()).eval()
    with torch.no_grad():
        for key, module in backbone.named_modules():
            if isinstance(module, nn.Conv2d):
                centre = module.kernel_size[0] // 2
                module.weight.zero_()[0, 0, centre, centre] = 1
                kernels.get(key, lambda _: None)(module.weight)
            if isinstance(module, nn.BatchNorm2d):
                module.eps = 0.0
    return backbone


def red(values: Tensor) -> Tensor:
    """An image (1, 3, 256, 256) with these values in its first channel alone."""
    return torch.stack([values, torch.zeros_like(values), torch.zeros_like(values)])[None]


@pytest.mark.parametrize(
    ("name", "published", "own_biases", "own_norms"),
    # Meso-4: biases of four convolutions, batch norms of conv2 and conv4. MesoInception-4: biases of 16 convolutions,
    # and the batch norm of the last.
    [("meso4", 27977, 8 + 8 + 16 + 16, 2 * (8 + 16)), ("meso4Inception", 28615, 1 + 16 + 4 + 2 + 16 + 4 + 32, 2 * 16)],
)
def test_parameters_are_the_papers_but_for_what_the_public_code_leaves_out(name, published, own_biases, own_norms):
    own = sum(map(torch.numel, BACKBONE[name](BackboneConfig()).parameters()))
    second_logit = 16 + 1
    assert own == published - own_biases - own_norms + second_logit


def test_meso4_takes_the_largest_of_32_pixels_where_its_layers_only_pass_on():
    image = torch.randn(256, 256, generator=torch.Generator().manual_seed(0))
    features = passing("meso4", {}).features(red(image))
    expected = image.unflatten(0, (8, 32)).unflatten(2, (8, 32)).amax((1, 3)).relu()
    assert features.shape == (1, 16, 8, 8)
    torch.testing.assert_close(features[0, 0], expected)
    assert not features[0, 1:].any()


@pytest.mark.parametrize(("name", "shared"), [("meso4", ["bn1", "bn2"]), ("meso4Inception", ["bn1"])])
def test_a_shared_batch_norm_comes_behind_two_convolutions(name, shared):
    backbone = passing(name, {})
    for key in shared:
        nn.init.constant_(backbone.get_submodule(key).weight, 3.0)
    features = backbone.features(red(torch.ones(256, 256)))
    torch.testing.assert_close(features[0, 0], torch.full((8, 8), 9.0 ** len(shared)))


@pytest.mark.parametrize(("branch", "shift"), [(2, 1), (3, 2), (4, 3)])
@pytest.mark.parametrize("module", [1, 2])
def test_inception_branches_reach_1_2_and_3_cells(module: int, branch: int, shift: int):
    """A 3x3 kernel whose only weight is its first moves the map down and right by its dilation."""
    first = [0, 1, 5, 9][branch - 1]  # where the branch lies among the channels: behind 1, 4 and 4 others
    first += branch > 1 and module == 2  # the second module's first branch has two channels

    def corner(weight: Tensor) -> None:
        weight.zero_()[0, 0, 0, 0] = 1

    def from_the_branch(weight: Tensor) -> None:
        centre = weight.shape[-1] // 2
        weight.zero_()[0, first, centre, centre] = 1

    name = f"Incption{module}"
    # The first module's output is read by the second's first convolution, that one's by conv1.
    reader = {1: "Incption2_conv1", 2: "conv1"}[module]
    backbone = passing("meso4Inception", {f"{name}_conv{branch}_2": corner, reader: from_the_branch})
    cell = module  # of pixels, a side of the module's input
    for distance, reaches in ((shift, True), (shift + 1, False)):
        image = torch.zeros(256, 256)
        start = (32 // cell - distance) * cell
        image[start : start + cell, start : start + cell] = 1
        features = backbone.features(red(image))[0, 0]
        assert bool(features[1, 1] > 0) == reaches


def test_inception_modules_have_no_relu():
    """What is negative passes both modules; the convolution behind them turns its sign."""

    def negated(weight: Tensor) -> None:
        weight.neg_()

    features = passing("meso4Inception", {"conv1": negated}).features(red(torch.full((256, 256), -1.0)))
    torch.testing.assert_close(features[0, 0], torch.ones(8, 8))


@pytest.mark.parametrize("name", NAMES)
def test_the_head_is_leaky_and_drops_half_before_each_layer(name: str):
    detector = build_detector(load_config(DetectorConfig, name)).eval()
    backbone = detector.backbone
    with torch.no_grad():
        backbone.fc1.weight.zero_()
        backbone.fc1.bias.copy_(torch.arange(16) - 8.0)
        backbone.fc2.weight.copy_(torch.stack([torch.ones(16), -torch.ones(16)]))
        backbone.fc2.bias.zero_()
        hidden = sum(range(1, 8)) - 0.1 * sum(range(1, 9))
        torch.testing.assert_close(
            detector.classifier(torch.zeros(1, 16, 8, 8)), torch.tensor([[hidden, -hidden]]), rtol=0, atol=1e-5
        )
    assert backbone.dropout.p == 0.5


@pytest.mark.parametrize("name", NAMES)
def test_another_size_is_refused(name: str):
    with pytest.raises(InputError, match=r"resolution: Meso.*-4 takes 256 pixels, not 224 x 224"):
        BACKBONE[name](BackboneConfig()).features(torch.zeros(1, 3, 224, 224))
